//! The waker of a connection that its caller drives. Most of what wakes such a connection happens while it is driven: the answer that it
//! hands over wakes who waits for it, who is the one that drives. Those wakes are noted, and seen before the caller rests; only what
//! comes from elsewhere wakes the caller's task. Used by `unwatched` and `reply`; it knows nothing of HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Nobody drives it: a wake wakes the task that did last.
const RESTING: u8 = 0;
/// It is being driven.
const DRIVEN: u8 = 1;
/// It was woken, and was not driven since.
const NOTED: u8 = 2;

/// Rounds in one go, after which others get their turn.
const ROUNDS: usize = 8;

/// The waker of one connection, whose task may be another for each call.
#[derive(Debug)]
pub(super) struct Quiet {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(NOTED, Ordering::AcqRel) == RESTING {
            self.task.wake();
        }
    }
}

impl Quiet {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared::default());
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// What the connection is polled with.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether there may be something to do for the connection.
    pub(super) fn is_noted(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) != RESTING
    }

    /// Drives once, with nobody who waits for what comes of it.
    pub(super) fn drive_alone(&self, round: impl FnOnce()) {
        drop(self.shared.task.take());
        self.shared.state.store(DRIVEN, Ordering::Release);
        round();
        self.rest();
    }

    /// Drives until there is a result or nothing left to do; then the task of `context` is woken when there is. `round` polls the
    /// connection with [`Self::waker`], and looks for a result after that.
    pub(super) fn drive<T>(&self, context: &mut Context<'_>, mut round: impl FnMut() -> Poll<T>) -> Poll<T> {
        self.shared.task.register(context.waker());
        for _ in 0..ROUNDS {
            self.shared.state.store(DRIVEN, Ordering::Release);
            let result = round();
            // A result that comes with a note is followed by another round, or by a look at the note.
            if self.rest() || result.is_ready() {
                return result;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether nothing was noted meanwhile.
    fn rest(&self) -> bool {
        self.shared.state.compare_exchange(DRIVEN, RESTING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> (Arc<Woken>, Waker) {
        let woken = Arc::new(Woken::default());
        (Arc::clone(&woken), Waker::from(woken))
    }

    #[test]
    fn what_wakes_while_it_is_driven_is_another_round_and_no_wake_of_the_task() {
        let (woken, waker) = task();
        let quiet = Quiet::new();
        let mut rounds = 0;
        let result = quiet.drive(&mut Context::from_waker(&waker), || {
            rounds += 1;
            quiet.waker().wake_by_ref();
            if rounds == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        assert_eq!((result, rounds, woken.0.load(Ordering::Relaxed)), (Poll::Ready(()), 3, 0));
    }

    #[test]
    fn what_wakes_later_wakes_the_task_that_drove_last_once() {
        let ((first, first_waker), (second, second_waker)) = (task(), task());
        let quiet = Quiet::new();
        for waker in [&first_waker, &second_waker] {
            assert!(quiet.drive(&mut Context::from_waker(waker), || Poll::<()>::Pending).is_pending());
        }
        quiet.waker().wake_by_ref();
        quiet.waker().wake_by_ref();
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
        assert!(quiet.is_noted());
    }

    #[test]
    fn a_connection_that_never_rests_lets_others_have_their_turn() {
        let (woken, waker) = task();
        let quiet = Quiet::new();
        let driven = quiet.drive(&mut Context::from_waker(&waker), || {
            quiet.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert!(driven.is_pending());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_wake_between_calls_is_noted_and_wakes_nobody() {
        let (woken, waker) = task();
        let quiet = Quiet::new();
        assert!(quiet.drive(&mut Context::from_waker(&waker), || Poll::Ready(())).is_ready());
        quiet.drive_alone(|| ());
        assert!(!quiet.is_noted());
        quiet.waker().wake_by_ref();
        assert!(quiet.is_noted());
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        quiet.drive_alone(|| ());
        assert!(!quiet.is_noted());
    }
}
