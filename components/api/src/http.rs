//! HTTP to servers outside, for backends that speak it. Given to backends by `sidecar` in their [`crate::Host`]; a backend
//! must not bring an HTTP client of its own.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};

use crate::{Error, ErrorKind, Retry};

/// A streamed body of bytes.
pub type HttpBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// A body without content.
#[must_use]
pub fn empty_body() -> HttpBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body whose content is known.
pub fn full_body(content: impl Into<Bytes>) -> HttpBody {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// `Unavailable` when it is longer, or when it breaks off.
pub async fn read_body(mut body: HttpBody, limit: usize) -> Result<Bytes, Error> {
    let failed = || Error::new(ErrorKind::Unavailable, "reading the answer failed");
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|cause| failed().caused_by(cause))?.into_data() else { continue };
        if data.len() > limit.saturating_sub(read.len()) {
            return Err(failed().caused_by(format!("it is longer than {limit} bytes")));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Sends requests. Implemented by `sidecar` over the one HTTP stack of the process.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// Sends a request with an absolute URL and answers with the head; the body streams.
    async fn send(&self, request: Request<HttpBody>) -> Result<Response<HttpBody>, Error>;

    /// The same, but trusting these root certificates (PEM) in place of the system's.
    fn trusting(&self, roots: &str) -> Result<Arc<dyn Outbound>, Error>;
}

/// An HTTP client. Cheap to clone; connections are pooled.
#[derive(Clone)]
pub struct HttpClient(Arc<dyn Outbound>);

struct Nothing;

#[async_trait]
impl Outbound for Nothing {
    async fn send(&self, _: Request<HttpBody>) -> Result<Response<HttpBody>, Error> {
        Err(Error::new(ErrorKind::NotSupported, "there is no HTTP client here").with_retry(Retry::Never))
    }

    fn trusting(&self, _: &str) -> Result<Arc<dyn Outbound>, Error> {
        Ok(Arc::new(Self))
    }
}

impl HttpClient {
    /// A client that sends through `outbound`.
    pub fn new(outbound: Arc<dyn Outbound>) -> Self {
        Self(outbound)
    }

    /// A client that refuses every request: for hosts whose backends speak no HTTP.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Nothing))
    }

    /// Sends a request with an absolute URL and answers with the head; the body streams. Redirects are not followed. Time
    /// limits are the caller's: it drops the future.
    ///
    /// # Errors
    /// `Unavailable`, with `Retry::NotProcessed` where no connection could be made.
    pub async fn send(&self, request: Request<HttpBody>) -> Result<Response<HttpBody>, Error> {
        self.0.send(request).await
    }

    /// The same client, but trusting these root certificates (PEM) in place of the system's.
    ///
    /// # Errors
    /// `InvalidArgument` when they cannot be read.
    pub fn trusting(&self, roots: &str) -> Result<Self, Error> {
        self.0.trusting(roots).map(Self)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpClient")
    }
}
