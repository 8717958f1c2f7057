//! What only a real RabbitMQ shows beyond the conformance suite: the target's exchanges and queues in both directions, what
//! becomes of failed messages, bounds and order, TLS, and faults of server and network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed promise fails its test")]

#[path = "server/delivery.rs"]
mod delivery;
#[path = "server/faults.rs"]
mod faults;
#[path = "server/ground.rs"]
mod ground;
#[path = "server/layouts.rs"]
mod layouts;
#[path = "server/tls.rs"]
mod tls;
