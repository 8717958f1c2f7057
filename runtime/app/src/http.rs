//! Calls to an HTTP app or endpoint. Bodies stream both ways; the answer's headers pass without what belongs to one hop.

mod counted;
mod guarded;
mod passed;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use ::http::uri::{Authority, InvalidUriParts, Parts, PathAndQuery, Scheme};
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use bytes::Bytes;
use call::{Answer, Call, Failure, Metadata, Payload, Verb};
use http_body::Frame;
use http_body_util::BodyExt as _;
use loaded::Pipeline;
use service::dial::Dialer;
use service::{Body, HttpClient, HttpClientError, Reply, Tasks};
use telemetry::metrics;
use tonic::Code;

use crate::channel::{Options, Protocol, Slot};
use counted::Sent;

const CONFIGURATION_LIMIT: u64 = 1 << 20;

/// An HTTP server that calls go to.
pub(crate) struct HttpChannel {
    client: HttpClient,
    target: Target,
    token: Option<HeaderValue>,
    version: Version,
    pipeline: Option<Pipeline>,
    counts: Arc<metrics::HttpClient>,
}

/// The fixed part of a channel's URLs.
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// Path in front of every method, without a slash at its end.
    pub(crate) prefix: String,
}

impl Target {
    fn uri(&self, path: PathAndQuery) -> Result<Uri, InvalidUriParts> {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts)
    }
}

/// The TLS configuration for the app: its certificate is not verified, as in the target.
fn insecure(protocols: &'static [&'static [u8]]) -> Dialer {
    Dialer::with_tls(move || {
        security::tls::insecure(protocols).map_err(|error| std::io::Error::other(error.to_string()))
    })
}

impl HttpChannel {
    pub(crate) fn to_app(options: &Options, tasks: &Tasks) -> Result<Self, String> {
        let scheme = if options.protocol.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
        let authority = options.address.authority();
        let authority = authority.parse().map_err(|_| format!("{authority} is not an address"))?;
        let dialer = if options.protocol.is_secure() { insecure(&[b"http/1.1"]) } else { Dialer::plain() };
        let target = Target { scheme, authority, prefix: String::new() };
        let http2 = options.protocol == Protocol::H2c;
        let channel = Self::new(dialer, target, http2, options.max_headers, tasks);
        let counts = Arc::new(metrics::HttpClient::new(&options.metrics));
        Ok(channel.with_token(options.token.clone()).behind(options.pipeline.clone()).counted(counts))
    }

    pub(crate) fn new(dialer: Dialer, target: Target, http2: bool, max_headers: usize, tasks: &Tasks) -> Self {
        let client = HttpClient::new(dialer, http2, max_headers, tasks);
        let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        Self { client, target, token: None, version, pipeline: None, counts: Arc::default() }
    }

    fn with_token(mut self, token: Option<HeaderValue>) -> Self {
        self.token = token;
        self
    }

    /// Sends every call, but no probe, through a pipeline.
    pub(crate) fn behind(mut self, pipeline: Option<Pipeline>) -> Self {
        self.pipeline = pipeline;
        self
    }

    /// Counts every request.
    pub(crate) fn counted(mut self, counts: Arc<metrics::HttpClient>) -> Self {
        self.counts = counts;
        self
    }

    /// Sends a call as an HTTP request. `slot` is held until the answer's body has been read.
    pub(crate) async fn invoke(&self, call: &mut Call, slot: Slot) -> Result<Answer, Failure> {
        self.invoke_with(call, slot, &HeaderMap::new()).await
    }

    /// As [`Self::invoke`], with headers that replace those of the call.
    pub(crate) async fn invoke_with(&self, call: &mut Call, slot: Slot, fixed: &HeaderMap) -> Result<Answer, Failure> {
        let method = http_method(call)?;
        let uri = self.uri(&call.method, call.query())?;
        let mut headers = HeaderMap::new();
        call::to_http_headers(&call.metadata, &mut headers)
            .map_err(|error| Failure::new(Code::InvalidArgument, error.to_string()))?;
        self.add_own_headers(call, &mut headers)?;
        for (name, value) in fixed {
            headers.insert(name.clone(), value.clone());
        }
        let length = content_length(&call.metadata)?;
        let mut request = Request::new(sized(call.payload.take(), length));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        *request.version_mut() = self.version;
        let (sent, mut length) = (Sent::count(&self.counts, &request), None);
        let answered = self.exchange(request, slot, &mut length).await;
        let status = answered.as_ref().ok().and_then(|answer| u16::try_from(answer.status.code).ok());
        sent.answered(status, length);
        answered
    }

    async fn exchange(&self, request: Request<Body>, slot: Slot, length: &mut Option<u64>) -> Result<Answer, Failure> {
        match &self.pipeline {
            None => {
                let (parts, body) = self.client.send(request).await.map_err(failure)?.into_parts();
                let mut body = Held::new(body, slot);
                *length = body.announced;
                let payload = match *length {
                    Some(length) if length <= call::SHORT => Payload::Replayable(read_short(&mut body).await?),
                    _ => Payload::Once(service::body::boxed(body)),
                };
                Ok(answer(parts, payload))
            }
            Some(pipeline) => {
                // Boxed, since few sidecars have one and every call would carry the space for it.
                let response = Box::pin(guarded::send(pipeline, &self.client, request, slot)).await?;
                *length = guarded::announced(&response);
                let (parts, mut body) = response.into_parts();
                let payload = match *length {
                    Some(length) if length <= call::SHORT => Payload::Replayable(read_short(&mut body).await?),
                    _ => Payload::Once(body),
                };
                Ok(answer(parts, payload))
            }
        }
    }

    fn add_own_headers(&self, call: &Call, headers: &mut HeaderMap) -> Result<(), Failure> {
        if !call.media_type().is_empty() {
            let value = HeaderValue::from_str(call.media_type())
                .map_err(|_| Failure::new(Code::InvalidArgument, "the content type is not a legal header value"))?;
            headers.insert(CONTENT_TYPE, value);
        }
        call.write_trace_http(headers);
        if let Some(token) = &self.token {
            headers.insert(security::token::HEADER, token.clone());
        }
        Ok(())
    }

    /// The URL of a method: the canonical string, percent-encoded so that the app decodes exactly that string.
    fn uri(&self, method: &str, query: &str) -> Result<Uri, Failure> {
        let mut path = String::with_capacity(self.target.prefix.len() + method.len() + query.len() + 2);
        path.push_str(&self.target.prefix);
        if !method.starts_with('/') {
            path.push('/');
        }
        security::path::encode(method, &mut path)
            .map_err(|error| Failure::plain(format!("the method cannot be part of a URL: {error}")))?;
        if !query.is_empty() {
            path.push('?');
            path.push_str(query);
        }
        let path = PathAndQuery::from_maybe_shared(path)
            .map_err(|error| Failure::plain(format!("the method and query are not a URL: {error}")))?;
        self.target.uri(path).map_err(|error| Failure::plain(format!("the method and query are not a URL: {error}")))
    }

    /// A gRPC request to an app that is not a gRPC app is passed on over its HTTP/2 if it has that.
    pub(crate) async fn proxy(&self, _: Request<Body>) -> Result<::http::Response<Body>, Failure> {
        Err(Failure::new(
            Code::Internal,
            "the app does not speak gRPC: start its sidecar with --app-protocol grpc to proxy gRPC calls to it",
        ))
    }

    /// Sends a request of the sidecar's own, whose URL has only a path: the app's address and token are added. `slot` is
    /// held until the answer's body has been read or dropped.
    pub(crate) async fn request(&self, request: Request<Body>, slot: Slot) -> Result<::http::Response<Body>, Failure> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri = self.target.uri(path).map_err(|error| Failure::plain(format!("the path is not a URL: {error}")))?;
        parts.version = self.version;
        if let Some(token) = &self.token {
            parts.headers.insert(security::token::HEADER, token.clone());
        }
        let request = Request::from_parts(parts, body);
        let sent = Sent::count(&self.counts, &request);
        let answered = match &self.pipeline {
            None => {
                let response = self.client.send(request).await.map_err(failure);
                response.map(|response| response.map(|body| service::body::boxed(Held::new(body, slot))))
            }
            Some(pipeline) => guarded::send(pipeline, &self.client, request, slot).await,
        };
        let response = answered.as_ref().ok();
        sent.answered(response.map(|response| response.status().as_u16()), response.and_then(guarded::announced));
        answered
    }

    pub(crate) async fn configuration(&self, app_id: &str) -> Result<Option<serde_json::Value>, Failure> {
        let mut request = Request::new(service::body::empty());
        *request.uri_mut() = Uri::from_static("/dapr/config");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(value) = HeaderValue::from_str(app_id) {
            headers.insert("dapr-app-id", value);
        }
        let response = self.request(request, None).await?;
        if response.status() != StatusCode::OK {
            return Ok(None);
        }
        let bytes = service::body::read_bounded(response.into_body(), CONFIGURATION_LIMIT)
            .await
            .map_err(|error| Failure::plain(format!("reading /dapr/config of the app: {error}")))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Failure::plain(format!("/dapr/config of the app is not JSON: {error}")))
    }

    pub(crate) async fn probe(&self, path: &str) -> Result<(), String> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let uri = Uri::builder()
            .scheme(self.target.scheme.clone())
            .authority(self.target.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| format!("Failed to create request: {error}"))?;
        let mut request = Request::new(service::body::empty());
        *request.uri_mut() = uri;
        *request.version_mut() = self.version;
        let started = std::time::Instant::now();
        let response = self.client.send(request).await;
        let status = response.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, ::http::Response::status);
        self.counts.probed(status.as_u16(), started.elapsed());
        let response = response.map_err(|error| format!("Network error: {}", error.message))?;
        // Read to the end, so that the connection can be used again.
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| format!("Network error: {error}"))?;
        }
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("Health check failed with status code: {}", status.as_u16()))
        }
    }
}

fn http_method(call: &Call) -> Result<Method, Failure> {
    let invalid = || Failure::new(Code::InvalidArgument, "invalid HTTP verb");
    if call.extension.is_none() {
        return Err(Failure::new(Code::InvalidArgument, "missing HTTP extension field"));
    }
    match call.verb().ok_or_else(invalid)? {
        Verb::Get => Ok(Method::GET),
        Verb::Head => Ok(Method::HEAD),
        Verb::Post => Ok(Method::POST),
        Verb::Put => Ok(Method::PUT),
        Verb::Delete => Ok(Method::DELETE),
        Verb::Options => Ok(Method::OPTIONS),
        Verb::Trace => Ok(Method::TRACE),
        Verb::Patch => Ok(Method::PATCH),
        Verb::None | Verb::Connect => Err(invalid()),
    }
}

/// The length that the caller gave its body, if it gave one.
fn content_length(metadata: &Metadata) -> Result<Option<u64>, Failure> {
    let Some(value) = call::first(metadata, CONTENT_LENGTH.as_str()) else { return Ok(None) };
    let length = value.parse().map_err(|_| Failure::plain(format!("content-length {value:?} is not a number")))?;
    Ok(Some(length))
}

/// Gives a streamed body the length its sender promised, so that it is not chunked on the way to the app.
fn sized(body: Body, length: Option<u64>) -> Body {
    use http_body::Body as _;
    match length {
        Some(length) if body.size_hint().exact().is_none() => service::body::boxed(Sized { body, left: length }),
        _ => body,
    }
}

struct Sized {
    body: Body,
    left: u64,
}

impl http_body::Body for Sized {
    type Data = Bytes;
    type Error = service::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match frame {
            Some(Ok(frame)) => {
                let size = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(size) {
                    Some(left) => self.left = left,
                    None => return Poll::Ready(Some(Err("the body is longer than its content-length".into()))),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None if self.left > 0 => Poll::Ready(Some(Err("the body is shorter than its content-length".into()))),
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

fn answer(mut parts: ::http::response::Parts, payload: Payload) -> Answer {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    // The body is framed anew on every hop.
    parts.headers.remove(CONTENT_LENGTH);
    let headers = call::from_http_headers(&parts.headers);
    Answer {
        status: wire::internals::Status { code: i32::from(parts.status.as_u16()), ..Default::default() },
        headers,
        trailers: Metadata::new(),
        content_type,
        type_url: String::new(),
        payload,
    }
}

/// Reads a body that is lent: a future that had it would be larger.
async fn read_short<B>(body: &mut B) -> Result<Bytes, Failure>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<service::BoxError>,
{
    let read = service::read_bounded(body, call::SHORT).await;
    read.map_err(|error| Failure::plain(format!("the app broke off its answer: {error}")))
}

/// What a failed request means: a connection that could not be made was not used.
fn failure(error: HttpClientError) -> Failure {
    Failure { code: None, message: error.message, unsent: error.unsent }
}

/// A body that holds the app's concurrency slot until it has been read.
///
/// An app that announced more bytes than it sent has still sent its answer, as in the target: the body ends there. So the
/// announced length is not passed on, since only the end of the body can tell it. A chunked body that breaks off is an
/// error.
struct Held {
    body: Reply,
    announced: Option<u64>,
    ended: bool,
    _slot: Slot,
}

impl Held {
    fn new(body: Reply, slot: Slot) -> Self {
        let announced = http_body::Body::size_hint(&body).exact();
        Self { body, announced, ended: false, _slot: slot }
    }
}

/// Whether a body ended before its announced length.
fn is_cut(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message() || source.is_some_and(|source| source.kind() == std::io::ErrorKind::UnexpectedEof)
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match frame {
            Some(Err(error)) if self.announced.is_some() && is_cut(&error) => {
                self.ended = true;
                Poll::Ready(None)
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}

/// Kept so that several channels can share one set of headers.
pub(crate) type Fixed = Arc<HeaderMap>;
