//! The table of every API of the target: group, version, HTTP method and path, gRPC method. It feeds the routers, the
//! allow and deny lists, API logs and the generated reference page, and a test holds it against the service descriptors.
//!
//! A row without an operation is not built: it answers 501 / Unimplemented and says so. Rows are facts of the target; what
//! an API does stands elsewhere.

mod data;
mod runtime;

use crate::routes::{Api, Grpc, Http, Operation, Version};

const fn api(
    name: &'static str,
    group: &'static str,
    http: Option<Http>,
    grpc: &'static [Grpc],
    operation: Option<Operation>,
) -> Api {
    Api { name, group, http, grpc, operation }
}

const fn grpc(method: &'static str, version: Version) -> Grpc {
    Grpc { method, version }
}

/// Every API.
pub fn apis() -> impl Iterator<Item = &'static Api> {
    data::APIS.iter().chain(runtime::APIS)
}
