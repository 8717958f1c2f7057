//! Messages delivered to real apps, over HTTP and gRPC.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation fails the test")]

mod delivered;
mod grpc;
mod http;
mod listing;
