//! App to sidecar: the HTTP and gRPC doors. They translate between the wire and the blocks and decide nothing.
//!
//! A request passes limits, CORS, token, route and API log here, then one operation of a block. The order is the target's.

mod api;
mod api_log;
mod context;
mod conversation;
mod cors;
mod grpc;
mod http;
mod json_fault;
mod noted;
mod routes;
mod shutdown;
mod table;

pub use api::{Api, Limits};
pub use api_log::ApiLog;
pub use cors::Cors;
pub use grpc::GrpcDoor;
pub use http::{HttpDoor, HttpOptions};
pub use routes::{Access, Operation, Routes, Rule, Version};
pub use table::apis;
