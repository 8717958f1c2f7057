//! Single calls to the HTTP API of a sidecar on this machine, over a port or a socket. Used by `readiness`, `pair`,
//! `instances`, `invoke` and `publish`. Each call has a connection of its own; nothing is retried.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use service::{Environment, Stream};

/// The longest answer that is read: what `invoke` prints, and metadata.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Where the HTTP API of one sidecar is, and the token it wants.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    host: String,
    port: u16,
    socket: Option<PathBuf>,
    token: Option<String>,
}

/// What a sidecar answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Api {
    /// The API on a port, or on `socket` when that is given. `DAPR_API_TOKEN` is sent when it is set.
    pub(crate) fn new(host: &str, port: u16, socket: Option<PathBuf>, environment: &Environment) -> Self {
        let token = environment.get("DAPR_API_TOKEN").filter(|token| !token.is_empty()).map(str::to_owned);
        Self { host: host.to_owned(), port, socket, token }
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.socket {
            Some(socket) => format!("socket {}", socket.display()),
            None => format!("port {}", self.port),
        }
    }

    /// One call. `path` starts with a slash and is sent as it is; a body is sent with the type of JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        self.call_with(method, path, ("application/json", body)).await
    }

    /// As [`Api::call`], with a body of another type.
    pub(crate) async fn call_with(
        &self,
        method: Method,
        path: &str,
        (content_type, body): (&str, Bytes),
    ) -> Result<Answer> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, format!("{host}:{}", self.port))
            .header(http::header::CONTENT_TYPE, content_type);
        if let Some(token) = &self.token {
            request = request.header("dapr-api-token", token);
        }
        let request = request.body(service::body::full(body)).with_context(|| format!("cannot call {path}"))?;
        let stream = match &self.socket {
            Some(socket) => Stream::Unix(tokio::net::UnixStream::connect(socket).await?),
            None => {
                let stream = tokio::net::TcpStream::connect((self.host.as_str(), self.port)).await?;
                let _ = stream.set_nodelay(true);
                Stream::Plain(stream)
            }
        };
        let answer = service::call_once(stream, request, LONGEST_ANSWER).await;
        let (head, body) = answer.map_err(|error| anyhow::anyhow!(error))?.into_parts();
        Ok(Answer { status: head.status, body })
    }

    /// Whether the sidecar is up as far as its own parts go; the app need not be.
    pub(crate) async fn is_up(&self) -> bool {
        let call = self.call(Method::GET, "/v1.0/healthz/outbound", Bytes::new());
        within(Duration::from_secs(2), call).await.is_ok_and(|answer| answer.status.is_success())
    }

    /// Sets an extended metadata value.
    pub(crate) async fn put_metadata(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/v1.0/metadata/{key}");
        let call = self.call(Method::PUT, &path, Bytes::copy_from_slice(value.as_bytes()));
        let answer = within(Duration::from_secs(10), call).await?;
        anyhow::ensure!(answer.status.is_success(), "the sidecar answered {}", answer.status);
        Ok(())
    }
}

/// Gives a call a time limit.
pub(crate) async fn within<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, call).await.context("there was no answer in time")?
}
