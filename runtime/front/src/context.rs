//! What a request says about the calls to components that it causes: where it stands in its trace, when its caller stops
//! waiting, and that the caller is gone. Made by both doors. It interprets nothing.

use std::ops::Deref;
use std::sync::Arc;

use blocks::{CallContext, Cancel, Trace};
use call::MalformedTimeout;
use http::{HeaderMap, HeaderName};
use telemetry::trace::{BAGGAGE, GRPC_TRACE_BIN, SpanContext, TRACEPARENT, TRACESTATE};
use tokio::time::Instant;
use tonic::Request;

/// The context of one request. It is cancelled when it is dropped: a door drops a request whose caller is gone.
pub(crate) struct Requested(CallContext);

impl Requested {
    /// That of an HTTP request, which has no deadline.
    pub(crate) fn http(headers: &HeaderMap) -> Self {
        Self::new(trace(headers, text(headers, &TRACEPARENT)), None)
    }

    /// That of a gRPC request, and its message. `grpc-trace-bin` hides `traceparent`, as everywhere.
    pub(crate) fn grpc<T>(request: Request<T>) -> (Self, T) {
        let (metadata, extensions, message) = request.into_parts();
        let headers = metadata.into_headers();
        let parent = if headers.contains_key(GRPC_TRACE_BIN) {
            SpanContext::from_grpc(&headers).map(|span| span.traceparent())
        } else {
            text(&headers, &TRACEPARENT)
        };
        let deadline = extensions.get().map(|Deadline(at)| *at);
        (Self::new(trace(&headers, parent), deadline), message)
    }

    fn new(trace: Option<Arc<Trace>>, deadline: Option<Instant>) -> Self {
        Self(CallContext { deadline, cancel: Cancel::possible(), trace, identity: None })
    }
}

impl Drop for Requested {
    fn drop(&mut self) {
        self.0.cancel.cancel();
    }
}

/// When the caller of a gRPC request stops waiting.
#[derive(Clone, Copy)]
struct Deadline(Instant);

/// Reads the time that a gRPC request has and lets it run from now on: reading a long message is part of it.
///
/// # Errors
/// When it cannot be read, which ends the request.
pub(crate) fn start_timeout<B>(request: &mut http::Request<B>) -> Result<(), MalformedTimeout> {
    let left = call::timeout(request.headers())?;
    if let Some(at) = left.and_then(|left| Instant::now().checked_add(left)) {
        request.extensions_mut().insert(Deadline(at));
    }
    Ok(())
}

impl Deref for Requested {
    type Target = CallContext;

    fn deref(&self) -> &CallContext {
        &self.0
    }
}

fn trace(headers: &HeaderMap, parent: Option<String>) -> Option<Arc<Trace>> {
    let text = |name: HeaderName| text(headers, &name).unwrap_or_default();
    parent.map(|parent| Arc::new(Trace { parent, state: text(TRACESTATE), baggage: text(BAGGAGE) }))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::metadata::MetadataMap;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn grpc(pairs: &[(&'static str, &str)]) -> Requested {
        let mut request = http::Request::new(());
        for (name, value) in pairs {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        start_timeout(&mut request).unwrap();
        let (parts, message) = request.into_parts();
        Requested::grpc(Request::from_parts(MetadataMap::from_headers(parts.headers), parts.extensions, message)).0
    }

    fn told(parent: &str, state: &str, baggage: &str) -> Option<Arc<Trace>> {
        Some(Arc::new(Trace { parent: parent.to_owned(), state: state.to_owned(), baggage: baggage.to_owned() }))
    }

    #[test]
    fn the_trace_goes_on_as_it_came() {
        let pairs = [("traceparent", PARENT), ("tracestate", "a=b"), ("baggage", "c=d")];
        assert_eq!(grpc(&pairs).trace, told(PARENT, "a=b", "c=d"));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name, value.parse().unwrap());
        }
        assert_eq!(Requested::http(&headers).trace, told(PARENT, "a=b", "c=d"));
        assert_eq!(grpc(&[("tracestate", "a=b")]).trace, None);
        assert_eq!(Requested::http(&HeaderMap::new()).trace, None);
    }

    #[test]
    fn a_binary_trace_hides_the_other_even_if_it_is_broken() {
        let other = "00-11111111111111111111111111111111-2222222222222222-00";
        let mut headers = HeaderMap::new();
        SpanContext::from_traceparent(PARENT).unwrap().write_grpc(&mut headers);
        let binary = headers["grpc-trace-bin"].to_str().unwrap();
        let both = grpc(&[("grpc-trace-bin", binary), ("traceparent", other), ("tracestate", "a=b")]);
        assert_eq!(both.trace, told(PARENT, "a=b", ""));
        assert_eq!(grpc(&[("grpc-trace-bin", "AAAA"), ("traceparent", other)]).trace, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_grpc_timeout_is_the_deadline() {
        assert_eq!(grpc(&[("grpc-timeout", "1500m")]).deadline, Some(Instant::now() + Duration::from_millis(1500)));
        assert_eq!(grpc(&[]).deadline, None);
        let odd = http::Request::builder().header("grpc-timeout", "soon").body(());
        assert!(start_timeout(&mut odd.unwrap()).is_err());
    }

    #[test]
    fn a_request_that_is_dropped_is_cancelled() {
        for requested in [grpc(&[]), Requested::http(&HeaderMap::new())] {
            let cancel = requested.cancel.clone();
            assert!(!cancel.is_cancelled());
            drop(requested);
            assert!(cancel.is_cancelled());
        }
    }
}
