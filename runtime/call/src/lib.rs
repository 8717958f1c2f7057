//! One service invocation as it travels between doors, sidecars and apps.
//!
//! Built by `front` (a call enters) and `mesh` (a call arrives), consumed by `app` (a call reaches its app) and `mesh` (a
//! call leaves). It carries shapes only: no policy, no I/O.

mod answer;
mod failure;
mod head;
mod headers;
mod metadata;
mod names;
mod pass_on;
mod payload;
mod request;
mod timeout;

pub use answer::Answer;
pub use failure::Failure;
pub use head::{AnswerHead, CallHead, Frame, Head};
pub use headers::{
    InvalidHeader, from_grpc_headers, from_http_headers, to_grpc_headers, to_http_headers, to_invoke_service_headers,
};
pub use metadata::{Metadata, Name, Value, Values, first, is_grpc, remove_ignoring_case, set};
pub use pass_on::pass_on;
pub use payload::{Payload, SHORT};
pub use request::{Call, Verb};
pub use timeout::{MalformedTimeout, timeout};
