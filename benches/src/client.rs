//! The calling app: one HTTP/1.1 connection or one gRPC connection. Called by every case.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use service::{Body, Executor, Tasks, body};
use tokio::net::TcpStream;

/// A small call.
#[derive(Clone)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// Headers besides `host`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body; of a gRPC call, one message.
    pub(crate) body: Bytes,
    /// How many such messages a gRPC call sends, and expects back.
    pub(crate) messages: usize,
}

impl Call {
    /// A GET.
    pub(crate) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), headers: Vec::new(), body: Bytes::new(), messages: 1 }
    }

    /// A POST of JSON or anything else that is told by the content type.
    pub(crate) fn post(path: &str, content_type: &'static str, body: Bytes) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))];
        Self { method: Method::POST, path: path.to_owned(), headers, body, messages: 1 }
    }
}

/// A whole answer.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its trailers.
    pub(crate) trailers: Option<HeaderMap>,
    /// Its body.
    pub(crate) body: Bytes,
}

/// One HTTP/1.1 connection.
pub(crate) struct Http {
    sender: http1::SendRequest<Body>,
    host: HeaderValue,
}

impl Http {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn connect(address: SocketAddr, tasks: &Tasks) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tasks.spawn("client connection", connection);
        Ok(Self { sender, host: HeaderValue::from_str(&address.to_string())? })
    }

    /// Makes one call and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn call(&mut self, call: &Call) -> anyhow::Result<Answer> {
        let response = self.send(call, body::full(call.body.clone())).await?;
        whole(response).await
    }

    /// Makes one call with a streamed body and gives the answer's head.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn send(&mut self, call: &Call, body: Body) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await?;
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.path.parse()?;
        request.headers_mut().insert(HOST, self.host.clone());
        request.headers_mut().extend(call.headers.iter().cloned());
        Ok(self.sender.send_request(request).await?)
    }
}

/// One gRPC connection. A clone shares it.
#[derive(Clone)]
pub(crate) struct Grpc {
    sender: http2::SendRequest<Body>,
    address: SocketAddr,
}

impl Grpc {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens or it is not HTTP/2.
    pub(crate) async fn connect(address: SocketAddr, tasks: &Tasks) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::handshake(Executor::new(tasks.clone()), TokioIo::new(stream)).await?;
        tasks.spawn("client connection", connection);
        Ok(Self { sender, address })
    }

    /// Makes one unary call and gives the answer's message.
    ///
    /// # Errors
    /// When the connection breaks or the status is not OK.
    pub(crate) async fn call(&mut self, call: &Call) -> anyhow::Result<Answer> {
        let mut message = BytesMut::with_capacity((call.body.len() + 5) * call.messages);
        for _ in 0..call.messages {
            message.put_u8(0);
            message.put_u32(u32::try_from(call.body.len())?);
            message.put_slice(&call.body);
        }
        let mut request = Request::new(body::boxed(OfUnknownLength(Some(message.freeze()))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("http://{}{}", self.address, call.path).parse()?;
        let headers = request.headers_mut();
        headers.extend(call.headers.iter().cloned());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        self.sender.ready().await?;
        let mut answer = whole(self.sender.send_request(request).await?).await?;
        let in_trailers = answer.trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        let status = in_trailers.or_else(|| answer.headers.get("grpc-status"));
        let message = answer.headers.get("grpc-message");
        ensure!(status.is_some_and(|status| status == "0"), "grpc-status {status:?}, {message:?}");
        ensure!(answer.body.len() >= 5, "an answer without a message");
        answer.body = answer.body.slice(5..);
        Ok(answer)
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

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// gRPC.
    Grpc,
}

/// One connection of either kind.
pub(crate) enum Client {
    /// HTTP/1.1.
    Http(Http),
    /// gRPC.
    Grpc(Grpc),
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn connect(protocol: Protocol, address: SocketAddr, tasks: &Tasks) -> anyhow::Result<Self> {
        match protocol {
            Protocol::Http => Ok(Self::Http(Http::connect(address, tasks).await?)),
            Protocol::Grpc => Ok(Self::Grpc(Grpc::connect(address, tasks).await?)),
        }
    }

    /// Makes one call that must succeed.
    ///
    /// # Errors
    /// When the connection breaks or the call fails.
    pub(crate) async fn call(&mut self, call: &Call) -> anyhow::Result<Answer> {
        match self {
            Self::Grpc(client) => client.call(call).await,
            Self::Http(client) => {
                let answer = client.call(call).await?;
                ensure!(answer.status.is_success(), "answered {} {:?}", answer.status, answer.body);
                Ok(answer)
            }
        }
    }
}

async fn whole(response: Response<Incoming>) -> anyhow::Result<Answer> {
    let (parts, incoming) = response.into_parts();
    let collected = incoming.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok(Answer { status: parts.status, headers: parts.headers, trailers, body: collected.to_bytes() })
}
