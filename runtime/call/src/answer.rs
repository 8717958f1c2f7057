//! What an app answered, on its way back.

use wire::common::InvokeResponse;
use wire::internals::{InternalInvokeResponse, Status};

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

    /// The head of the answer as the first frame between sidecars carries it.
    pub fn head(&self) -> InternalInvokeResponse {
        InternalInvokeResponse {
            status: Some(self.status.clone()),
            headers: self.headers.clone(),
            trailers: self.trailers.clone(),
            message: Some(InvokeResponse {
                data: (!self.type_url.is_empty())
                    .then(|| wire::Any { type_url: self.type_url.clone(), value: bytes::Bytes::new() }),
                content_type: self.content_type.clone(),
            }),
        }
    }

    /// The answer that a head and a body from another sidecar stand for; `None` when the head has no status.
    pub fn from_head(head: InternalInvokeResponse, payload: Option<Payload>) -> Option<Self> {
        let status = head.status?;
        let message = head.message.unwrap_or_default();
        let (type_url, value) = message.data.map(|data| (data.type_url, data.value)).unwrap_or_default();
        Some(Self {
            status,
            headers: head.headers,
            trailers: head.trailers,
            content_type: message.content_type,
            type_url,
            payload: payload.unwrap_or(Payload::Replayable(value)),
        })
    }

    /// Media type as the caller sees it: a body with a protobuf type is `application/x-protobuf`.
    pub fn media_type(&self) -> &str {
        if self.type_url.is_empty() { &self.content_type } else { "application/x-protobuf" }
    }
}
