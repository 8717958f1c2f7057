//! A gRPC answer that is made message by message, as its caller takes them. Dropping it drops what it is made from.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tonic::Status;
use tonic::codegen::BoxStream;
use tonic::codegen::tokio_stream::Stream;

type Step<State, T> = Pin<Box<dyn Future<Output = Option<(Result<T, Status>, State)>> + Send>>;

struct Unfold<State, T, Next> {
    step: Option<Step<State, T>>,
    next: Next,
}

/// The messages that `next` makes, each with what the one after it is made from; `None` ends the stream.
pub(super) fn unfold<State, T, Making>(
    start: State,
    next: impl Fn(State) -> Making + Send + Unpin + 'static,
) -> BoxStream<T>
where
    State: 'static,
    T: 'static,
    Making: Future<Output = Option<(Result<T, Status>, State)>> + Send + 'static,
{
    let step: Step<State, T> = Box::pin(next(start));
    Box::pin(Unfold { step: Some(step), next })
}

impl<State, T, Next, Making> Stream for Unfold<State, T, Next>
where
    Next: Fn(State) -> Making + Unpin,
    Making: Future<Output = Option<(Result<T, Status>, State)>> + Send + 'static,
{
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(step) = &mut self.step else { return Poll::Ready(None) };
        let made = ready!(step.as_mut().poll(context));
        self.step = None;
        Poll::Ready(made.map(|(message, state)| {
            self.step = Some(Box::pin((self.next)(state)));
            message
        }))
    }
}
