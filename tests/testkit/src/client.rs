//! An HTTP client whose calls read like sentences. Every call has a connection of its own, so that no test sees what
//! another left behind.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::app::{BoxedBody, body_of};
use crate::runtime;

/// Longer than anything here may take.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(crate) enum Place {
    Port(u16),
    Socket(PathBuf),
}

/// A request to be sent.
pub struct Call {
    place: Place,
    http2: bool,
    request: Request<BoxedBody>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Trailers, if some came.
    pub trailers: Option<HeaderMap>,
}

/// An answer whose body is still to come.
pub struct Opened {
    /// Status and headers, and the body.
    pub response: Response<Incoming>,
}

impl Call {
    pub(crate) fn new(place: Place, method: &str, path: &str) -> Self {
        let uri: http::Uri = path.parse().unwrap_or_else(|error| panic!("{path} is not a path: {error}"));
        let request = Request::builder().method(method).uri(uri).body(body_of("")).expect("a request");
        Self { place, http2: false, request }
    }

    /// A call to any port of this machine.
    #[must_use]
    pub fn to(port: u16, method: &str, path: &str) -> Self {
        Self::new(Place::Port(port), method, path)
    }

    /// Adds a header; a name may be added several times.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.request.headers_mut().append(name, HeaderValue::from_bytes(value.as_ref()).expect("a header value"));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = body_of(body);
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// Sets a body that is still being made; without a length, so chunked over HTTP/1.1.
    #[must_use]
    pub fn stream(mut self, body: BoxedBody) -> Self {
        *self.request.body_mut() = body;
        self
    }

    /// Speaks HTTP/2 without TLS, from the first byte.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends it and reads the whole answer; panics when no whole answer comes.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.request.method(), self.request.uri());
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// What went wrong with the connection or the body of the answer.
    pub async fn try_send(self) -> Result<Answer, String> {
        let whole = async { self.try_open().await?.finish().await };
        tokio::time::timeout(LIMIT, whole).await.map_err(|_| "no whole answer in time".to_owned())?
    }

    /// Sends it and returns when the head of the answer is there.
    pub async fn open(self) -> Opened {
        let opening = tokio::time::timeout(LIMIT, self.try_open());
        opening.await.expect("an answer in time").unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Call::open`].
    ///
    /// # Errors
    /// What went wrong with the connection.
    pub async fn try_open(self) -> Result<Opened, String> {
        let Self { place, http2, mut request } = self;
        let response = match place {
            Place::Port(port) => {
                let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
                stream.set_nodelay(true).map_err(|error| error.to_string())?;
                set_authority(&mut request, &format!("127.0.0.1:{port}"), http2);
                exchange(stream, request, http2).await?
            }
            Place::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
                set_authority(&mut request, "localhost", http2);
                exchange(stream, request, http2).await?
            }
        };
        Ok(Opened { response })
    }
}

fn set_authority(request: &mut Request<BoxedBody>, authority: &str, http2: bool) {
    if http2 {
        let path = request.uri().path_and_query().expect("a path").as_str();
        let uri = http::Uri::builder().scheme("http").authority(authority).path_and_query(path).build();
        *request.uri_mut() = uri.expect("parts of a URI make a URI");
    } else if !request.headers().contains_key("host") {
        request.headers_mut().insert("host", authority.parse().expect("a host"));
    }
}

async fn exchange<S>(stream: S, request: Request<BoxedBody>, http2: bool) -> Result<Response<Incoming>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let told = |error: hyper::Error| format!("{error:?}");
    if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(stream).await.map_err(told)?;
        runtime::spawn(connection);
        return sender.send_request(request).await.map_err(told);
    }
    let (mut sender, connection) =
        hyper::client::conn::http1::Builder::new().max_buf_size(4 << 20).handshake(stream).await.map_err(told)?;
    runtime::spawn(connection);
    sender.send_request(request).await.map_err(told)
}

impl Opened {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// The body broke off, or nothing came for a long time.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let frame =
                tokio::time::timeout(LIMIT, self.response.frame()).await.map_err(|_| "nothing came".to_owned())?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(format!("{error:?}")),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads pieces until they hold `text`.
    pub async fn until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            match self.piece().await {
                Ok(Some(piece)) => read.push_str(&String::from_utf8_lossy(&piece)),
                other => panic!("{text:?} did not come: {read:?}, then {other:?}"),
            }
        }
        read
    }

    /// Reads the rest.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn finish(self) -> Result<Answer, String> {
        let (parts, body) = self.response.into_parts();
        let collected = body.collect().await.map_err(|error| format!("{error:?}"))?;
        let trailers = collected.trailers().cloned();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: collected.to_bytes(), trailers })
    }
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// `errorCode` of an error answer; empty if there is none.
    #[must_use]
    pub fn error_code(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["errorCode"].as_str().unwrap_or_default().to_owned()
    }

    /// All values of a header.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// Every byte of the answer in one text, to look for what must not be there.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{}\n{:?}\n{}\n{:?}", self.status, self.headers, self.text(), self.trailers)
    }
}
