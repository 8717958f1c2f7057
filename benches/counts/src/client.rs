//! The calling app: one connection, one call after the other. Called by `path` and, to wait for sidecars, by `parties`.

use anyhow::{Context as _, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, TE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use service::{Body, Executor, Tasks, body};
use tokio::net::TcpStream;

/// One HTTP/1.1 connection.
pub(crate) struct Http(http1::SendRequest<Body>);

impl Http {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn connect(port: u16, tasks: &Tasks) -> anyhow::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(open(port).await?)).await?;
        tasks.spawn("client connection", connection);
        Ok(Self(sender))
    }

    /// Makes one call.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn call(&mut self, method: &Method, path: &str, content: &Bytes) -> anyhow::Result<StatusCode> {
        self.0.ready().await?;
        let mut request = Request::new(body::full(content.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse()?;
        request.headers_mut().insert(HOST, HeaderValue::from_static("127.0.0.1"));
        if !content.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let response = self.0.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    }
}

/// One gRPC connection.
pub(crate) struct Grpc(http2::SendRequest<Body>);

impl Grpc {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn connect(port: u16, tasks: &Tasks) -> anyhow::Result<Self> {
        let executor = Executor::new(tasks.clone());
        let (sender, connection) = http2::handshake(executor, TokioIo::new(open(port).await?)).await?;
        tasks.spawn("client connection", connection);
        Ok(Self(sender))
    }

    /// Makes one unary call of the runtime API.
    ///
    /// # Errors
    /// When the connection breaks or the status is not OK.
    pub(crate) async fn call(&mut self, method: &str, message: &impl prost::Message) -> anyhow::Result<()> {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.encoded_len())?);
        message.encode(&mut framed)?;
        let mut request = Request::new(body::full(framed.freeze()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("http://127.0.0.1/dapr.proto.runtime.v1.Dapr/{method}").parse()?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        self.0.ready().await?;
        let (head, content) = self.0.send_request(request).await?.into_parts();
        let content = content.collect().await?;
        let status = content.trailers().and_then(|trailers| trailers.get("grpc-status"));
        let status = status.or_else(|| head.headers.get("grpc-status"));
        ensure!(status.is_some_and(|status| status == "0"), "{method} ended with {status:?} {:?}", head.headers);
        Ok(())
    }
}

async fn open(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.with_context(|| format!("connecting to {port}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
