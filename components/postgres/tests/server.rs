//! What only a real PostgreSQL shows beyond the conformance suite: the target's tables in both directions, several
//! processes at once, faults of server, network and password, TLS, and what a dropped call leaves on a connection.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed promise fails its test")]

#[path = "server/faults.rs"]
mod faults;
#[path = "server/ground.rs"]
mod ground;
#[path = "server/options.rs"]
mod options;
#[path = "server/search.rs"]
mod search;
#[path = "server/tables.rs"]
mod tables;
