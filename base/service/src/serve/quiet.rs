//! Tells when nothing has happened on an HTTP/1.1 connection for a moment, so that hyper's part of it, and its buffers, can go
//! and only the socket stays. Called by `http1`. It must not cost a busy connection anything: there is one timer at a time,
//! which looks back when it ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::header_timer::Arrivals;
use super::last_piece::Wakes;

/// A connection on which nothing came for so long, and at most twice as long, is quiet.
pub(super) const MOMENT: Duration = Duration::from_millis(100);

/// How driving a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Over,
    /// It could go on, but nothing happens: no request is under way, and nothing is left to write.
    Quiet,
}

/// Drives a connection until it is over or quiet.
pub(super) struct UntilQuiet<'a, C> {
    /// The connection.
    pub(super) connection: C,
    arrivals: Arc<Arrivals>,
    wakes: &'a Wakes,
    /// Boxed: it is needed only once nothing has happened at least once.
    timer: Option<(Pin<Box<Sleep>>, u64)>,
}

impl<'a, C> UntilQuiet<'a, C> {
    pub(super) fn new(connection: C, arrivals: Arc<Arrivals>, wakes: &'a Wakes) -> Self {
        Self { connection, arrivals, wakes, timer: None }
    }

    /// Whether nothing has come since the timer was set, which ended.
    fn poll_quiet(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let count = self.arrivals.count();
        let (timer, seen) = match &mut self.timer {
            // It has the waker of this task.
            Some((timer, _)) if !timer.is_elapsed() => return Poll::Pending,
            Some((_, seen)) if *seen == count => return Poll::Ready(()),
            Some((timer, seen)) => {
                timer.as_mut().reset(Instant::now() + MOMENT);
                (timer, seen)
            }
            unset => {
                let (timer, seen) = unset.insert((Box::pin(tokio::time::sleep(MOMENT)), count));
                (timer, seen)
            }
        };
        *seen = count;
        // A task that has had its share would not be registered.
        Pin::new(&mut tokio::task::unconstrained(timer.as_mut())).poll(context)
    }
}

impl<C, E> Future for UntilQuiet<'_, C>
where
    C: Future<Output = Result<(), E>> + Unpin,
{
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(ended) = this.wakes.poll(context, |context| Pin::new(&mut this.connection).poll(context)) {
            return Poll::Ready(ended.map(|()| Outcome::Over));
        }
        if !self.arrivals.is_between_requests() {
            return Poll::Pending;
        }
        ready!(self.poll_quiet(context));
        Poll::Ready(Ok(Outcome::Quiet))
    }
}
