//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::state::{self, StateSettings};

/// The state stores of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "state.etcd",
        aliases: &[],
        version: Version::Named { name: "v1", default: true, deprecated_for: Some("v2") },
        summary: "Keeps state in etcd, values as they are.",
        fields: StateSettings::FIELDS,
        constructor: Constructor::StateStore(state::construct_v1),
    },
    Registration {
        component_type: "state.etcd",
        aliases: &[],
        version: Version::Named { name: "v2", default: false, deprecated_for: None },
        summary: "Keeps state in etcd, values with the time they were written and how long they live.",
        fields: StateSettings::FIELDS,
        constructor: Constructor::StateStore(state::construct_v2),
    },
];
