//! Apps: real servers on real sockets that answer by route and remember every request they saw.

pub(crate) mod answers;
mod grpc;
mod recording;
mod serving;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::common::{InvokeRequest, InvokeResponse};

use crate::certificates::Certificates;
use recording::Record;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Handler = Arc<dyn Fn(Arrived) -> BoxFuture<Response<BoxedBody>> + Send + Sync>;
type InvokeHandler = Arc<
    dyn Fn(tonic::Request<InvokeRequest>) -> BoxFuture<Result<tonic::Response<InvokeResponse>, tonic::Status>>
        + Send
        + Sync,
>;

/// A body of an app's answer, or of a request to it.
pub type BoxedBody = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is there already.
pub fn body_of(content: impl Into<Bytes>) -> BoxedBody {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is sent piece by piece; an `Err` breaks the connection in the middle, dropping the sender ends the body.
#[must_use]
pub fn channel_body() -> (mpsc::Sender<Result<Bytes, &'static str>>, BoxedBody) {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, &'static str>>(16);
    let pieces = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let frames = tokio_stream::StreamExt::map(pieces, |piece| piece.map(Frame::data).map_err(BoxError::from));
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// A request as a route of an app gets it. What is read of the body is recorded.
pub struct Arrived {
    /// The verb.
    pub method: Method,
    /// Path and query as they came.
    pub uri: Uri,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it comes.
    pub body: BoxedBody,
}

impl Arrived {
    /// The whole body; an error if it broke off.
    ///
    /// # Errors
    /// What broke it.
    pub async fn read(self) -> Result<Bytes, BoxError> {
        Ok(self.body.collect().await?.to_bytes())
    }
}

/// What an app saw of one request.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// The verb.
    pub method: String,
    /// Path and query as they came.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// What was read of the body so far.
    pub body: Vec<u8>,
    /// Trailers, if some came.
    pub trailers: Option<HeaderMap>,
    /// The whole body was read.
    pub complete: bool,
    /// The body broke off.
    pub broken: bool,
    /// The answer is not over: neither sent to its end nor given up by the caller.
    pub open: bool,
}

impl Recorded {
    /// All values of a header.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// Every byte of the request in one text, to look for what must not be there.
    #[must_use]
    pub fn everything(&self) -> String {
        let trailers = self.trailers.as_ref().map(|trailers| format!("{trailers:?}")).unwrap_or_default();
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {}\n{:?}\n{body}\n{trailers}", self.method, self.path, self.headers)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
    Grpc,
}

/// An app to be.
pub struct AppBuilder {
    speaks: Speaks,
    tls: Option<Arc<rustls::ServerConfig>>,
    routes: HashMap<String, Handler>,
    fallback: Option<Handler>,
    on_invoke: Option<InvokeHandler>,
    raw: Option<Bytes>,
    host: &'static str,
}

/// A running app; it ends when dropped.
pub struct App {
    port: u16,
    protocol: &'static str,
    record: Record,
    accepting: JoinHandle<()>,
    connections: Arc<Mutex<usize>>,
}

impl App {
    /// An app that speaks HTTP/1.1.
    #[must_use]
    pub fn http() -> AppBuilder {
        AppBuilder::new(Speaks::Http1, None)
    }

    /// An app that speaks HTTP/2 without TLS.
    #[must_use]
    pub fn h2c() -> AppBuilder {
        AppBuilder::new(Speaks::Http2, None)
    }

    /// An app that speaks HTTP/1.1 over TLS.
    #[must_use]
    pub fn https(certificates: &Certificates) -> AppBuilder {
        AppBuilder::new(Speaks::Http1, Some(certificates.server(false, &["http/1.1"])))
    }

    /// As [`App::https`], but only clients with a certificate of this authority get in.
    #[must_use]
    pub fn https_for_clients_of(certificates: &Certificates) -> AppBuilder {
        AppBuilder::new(Speaks::Http1, Some(certificates.server(true, &["http/1.1"])))
    }

    /// An app that speaks HTTP/2 over TLS with clients that have a certificate of this authority.
    #[must_use]
    pub fn h2_for_clients_of(certificates: &Certificates) -> AppBuilder {
        AppBuilder::new(Speaks::Http2, Some(certificates.server(true, &["h2"])))
    }

    /// A gRPC app: `AppCallback`, and the service `testkit.Notes`, which no sidecar knows.
    #[must_use]
    pub fn grpc() -> AppBuilder {
        AppBuilder::new(Speaks::Grpc, None)
    }

    /// A gRPC app over TLS.
    #[must_use]
    pub fn grpcs(certificates: &Certificates) -> AppBuilder {
        AppBuilder::new(Speaks::Grpc, Some(certificates.server(false, &["h2"])))
    }

    /// An app that answers every connection with these bytes once a head of a request came, and closes.
    #[must_use]
    pub fn answering_bytes(bytes: impl Into<Bytes>) -> AppBuilder {
        let mut builder = AppBuilder::new(Speaks::Http1, None);
        builder.raw = Some(bytes.into());
        builder
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The word for `--app-protocol`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// `http://127.0.0.1:<port>`, or `https://localhost:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        match self.protocol {
            "https" | "h2" | "grpcs" => format!("https://localhost:{}", self.port),
            _ => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// Every request so far.
    #[must_use]
    pub fn everything(&self) -> Vec<Recorded> {
        self.record.all()
    }

    /// How many requests there were so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.record.count()
    }

    /// The requests after the first so many.
    #[must_use]
    pub fn since(&self, first: usize) -> Vec<Recorded> {
        self.record.since(first)
    }

    /// The requests whose path (without query) is this.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<Recorded> {
        let all = self.record.all().into_iter();
        all.filter(|request| request.path.split('?').next() == Some(path)).collect()
    }

    /// The one request with this path.
    #[must_use]
    pub fn only(&self, path: &str) -> Recorded {
        let mut found = self.requests(path);
        let paths: Vec<String> = self.everything().into_iter().map(|request| request.path).collect();
        assert_eq!(found.len(), 1, "one request to {path} in {paths:?}");
        found.remove(0)
    }

    /// Waits until a request to `path` is as `wanted` says.
    pub async fn saw(&self, path: &str, wanted: impl Fn(&Recorded) -> bool) -> Recorded {
        for _ in 0..500 {
            if let Some(found) = self.requests(path).into_iter().find(&wanted) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no request to {path} became as expected: {:#?}", self.requests(path));
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("no holder panics")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl AppBuilder {
    fn new(speaks: Speaks, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let (routes, host) = (HashMap::new(), "127.0.0.1");
        Self { speaks, tls, routes, fallback: None, on_invoke: None, raw: None, host }
    }

    /// Answers requests whose path (without query) is `path`.
    #[must_use]
    pub fn route<H, F>(mut self, path: &str, handler: H) -> Self
    where
        H: Fn(Arrived) -> F + Send + Sync + 'static,
        F: Future<Output = Response<BoxedBody>> + Send + 'static,
    {
        self.routes.insert(path.to_owned(), Arc::new(move |arrived| Box::pin(handler(arrived))));
        self
    }

    /// Answers every other request; without it they get 404 (gRPC: Unimplemented).
    #[must_use]
    pub fn otherwise<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Arrived) -> F + Send + Sync + 'static,
        F: Future<Output = Response<BoxedBody>> + Send + 'static,
    {
        self.fallback = Some(Arc::new(move |arrived| Box::pin(handler(arrived))));
        self
    }

    /// Answers `AppCallback/OnInvoke` of a gRPC app; without it the data comes back as it was sent.
    #[must_use]
    pub fn on_invoke<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(tonic::Request<InvokeRequest>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<tonic::Response<InvokeResponse>, tonic::Status>> + Send + 'static,
    {
        self.on_invoke = Some(Arc::new(move |request| Box::pin(handler(request))));
        self
    }

    /// Listens on `[::1]` instead of `127.0.0.1`.
    #[must_use]
    pub fn on_ipv6(mut self) -> Self {
        self.host = "::1";
        self
    }

    /// Opens its port, any free one.
    pub async fn start(self) -> App {
        self.start_on(0).await
    }

    /// Opens this port.
    pub async fn start_on(self, port: u16) -> App {
        let protocol = match (self.speaks, self.tls.is_some()) {
            (Speaks::Http1, false) => "http",
            (Speaks::Http1, true) => "https",
            (Speaks::Http2, false) => "h2c",
            (Speaks::Http2, true) => "h2",
            (Speaks::Grpc, false) => "grpc",
            (Speaks::Grpc, true) => "grpcs",
        };
        let record = Record::default();
        let (port, accepting, connections) = serving::start(self, port, record.clone()).await;
        App { port, protocol, record, accepting, connections }
    }
}
