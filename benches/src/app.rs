//! The app under test: an HTTP/1.1 and a gRPC server that do as little as a server can, inside the rig or, for `compare`, in a
//! process of its own. Called by sidecars, and directly for comparison.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use service::{Body, BoxError, Executor, Tasks, body};
use tokio::time::Interval;

use crate::sidecar::AppPort;

/// Carried from a request to its answer, so that a caller sees that headers pass both ways.
pub(crate) const MARK: HeaderName = HeaderName::from_static("x-rig-mark");
const PIECE: usize = 64 << 10;
const MAX_BODY: u64 = 16 << 20;

/// The topic it subscribes to, if it names a broker.
pub(crate) const TOPIC: &str = "rig";

/// The running app.
pub(crate) struct App {
    http: SocketAddr,
    grpc: SocketAddr,
    seen: Arc<Seen>,
}

/// What came in, and what it wants.
#[derive(Default)]
struct Seen {
    /// Bytes that `sink` has received.
    received: AtomicU64,
    /// Messages that were delivered.
    delivered: AtomicU64,
    /// The broker it subscribes at.
    broker: Option<String>,
}

impl App {
    /// Starts it on free ports. Must run inside a tokio runtime.
    pub(crate) fn start(tasks: &Tasks, broker: Option<String>) -> anyhow::Result<Self> {
        let seen = Arc::new(Seen { broker, ..Seen::default() });
        let http = listen(tasks, Protocol::Http, &seen)?;
        let grpc = listen(tasks, Protocol::Grpc, &seen)?;
        Ok(Self { http, grpc, seen })
    }

    /// Where it speaks HTTP/1.1.
    pub(crate) fn address(&self) -> SocketAddr {
        self.http
    }

    /// Its HTTP port, for a sidecar.
    pub(crate) fn http_port(&self) -> AppPort {
        AppPort { port: self.http.port(), protocol: "http" }
    }

    /// Its gRPC port, for a sidecar.
    pub(crate) fn grpc_port(&self) -> AppPort {
        AppPort { port: self.grpc.port(), protocol: "grpc" }
    }

    /// Bytes that `sink` has received so far.
    pub(crate) fn received(&self) -> u64 {
        self.seen.received.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
enum Protocol {
    Http,
    Grpc,
}

fn listen(tasks: &Tasks, protocol: Protocol, seen: &Arc<Seen>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (connections, seen) = (tasks.clone(), Arc::clone(seen));
    tasks.spawn("app", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (stream, seen) = (TokioIo::new(stream), Arc::clone(&seen));
            let executor = Executor::new(connections.clone());
            connections.spawn("app connection", async move {
                match protocol {
                    Protocol::Http => {
                        let service = service_fn(|request| answer(request, &seen));
                        drop(http1::Builder::new().serve_connection(stream, service).await);
                    }
                    Protocol::Grpc => {
                        let mut builder = http2::Builder::new(executor);
                        builder.initial_connection_window_size(8 << 20);
                        drop(builder.serve_connection(stream, service_fn(answer_grpc)).await);
                    }
                }
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>, seen: &Seen) -> Result<Response<Body>, BoxError> {
    let mark = request.headers().get(MARK).cloned();
    let path = request.uri().path();
    let mut response = match path.trim_start_matches('/') {
        "echo" => {
            let kind = request.headers().get(CONTENT_TYPE).cloned();
            let content = body::read_bounded(request.into_body(), MAX_BODY).await?;
            let mut response = Response::new(body::full(content));
            response.headers_mut().extend(kind.map(|kind| (CONTENT_TYPE, kind)));
            response
        }
        "sink" => Response::new(body::full(sink(request.into_body(), &seen.received).await?)),
        "source" => {
            let left = number(request.uri().query(), "bytes");
            Response::new(body::boxed(Source { piece: Bytes::from(vec![b'x'; PIECE]), left }))
        }
        "events" => {
            let pause = Duration::from_millis(number(request.uri().query(), "every").max(1));
            let mut response = Response::new(body::boxed(Events { interval: tokio::time::interval(pause) }));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            response
        }
        "dapr/subscribe" => {
            let wanted = seen
                .broker
                .as_ref()
                .map(|broker| serde_json::json!({ "pubsubname": broker, "topic": TOPIC, "route": "/delivered" }));
            let wanted = serde_json::Value::from_iter(wanted);
            let mut response = Response::new(body::full(wanted.to_string()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        "delivered" => {
            body::read_bounded(request.into_body(), MAX_BODY).await?;
            seen.delivered.fetch_add(1, Ordering::Relaxed);
            Response::new(body::empty())
        }
        "count" => Response::new(body::full(seen.delivered.load(Ordering::Relaxed).to_string())),
        "hello" => Response::new(body::full("hello")),
        _ => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    response.headers_mut().extend(mark.map(|mark| (MARK, mark)));
    Ok(response)
}

async fn sink(mut incoming: Incoming, received: &AtomicU64) -> Result<String, BoxError> {
    let mut sum = 0;
    while let Some(frame) = incoming.frame().await {
        if let Some(data) = frame?.data_ref() {
            sum += data.len() as u64;
            received.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
    }
    Ok(sum.to_string())
}

/// The number of `name=NUMBER` in a query; 0 without it.
fn number(query: Option<&str>, name: &str) -> u64 {
    let mut pairs = query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
}

/// As many bytes as asked for, all from one buffer.
struct Source {
    piece: Bytes,
    left: u64,
}

impl HttpBody for Source {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        self.left -= size as u64;
        Poll::Ready(Some(Ok(Frame::data(self.piece.slice(..size)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// One body of as many bytes, for requests.
pub(crate) fn source(bytes: u64) -> Body {
    body::boxed(Source { piece: Bytes::from(vec![b'x'; PIECE]), left: bytes })
}

/// Server-sent events at a fixed pace, for ever.
struct Events {
    interval: Interval,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.interval.poll_tick(cx));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: tick\n\n")))))
    }
}

/// Every unary method of every service gives back its request.
async fn answer_grpc(request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    let mark = request.headers().get(MARK).cloned();
    let content = body::read_bounded(request.into_body(), MAX_BODY).await?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let content = http_body_util::Full::new(content).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body::boxed(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().extend(mark.map(|mark| (MARK, mark)));
    Ok(response)
}
