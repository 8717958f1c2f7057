//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::local_env::{self, LocalEnvSettings};
use crate::local_file::{self, LocalFileSettings};
use crate::{memory_pubsub, memory_state};

/// The stores and brokers of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "state.in-memory",
        aliases: &[],
        version: Version::Any,
        summary: "Keeps state in the memory of the sidecar; it is gone when the sidecar ends.",
        fields: &[],
        constructor: Constructor::StateStore(memory_state::construct),
    },
    Registration {
        component_type: "pubsub.in-memory",
        aliases: &[],
        version: Version::Any,
        summary: "Keeps topics in the memory of the sidecar: its own app's messages to itself, gone when the sidecar ends.",
        fields: &[],
        constructor: Constructor::PubSub(memory_pubsub::construct),
    },
    Registration {
        component_type: "secretstores.local.env",
        aliases: &[],
        version: Version::Any,
        summary: "Reads secrets from the environment variables of the sidecar, except the runtime's own.",
        fields: LocalEnvSettings::FIELDS,
        constructor: Constructor::SecretStore(local_env::construct),
    },
    Registration {
        component_type: "secretstores.local.file",
        aliases: &[],
        version: Version::Any,
        summary: "Reads secrets from a JSON file once, when the sidecar starts.",
        fields: LocalFileSettings::FIELDS,
        constructor: Constructor::SecretStore(local_file::construct),
    },
];
