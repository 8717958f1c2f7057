//! Components on Redis: `state.redis`, `configuration.redis`, `lock.redis` and `pubsub.redis`, in the target's layout of keys,
//! hashes and streams, on one server, on a set that sentinels watch, or on a cluster.

mod configuration;
mod dial;
mod failure;
mod link;
mod lock;
mod pubsub;
mod registrations;
mod scan;
mod script;
mod settings;
mod state;
mod wire;

pub use registrations::REGISTRATIONS;
