//! What an HTTP middleware offers. Implemented by backends, called through `loaded` by the pipelines in front of the API
//! and in front of the app.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use async_trait::async_trait;
use http::{Request, Response};

use crate::Backend;
use crate::http::HttpBody;

type Answering = Pin<Box<dyn Future<Output = Response<HttpBody>> + Send>>;

/// What stands behind a middleware: the next one, or what the pipeline guards.
pub struct Next(Box<dyn FnOnce(Request<HttpBody>) -> Answering + Send>);

impl Next {
    /// Goes on with `rest`.
    pub fn new<Rest>(rest: impl FnOnce(Request<HttpBody>) -> Rest + Send + 'static) -> Self
    where
        Rest: Future<Output = Response<HttpBody>> + Send + 'static,
    {
        Self(Box::new(move |request| Box::pin(rest(request))))
    }

    /// Hands the request on.
    pub async fn run(self, request: Request<HttpBody>) -> Response<HttpBody> {
        (self.0)(request).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Next")
    }
}

/// The other end of the connection that a request came from: among its extensions, where it came through a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteAddress(pub SocketAddr);

/// One member of a pipeline. A request it does not hand to `next` is answered by it: it fails closed.
#[async_trait]
pub trait HttpMiddleware: Backend {
    /// Answers a request, by itself or with what `next` answers. Bodies stream: it must not hold a whole one unless that is
    /// its purpose.
    async fn handle(&self, request: Request<HttpBody>, next: Next) -> Response<HttpBody>;
}
