//! What this crate offers beside the resolver. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::state::{self, SqliteSettings};

/// The state store of this crate.
pub const REGISTRATIONS: &[Registration] = &[Registration {
    component_type: "state.sqlite",
    aliases: &[],
    version: Version::Any,
    summary: "Keeps state in an SQLite file, in the target's tables; writers queue into group commits.",
    fields: SqliteSettings::FIELDS,
    constructor: Constructor::StateStore(state::construct),
}];
