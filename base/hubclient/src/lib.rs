//! The way to the hub of this user: where its socket is, the version of its protocol, a client that connects again.
//! Used by the hub's components in a sidecar, by the command line, and by the hub itself for what both ends must agree on.

mod client;
mod connection;
mod error;
pub mod layout;
mod place;
mod protocol;
mod spawner;
mod topics;

pub use client::{Client, Options, Watching};
pub use error::Error;
pub use place::{LONGEST_SOCKET_PATH, RUNTIME_VARIABLE, SOCKET_VARIABLE, socket_candidates, socket_in};
pub use protocol::{NEWEST_PROTOCOL, OLDEST_PROTOCOL, PROTOCOL_HEADER, TOPICS_PROTOCOL, agree};
pub use spawner::Spawner;
pub use topics::Consuming;
