//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::connection::HubSettings;
use crate::pubsub::PubSubSettings;
use crate::{configuration, lock, pubsub, state};

/// The components of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "state.embedded",
        aliases: &[],
        version: Version::Any,
        summary: "Keeps state in the hub of this user, which the apps of one machine share.",
        fields: HubSettings::FIELDS,
        constructor: Constructor::StateStore(state::construct),
    },
    Registration {
        component_type: "configuration.embedded",
        aliases: &[],
        version: Version::Any,
        summary: "Reads configuration from the hub of this user; `trilby hub config` writes it.",
        fields: HubSettings::FIELDS,
        constructor: Constructor::ConfigurationStore(configuration::construct),
    },
    Registration {
        component_type: "lock.embedded",
        aliases: &[],
        version: Version::Any,
        summary: "Locks among the apps of this user, held in the hub.",
        fields: HubSettings::FIELDS,
        constructor: Constructor::LockStore(lock::construct),
    },
    Registration {
        component_type: "pubsub.embedded",
        aliases: &[],
        version: Version::Any,
        summary: "Topics among the apps of this user, durable in the hub: consumer groups, delays, order by key.",
        fields: PubSubSettings::FIELDS,
        constructor: Constructor::PubSub(pubsub::construct),
    },
];
