//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::settings::RedisSettings;
use crate::state;

/// The stores on Redis.
pub const REGISTRATIONS: &[Registration] = &[Registration {
    component_type: "state.redis",
    aliases: &[],
    version: Version::Any,
    summary: "Keeps state in Redis: one server, a set watched by sentinels, or a cluster.",
    fields: RedisSettings::FIELDS,
    constructor: Constructor::StateStore(state::construct),
}];
