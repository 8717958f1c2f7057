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
/// It was woken while it is being driven.
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
        let noted = self.state.compare_exchange(DRIVEN, NOTED, Ordering::AcqRel, Ordering::Acquire);
        if noted == Err(RESTING) {
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

    /// Drives until there is a result or nothing left to do; then the task of `context` is woken when there is. `round` polls the
    /// connection with [`Self::waker`], and looks for a result after that.
    pub(super) fn drive<T>(&self, context: &mut Context<'_>, mut round: impl FnMut() -> Poll<T>) -> Poll<T> {
        let state = &self.shared.state;
        self.shared.task.register(context.waker());
        for _ in 0..ROUNDS {
            state.store(DRIVEN, Ordering::Release);
            let result = round();
            if result.is_ready() {
                state.store(RESTING, Ordering::Release);
                return result;
            }
            if state.compare_exchange(DRIVEN, RESTING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Poll::Pending;
            }
        }
        state.store(RESTING, Ordering::Release);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Forgets the task: nobody waits for the connection.
    pub(super) fn forget(&self) {
        drop(self.shared.task.take());
    }
}
