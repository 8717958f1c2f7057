//! Who may call the app, on every way into it from another sidecar (SEC-01, SEC-04, SEC-06).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test prepares may fail the test")]

mod identity;
mod paths;
mod peers;
mod sidecar;
