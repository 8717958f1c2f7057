//! A call on its way to an app.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use telemetry::trace::{GRPC_TRACE_BIN, SpanContext, TRACEPARENT, TRACESTATE};
use wire::common::{HttpExtension, http_extension};

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

    /// Where the caller says it stands in its trace, by the headers of the call itself.
    pub fn announced_trace(&self) -> Option<SpanContext> {
        if let Some(binary) = crate::first(&self.metadata, GRPC_TRACE_BIN.as_str()) {
            return SpanContext::from_binary(&STANDARD.decode(binary).ok()?);
        }
        crate::first(&self.metadata, TRACEPARENT.as_str())?;
        let mut headers = HeaderMap::new();
        self.copy(TRACEPARENT, &mut headers);
        self.copy(TRACESTATE, &mut headers);
        SpanContext::from_http(&headers)
    }

    /// Sets the trace headers of a request to an HTTP app. Where this hop has no span, what came in goes on.
    pub fn write_trace_http(&self, headers: &mut HeaderMap) {
        if let Some(trace) = &self.trace {
            trace.write_http(headers);
        } else if crate::first(&self.metadata, TRACEPARENT.as_str()).is_some() {
            self.copy(TRACEPARENT, headers);
            self.copy(TRACESTATE, headers);
        } else if let Some(trace) = self.announced_trace() {
            trace.write_http(headers);
        }
    }

    /// Sets the trace headers of a gRPC request. Where this hop has no span, what came in goes on.
    pub fn write_trace_grpc(&self, headers: &mut HeaderMap) {
        match &self.trace {
            Some(trace) => trace.write_grpc(headers),
            None => {
                if let Some(trace) = self.announced_trace() {
                    trace.write_grpc(headers);
                }
            }
        }
    }

    /// Puts this hop's span into the headers of the call, for peers that read it there.
    pub fn stamp_trace(&mut self) {
        let Some(trace) = self.trace.clone() else { return };
        for name in [TRACEPARENT, TRACESTATE, GRPC_TRACE_BIN] {
            crate::remove_ignoring_case(&mut self.metadata, name.as_str());
        }
        let mut headers = HeaderMap::new();
        trace.write_http(&mut headers);
        for name in [TRACEPARENT, TRACESTATE] {
            if let Some(value) = headers.get(&name) {
                self.metadata.append(crate::names::kept(name.as_str()), value);
            }
        }
        if crate::is_grpc(&self.metadata) {
            self.metadata.append(GRPC_TRACE_BIN.as_str().to_owned(), STANDARD.encode(trace.binary()));
        }
    }

    fn copy(&self, name: HeaderName, headers: &mut HeaderMap) {
        let value = crate::first(&self.metadata, name.as_str());
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
}
