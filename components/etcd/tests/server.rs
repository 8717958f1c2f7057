//! What only a real etcd shows beyond the conformance suite: the target's layouts in both directions, TLS, several
//! members, and faults of server and network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed promise fails its test")]

#[path = "server/faults.rs"]
mod faults;
#[path = "server/ground.rs"]
mod ground;
#[path = "server/layouts.rs"]
mod layouts;
#[path = "server/tls.rs"]
mod tls;
