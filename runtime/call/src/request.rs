//! A call on its way to an app.

use telemetry::trace::SpanContext;
use wire::common::{HttpExtension, InvokeRequest, http_extension};
use wire::internals::{ApiVersion, InternalInvokeRequest};

use crate::{Metadata, Payload};

/// The HTTP verb of a call, as the wire numbers it.
pub type Verb = http_extension::Verb;

/// One invocation of one method of one app.
#[derive(Debug)]
pub struct Call {
    /// The canonical method: what is checked is what is sent.
    pub method: String,
    /// HTTP verb and query string, absent when a gRPC caller gave none.
    pub extension: Option<HttpExtension>,
    /// Media type of the body, empty if unknown.
    pub content_type: String,
    /// Protobuf type of the body when it is one, else empty.
    pub type_url: String,
    /// Headers of the caller.
    pub metadata: Metadata,
    /// Where this hop stands in its trace, if it stands in one.
    pub trace: Option<SpanContext>,
    /// The body.
    pub payload: Payload,
}

impl Call {
    /// The head of the call as the first frame between sidecars carries it: everything but the body.
    pub fn head(&self) -> InternalInvokeRequest {
        InternalInvokeRequest {
            ver: ApiVersion::V1 as i32,
            metadata: self.metadata.clone(),
            message: Some(InvokeRequest {
                method: self.method.clone(),
                data: (!self.type_url.is_empty())
                    .then(|| wire::Any { type_url: self.type_url.clone(), value: bytes::Bytes::new() }),
                content_type: self.content_type.clone(),
                http_extension: self.extension.clone(),
            }),
            actor: None,
        }
    }

    /// The call that a head and a body from another sidecar stand for; `None` when the head has no message.
    pub fn from_head(head: InternalInvokeRequest, payload: Option<Payload>) -> Option<Self> {
        let message = head.message?;
        let (type_url, value) = message.data.map(|data| (data.type_url, data.value)).unwrap_or_default();
        Some(Self {
            method: message.method,
            extension: message.http_extension,
            content_type: message.content_type,
            type_url,
            metadata: head.metadata,
            trace: None,
            payload: payload.unwrap_or(Payload::Replayable(value)),
        })
    }

    /// The verb, when there is an HTTP extension with a number that the target knows.
    pub fn verb(&self) -> Option<Verb> {
        self.extension.as_ref().and_then(|extension| Verb::try_from(extension.verb).ok())
    }

    /// The query string, empty if there is none.
    pub fn query(&self) -> &str {
        self.extension.as_ref().map_or("", |extension| extension.querystring.as_str())
    }

    /// Media type as an app sees it: a body with a protobuf type is `application/x-protobuf`.
    pub fn media_type(&self) -> &str {
        if self.type_url.is_empty() { &self.content_type } else { "application/x-protobuf" }
    }
}
