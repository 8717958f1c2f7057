//! Sidecar to other processes: internal calls, gRPC proxying, name resolution.

pub mod resolution;
