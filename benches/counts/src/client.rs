//! The calling app: one connection, one call after the other. Called by `main` and, to wait for sidecars, by `parties`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, TE};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use service::{Body, Executor, Tasks, body};
use tokio::net::TcpStream;

/// What a call speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// gRPC.
    Grpc,
}

/// A call that can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// How.
    pub(crate) protocol: Protocol,
    /// To which port of this machine.
    pub(crate) port: u16,
    /// Its method; a gRPC call is always a POST.
    pub(crate) method: Method,
    /// Its path.
    pub(crate) path: String,
    /// Headers besides those of the protocol.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body; of a gRPC call, its framed messages.
    pub(crate) body: Bytes,
}

impl Call {
    /// A GET.
    pub(crate) fn get(port: u16, path: &str) -> Self {
        let (method, path) = (Method::GET, path.to_owned());
        Self { protocol: Protocol::Http, port, method, path, headers: Vec::new(), body: Bytes::new() }
    }

    fn request(&self) -> anyhow::Result<Request<Body>> {
        let mut request = match self.protocol {
            Protocol::Http => {
                let mut request = Request::new(body::full(self.body.clone()));
                *request.uri_mut() = self.path.parse()?;
                request.headers_mut().insert(HOST, HeaderValue::from_static("127.0.0.1"));
                request
            }
            Protocol::Grpc => {
                let mut request = Request::new(body::boxed(OfUnknownLength(Some(self.body.clone()))));
                *request.uri_mut() = format!("http://127.0.0.1{}", self.path).parse()?;
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
                request
            }
        };
        *request.method_mut() = self.method.clone();
        request.headers_mut().extend(self.headers.iter().cloned());
        Ok(request)
    }
}

/// A body of one piece that does not tell its length, as gRPC clients send theirs.
struct OfUnknownLength(Option<Bytes>);

impl http_body::Body for OfUnknownLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// One connection, and the call that is made on it.
pub(crate) struct Caller {
    call: Call,
    sender: Sender,
}

enum Sender {
    Http(http1::SendRequest<Body>),
    Grpc(http2::SendRequest<Body>),
}

impl Caller {
    /// Connects to where the call goes.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn connect(call: &Call, tasks: &Tasks) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", call.port));
        let stream = stream.await.with_context(|| format!("connecting to {}", call.port))?;
        stream.set_nodelay(true)?;
        let sender = match call.protocol {
            Protocol::Http => {
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tasks.spawn("client connection", connection);
                Sender::Http(sender)
            }
            Protocol::Grpc => {
                let (sender, connection) = http2::handshake(Executor::new(tasks.clone()), TokioIo::new(stream)).await?;
                tasks.spawn("client connection", connection);
                Sender::Grpc(sender)
            }
        };
        Ok(Self { call: call.clone(), sender })
    }

    /// Makes the call so many times, one after the other.
    ///
    /// # Errors
    /// When one is not answered well.
    pub(crate) async fn repeat(&mut self, calls: u64) -> anyhow::Result<()> {
        for _ in 0..calls {
            self.once().await.with_context(|| format!("{} {}", self.call.method, self.call.path))?;
        }
        Ok(())
    }

    async fn once(&mut self) -> anyhow::Result<()> {
        let request = self.call.request()?;
        let response = match &mut self.sender {
            Sender::Http(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Grpc(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (head, content) = response.into_parts();
        let content = content.collect().await?;
        if self.call.protocol == Protocol::Grpc {
            let status = content.trailers().and_then(|trailers| trailers.get("grpc-status"));
            let status = status.or_else(|| head.headers.get("grpc-status"));
            ensure!(status.is_some_and(|status| status == "0"), "it ended with {status:?} {:?}", head.headers);
        }
        ensure!(head.status.is_success(), "it was answered {} {:?}", head.status, content.to_bytes());
        Ok(())
    }
}
