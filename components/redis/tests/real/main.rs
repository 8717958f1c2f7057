//! What this crate promises on real servers, beyond what the conformance suites ask of every backend: the target's layout,
//! faults of servers and networks, subscriptions, locks. Each test has servers of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed promise fails its test")]

mod configuration;
mod faults;
mod layout;
mod lock;
mod making;
mod pubsub;
mod refusals;
mod watched;
