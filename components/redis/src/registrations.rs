//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::settings::RedisSettings;
use crate::{configuration, lock, pubsub, state};

/// The stores and brokers on Redis.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "state.redis",
        aliases: &[],
        version: Version::Any,
        summary: "Keeps state in Redis: one server, a set watched by sentinels, or a cluster.",
        fields: RedisSettings::FIELDS,
        constructor: Constructor::StateStore(state::construct),
    },
    Registration {
        component_type: "configuration.redis",
        aliases: &[],
        version: Version::Any,
        summary: "Reads configuration from Redis and tells of changes: one server, or a set watched by sentinels.",
        fields: RedisSettings::FIELDS,
        constructor: Constructor::ConfigurationStore(configuration::construct),
    },
    Registration {
        component_type: "lock.redis",
        aliases: &[],
        version: Version::Any,
        summary: "Keeps locks in one Redis server, or in a set watched by sentinels.",
        fields: RedisSettings::FIELDS,
        constructor: Constructor::LockStore(lock::construct),
    },
    Registration {
        component_type: "pubsub.redis",
        aliases: &[],
        version: Version::Any,
        summary: "Publishes to Redis streams and reads them in consumer groups: one server, a set watched by sentinels, or a \
                  cluster.",
        fields: RedisSettings::FIELDS,
        constructor: Constructor::PubSub(pubsub::construct),
    },
];
