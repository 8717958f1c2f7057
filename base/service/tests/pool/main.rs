//! Black-box tests of the connection pool against a peer that closes, refuses and goes away frame by frame.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate trilby_service as service;

#[path = "../serve/frames.rs"]
#[expect(dead_code, reason = "the other test needs more of it")]
mod frames;
mod peer;
mod unprocessed;
mod unread;
