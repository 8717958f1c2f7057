//! Rust types and stubs generated from contracts/proto.
