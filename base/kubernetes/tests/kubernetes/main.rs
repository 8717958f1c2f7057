//! The client against an API server on a real socket.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

extern crate trilby_kubernetes as kubernetes;

mod calls;
mod cluster;
mod following;
mod mirroring;
