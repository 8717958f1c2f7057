//! The answer to one request on its way, whatever the service does: a panic or an error of a handler fails this request only.
//! Made by `connection` for requests of both protocols. It is small, because it is moved and kept for every request.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{Answer, Handler};
use crate::{Body, BoxError, body};

/// Completes with the answer.
pub(super) enum Answering {
    /// What needs no handler; none once it was given.
    Ready(Option<Box<Response<Body>>>),
    /// What the handler says.
    Awaited {
        /// The handler.
        handled: Answer,
        /// Whether a failure has to be told as gRPC does.
        is_grpc: bool,
    },
}

impl Answering {
    /// An answer that is there.
    pub(super) fn ready(response: Response<Body>) -> Self {
        Self::Ready(Some(Box::new(response)))
    }

    /// What this handler answers.
    pub(super) fn of(handler: &Handler, request: Request<Incoming>) -> Self {
        let is_grpc = is_grpc(&request);
        match catch_unwind(AssertUnwindSafe(|| handler(request))) {
            Ok(handled) => Self::Awaited { handled, is_grpc },
            Err(_) => {
                tracing::error!(target: "dapr.runtime", "a request handler panicked before it began");
                Self::ready(failure(is_grpc))
            }
        }
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(*response))),
            Self::Awaited { handled, is_grpc } => {
                let polled = catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(context)));
                let outcome = match polled {
                    Ok(progress) => ready!(progress),
                    Err(_) => Err(BoxError::from("the handler panicked")),
                };
                Poll::Ready(Ok(outcome.unwrap_or_else(|error| {
                    tracing::error!(target: "dapr.runtime", "a request failed inside: {error}");
                    failure(*is_grpc)
                })))
            }
        }
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

fn failure(is_grpc: bool) -> Response<Body> {
    let mut response = Response::new(body::empty());
    if is_grpc {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("13"));
        headers.insert("grpc-message", HeaderValue::from_static("internal error"));
    } else {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}
