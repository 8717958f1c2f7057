//! One HTTP/2 connection, in the shape that the generated gRPC clients take.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::runtime;

/// A connection for gRPC calls; clones share it.
#[derive(Clone)]
pub struct Channel {
    sender: SendRequest<tonic::body::Body>,
    authority: String,
}

impl Channel {
    /// Connects to a port of this machine.
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the gRPC port is open");
        stream.set_nodelay(true).expect("a socket option");
        Self::over(stream, format!("127.0.0.1:{port}")).await.expect("it speaks HTTP/2")
    }

    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// What went wrong with the connection.
    pub async fn try_connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, format!("127.0.0.1:{port}")).await.map_err(std::io::Error::other)
    }

    /// Connects to a unix domain socket.
    pub async fn connect_unix(path: &std::path::Path) -> Self {
        let stream = tokio::net::UnixStream::connect(path).await.expect("the gRPC socket is open");
        Self::over(stream, "localhost".to_owned()).await.expect("it speaks HTTP/2")
    }

    /// Connects to a port of this machine with TLS.
    ///
    /// # Errors
    /// What went wrong with the handshakes.
    pub async fn connect_tls(port: u16, config: Arc<rustls::ClientConfig>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let name = rustls_pki_types::ServerName::try_from("localhost").expect("a server name");
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
        Self::over(stream, format!("127.0.0.1:{port}")).await.map_err(std::io::Error::other)
    }

    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        authority: String,
    ) -> Result<Self, hyper::Error> {
        let (sender, connection) = runtime::spawn(async move {
            let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_header_list_size(8 << 20);
            builder.handshake(TokioIo::new(stream)).await
        })
        .await
        .expect("the handshake does not panic")?;
        runtime::spawn(connection);
        Ok(Self { sender, authority })
    }

    /// Sends any HTTP/2 request whose URI is a path.
    pub async fn send(&self, request: Request<tonic::body::Body>) -> Result<Response<Incoming>, hyper::Error> {
        self.clone().call(request).await
    }
}

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme("http").authority(self.authority.as_str()).path_and_query(path);
        *request.uri_mut() = uri.build().expect("parts of a URI make a URI");
        Box::pin(self.sender.send_request(request))
    }
}
