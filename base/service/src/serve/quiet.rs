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

/// A connection on which nothing came for so long, and at most twice as long, is quiet; later when it was in use for longer.
pub(super) const MOMENT: Duration = Duration::from_millis(100);
/// While a connection stays in use, the next look back is twice as far away, up to this. With many connections each look costs as
/// much as a part of a call.
const LONGEST: Duration = Duration::from_millis(1600);

/// How driving a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Over,
    /// It could go on, but nothing happens: no request is under way, and nothing is left to write.
    Quiet,
}

/// What a timer will look back at.
struct Look {
    /// The arrivals when it was set.
    seen: u64,
    /// How long it takes.
    moment: Duration,
}

/// Drives a connection until it is over or quiet.
pub(super) struct UntilQuiet<'a, C> {
    /// The connection.
    pub(super) connection: C,
    arrivals: Arc<Arrivals>,
    wakes: &'a Wakes,
    /// Boxed: it is needed only once nothing has happened at least once.
    timer: Option<(Pin<Box<Sleep>>, Look)>,
}

impl<'a, C> UntilQuiet<'a, C> {
    pub(super) fn new(connection: C, arrivals: Arc<Arrivals>, wakes: &'a Wakes) -> Self {
        Self { connection, arrivals, wakes, timer: None }
    }
}

/// Whether nothing has come since the timer was set, which ended.
fn poll_quiet(timer: &mut Option<(Pin<Box<Sleep>>, Look)>, count: u64, context: &mut Context<'_>) -> Poll<()> {
    let sleep = match timer {
        // It has the waker of this task.
        Some((sleep, _)) if !sleep.is_elapsed() => return Poll::Pending,
        Some((_, look)) if look.seen == count => return Poll::Ready(()),
        Some((sleep, look)) => {
            *look = Look { seen: count, moment: LONGEST.min(look.moment * 2) };
            sleep.as_mut().reset(Instant::now() + look.moment);
            sleep
        }
        unset => {
            let look = Look { seen: count, moment: MOMENT };
            &mut unset.insert((Box::pin(tokio::time::sleep(MOMENT)), look)).0
        }
    };
    // A task that has had its share would not be registered.
    Pin::new(&mut tokio::task::unconstrained(sleep.as_mut())).poll(context)
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
        let count = self.arrivals.count();
        ready!(poll_quiet(&mut self.timer, count, context));
        Poll::Ready(Ok(Outcome::Quiet))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Debug, Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_connection_that_stays_in_use_is_woken_ever_more_rarely_and_becomes_quiet_all_the_same() {
        const STEP: Duration = Duration::from_millis(5);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let (mut timer, mut count, began) = (None, 0, Instant::now());
        while began.elapsed() < MOMENT * 10 {
            assert!(poll_quiet(&mut timer, count, &mut Context::from_waker(&waker)).is_pending());
            count += 1;
            tokio::time::sleep(STEP).await;
        }
        // After one moment, two more and four more.
        assert!((1..=3).contains(&wakes.0.load(Ordering::Relaxed)), "{wakes:?}");
        let quiet = async {
            while poll_quiet(&mut timer, count, &mut Context::from_waker(&waker)).is_pending() {
                tokio::time::sleep(STEP).await;
            }
        };
        tokio::time::timeout(LONGEST * 2, quiet).await.unwrap();
    }
}
