//! What a server of ours promises to clients that a library would never be: hand-written frames over real sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate trilby_service as service;

mod frames;
mod hardening;
mod quiet;
mod server;
mod streams;
mod turns;
mod upgrade;
