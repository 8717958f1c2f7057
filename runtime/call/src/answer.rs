//! What an app answered, on its way back.

use wire::internals::Status;

use crate::{Metadata, Payload};

/// The answer to a call. `status.code` is an HTTP status from 100 up and a gRPC code below.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status or gRPC code, with message and details of a gRPC app.
    pub status: Status,
    /// Response headers.
    pub headers: Metadata,
    /// Trailers of a gRPC app.
    pub trailers: Metadata,
    /// Media type of the body, empty if unknown.
    pub content_type: String,
    /// Protobuf type of the body when it is one, else empty.
    pub type_url: String,
    /// The body.
    pub payload: Payload,
}

impl Answer {
    /// Whether an HTTP app answered.
    pub fn is_http(&self) -> bool {
        self.status.code >= 100
    }

    /// Media type as the caller sees it: a body with a protobuf type is `application/x-protobuf`.
    pub fn media_type(&self) -> &str {
        if self.type_url.is_empty() { &self.content_type } else { "application/x-protobuf" }
    }
}
