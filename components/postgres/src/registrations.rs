//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Version};

use crate::{configuration, state};

/// The state and configuration stores of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "state.postgresql",
        aliases: &["state.postgres"],
        version: Version::Named { name: "v1", default: true, deprecated_for: None },
        summary: "Keeps state in a PostgreSQL table, JSON as such, so that it can be queried.",
        fields: &state::V1_FIELDS,
        constructor: Constructor::StateStore(state::construct_v1),
    },
    Registration {
        component_type: "state.postgresql",
        aliases: &["state.postgres"],
        version: Version::Named { name: "v2", default: false, deprecated_for: None },
        summary: "Keeps state in a PostgreSQL table, as bytes: smaller and faster than v1, without queries.",
        fields: &state::V2_FIELDS,
        constructor: Constructor::StateStore(state::construct_v2),
    },
    Registration {
        component_type: "configuration.postgresql",
        aliases: &["configuration.postgres"],
        version: Version::Any,
        summary: "Reads configuration from a PostgreSQL table and hears of its changes.",
        fields: &configuration::CONFIGURATION_FIELDS,
        constructor: Constructor::ConfigurationStore(configuration::construct),
    },
];
