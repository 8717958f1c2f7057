//! The answer to one request on its way, whatever the service does: a panic or an error of a handler fails this request only.
//! Made by `http1`. It is small, because it is moved and kept for every request.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tokio::sync::oneshot;

use super::Answer;
use super::connection::{Connection, failure, is_grpc};
use super::gate::Pass;
use crate::{Body, BoxError};

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
    connection: Arc<Connection>,
}

impl Answering {
    /// An answer that is there.
    pub(super) fn ready(response: Response<Body>) -> Self {
        Self::Ready(Some(Box::new(response)))
    }

    /// What the handler answers at once.
    pub(super) fn of(connection: &Connection, request: Request<Body>, pass: Option<Pass>) -> Self {
        let is_grpc = is_grpc(&request);
        Self::Awaited { handled: connection.begin(request), is_grpc, pass }
    }

    /// What the handler answers as soon as the gate lets the request through.
    pub(super) fn in_turn(connection: &Arc<Connection>, request: Request<Body>) -> Self {
        match connection.shared.gate.enter() {
            Ok(pass) => Self::of(connection, request, Some(pass)),
            Err(turn) => {
                let connection = Arc::clone(connection);
                Self::Waiting(Box::new(Waiting { turn, request: Some(request), connection }))
            }
        }
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(*response))),
            Self::Waiting(waiting) => {
                let pass = ready!(Pin::new(&mut waiting.turn).poll(context)).ok();
                let Some(request) = waiting.request.take() else { return Poll::Pending };
                let next = Self::of(&waiting.connection, request, pass);
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
