//! The sidecar as its app sees it: an HTTP server on a port of this machine. Used by `checkout` and `orders`.

use std::io;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The HTTP API of the sidecar of this app.
#[derive(Debug, Clone, Copy)]
pub struct Sidecar {
    port: u16,
}

impl Sidecar {
    /// The sidecar on this port: the one `DAPR_HTTP_PORT` names.
    pub fn on(port: u16) -> Self {
        Self { port }
    }

    /// Calls a method of another app with a JSON body; gives back the status and body of its answer.
    ///
    /// # Errors
    /// When the sidecar cannot be reached.
    pub async fn invoke(self, app: &str, method: &str, body: String) -> io::Result<(StatusCode, String)> {
        self.request(Method::POST, &format!("/v1.0/invoke/{app}/method/{method}"), body).await
    }

    /// The value of a key, as JSON; `None` when there is none.
    ///
    /// # Errors
    /// When the sidecar cannot be reached or refuses.
    pub async fn state(self, store: &str, key: &str) -> io::Result<Option<String>> {
        let (status, body) = self.request(Method::GET, &format!("/v1.0/state/{store}/{key}"), String::new()).await?;
        match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(io::Error::other(format!("{status}: {body}"))),
        }
    }

    /// Sets a key to a JSON value.
    ///
    /// # Errors
    /// When the sidecar cannot be reached or refuses.
    pub async fn save(self, store: &str, key: &str, value: &str) -> io::Result<()> {
        let body = format!(r#"[{{"key":"{key}","value":{value}}}]"#);
        let (status, body) = self.request(Method::POST, &format!("/v1.0/state/{store}"), body).await?;
        if status.is_success() { Ok(()) } else { Err(io::Error::other(format!("{status}: {body}"))) }
    }

    /// Publishes a JSON message to a topic. The answer means that the broker has it.
    ///
    /// # Errors
    /// When the sidecar cannot be reached or refuses.
    pub async fn publish(self, pubsub: &str, topic: &str, body: String) -> io::Result<()> {
        let (status, body) = self.request(Method::POST, &format!("/v1.0/publish/{pubsub}/{topic}"), body).await?;
        if status.is_success() { Ok(()) } else { Err(io::Error::other(format!("{status}: {body}"))) }
    }

    async fn request(self, method: Method, path: &str, body: String) -> io::Result<(StatusCode, String)> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("localhost:{}", self.port))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::select! {
            answer = exchange => answer.map_err(io::Error::other),
            ended = connection => {
                ended.map_err(io::Error::other)?;
                Err(io::Error::other("the sidecar closed the connection without an answer"))
            }
        }
    }
}
