//! Messages delivered to real apps, over HTTP and gRPC.

mod delivered;
mod grpc;
mod http;
mod listing;
