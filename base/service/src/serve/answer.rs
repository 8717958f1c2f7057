//! The answer to one request on its way, whatever the service does: a panic or an error of a handler fails this request only.
//! Made by `http1`; requests of HTTP/2 share how they begin and fail. It is small, because it is moved and kept for every request.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::connection::Shared;
use super::gate::Pass;
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
        /// Where only so many requests are worked on.
        pass: Option<Pass>,
    },
    /// What the handler will say once it may.
    Waiting(Box<Waiting>),
}

/// A request whose turn has not come.
pub(super) struct Waiting {
    turn: oneshot::Receiver<Pass>,
    request: Option<Request<Body>>,
    shared: Arc<Shared>,
}

impl Answering {
    /// What the handler answers as soon as the gate lets the request through.
    pub(super) fn in_turn(shared: &Arc<Shared>, request: Request<Body>) -> Self {
        match shared.gate.enter() {
            Ok(pass) => Self::of(&shared.handler, request, Some(pass)),
            Err(turn) => Self::Waiting(Box::new(Waiting { turn, request: Some(request), shared: Arc::clone(shared) })),
        }
    }

    /// An answer that is there.
    pub(super) fn ready(response: Response<Body>) -> Self {
        Self::Ready(Some(Box::new(response)))
    }

    /// What this handler answers.
    pub(super) fn of(handler: &Handler, request: Request<Body>, pass: Option<Pass>) -> Self {
        let is_grpc = is_grpc(&request);
        Self::Awaited { handled: begin(handler, request), is_grpc, pass }
    }
}

/// What this handler begins, whatever it does.
pub(super) fn begin(handler: &Handler, request: Request<Body>) -> Answer {
    let is_grpc = is_grpc(&request);
    catch_unwind(AssertUnwindSafe(|| handler(request))).unwrap_or_else(|_| {
        tracing::error!(target: "dapr.runtime", "a request handler panicked before it began");
        Box::pin(std::future::ready(Ok(failure(is_grpc))))
    })
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(*response))),
            Self::Waiting(waiting) => {
                let pass = ready!(Pin::new(&mut waiting.turn).poll(context)).ok();
                let Some(request) = waiting.request.take() else { return Poll::Pending };
                let next = Self::of(&waiting.shared.handler, request, pass);
                *self = next;
                self.poll(context)
            }
            Self::Awaited { handled, is_grpc, pass } => {
                let polled = catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(context)));
                let outcome = match polled {
                    Ok(progress) => ready!(progress),
                    Err(_) => Err(BoxError::from("the handler panicked")),
                };
                drop(pass.take());
                Poll::Ready(Ok(outcome.unwrap_or_else(|error| {
                    tracing::error!(target: "dapr.runtime", "a request failed inside: {error}");
                    failure(*is_grpc)
                })))
            }
        }
    }
}

/// Whether the failure of a request has to be told as gRPC does.
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// What is told of a handler that failed.
pub(super) fn failure(is_grpc: bool) -> Response<Body> {
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
