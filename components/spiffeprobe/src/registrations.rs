//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Version};

use crate::{secret_store, state_store};

/// The two probes.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "state.spiffeprobe",
        aliases: &[],
        version: Version::Any,
        summary: "For tests: any key reads as which identity sources the store was given.",
        fields: &[],
        constructor: Constructor::StateStore(state_store::construct),
    },
    Registration {
        component_type: "secretstores.spiffeprobe",
        aliases: &[],
        version: Version::Any,
        summary: "For tests: says which identity sources were there when it resolved a secret of another component.",
        fields: &[],
        constructor: Constructor::SecretStore(secret_store::construct),
    },
];
