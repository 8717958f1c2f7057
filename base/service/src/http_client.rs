//! The pooling HTTP client for servers outside the fleet and for HTTP apps. Used by the app channel, by HTTP endpoints and
//! by what components are offered; calls between processes go through [`crate::Connections`]. Plain HTTP/1.1, which most apps
//! speak, has a pool of its own that costs less; what is secured or HTTP/2 goes through hyper's.

mod quiet;
mod reply;
mod unwatched;

use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;

use crate::dial::Dialer;
use crate::{Body, Executor, Tasks};

pub use reply::Reply;

const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MAX_IDLE: usize = 64;
/// Smallest buffer for the head of an HTTP/1.1 answer.
const MIN_HEAD: usize = 64 << 10;

/// An HTTP client. A clone shares its connections.
#[derive(Clone)]
pub struct HttpClient {
    pooled: Client<Dialer, Body>,
    /// None where the other end speaks HTTP/2.
    plain: Option<unwatched::Pool>,
}

/// Why a request got no answer.
#[derive(Debug)]
pub struct HttpClientError {
    /// What went wrong, from the outermost cause to the innermost.
    pub message: String,
    /// Whether no connection could be made, so that nothing was sent.
    pub unsent: bool,
}

impl HttpClient {
    /// A client that connects with `dialer`. With `http2` it speaks only HTTP/2, without negotiation. An answer may have
    /// `max_headers` bytes of headers.
    #[must_use]
    pub fn new(dialer: Dialer, http2: bool, max_headers: usize, tasks: &Tasks) -> Self {
        let mut builder = Client::builder(Executor::new(tasks.clone()));
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .http2_only(http2)
            .http2_max_header_list_size(u32::try_from(max_headers).unwrap_or(u32::MAX))
            .http1_max_buf_size(max_headers.max(MIN_HEAD))
            .set_host(true);
        let head = max_headers.max(MIN_HEAD);
        let plain = (!http2).then(|| unwatched::Pool::new(dialer.clone(), head, tasks.clone()));
        Self { pooled: builder.build(dialer), plain }
    }

    /// Sends a request with an absolute URL; the answer's body streams. Redirects are not followed.
    ///
    /// # Errors
    /// When no answer came.
    #[expect(clippy::manual_async_fn, reason = "an asynchronous function would hold the request twice")]
    pub fn send(
        &self,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Reply>, HttpClientError>> + Send {
        async move {
            if let Some(plain) = &self.plain
                && request.uri().scheme() == Some(&Scheme::HTTP)
            {
                return plain.send(&mut request).await;
            }
            // Boxed, since few requests come here and every caller would carry the space for it.
            let sent = Box::pin(self.pooled.request(request)).await;
            sent.map(|response| response.map(Reply::pooled)).map_err(|error| HttpClientError::from(&error))
        }
    }
}

impl From<&hyper_util::client::legacy::Error> for HttpClientError {
    fn from(error: &hyper_util::client::legacy::Error) -> Self {
        // Its own words say only that there is a cause.
        let message = std::error::Error::source(error).map_or_else(|| error.to_string(), chain);
        Self { message, unsent: error.is_connect() }
    }
}

/// An error with its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        message.push_str(": ");
        message.push_str(&next.to_string());
        cause = next.source();
    }
    message
}
