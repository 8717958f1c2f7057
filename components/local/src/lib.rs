//! Components that need no server.

mod local_env;
mod local_file;
pub mod mdns;
mod memory_pubsub;
mod memory_state;
pub mod nameformat;
mod registrations;

pub use registrations::REGISTRATIONS;
