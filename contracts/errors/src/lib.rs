//! The error catalogue and its HTTP and gRPC renderings.
