//! Identities on real sockets: who is let in, who is called, and what happens when certificates change.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

extern crate trilby_identity as identity;

mod authority;
mod peers;
mod renewal;
mod server;
