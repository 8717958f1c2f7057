//! Whether one of several things that a task drives was woken: each has a waker of its own here, so that the others are not polled
//! for nothing. Used for HTTP/2 connections, whose poll is dear even where nothing came.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Knows whether what is polled with its waker was woken.
pub(crate) struct Woken {
    flag: Arc<Flag>,
    waker: Waker,
}

struct Flag {
    is_set: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Woken {
    /// Begins woken: nothing was polled yet.
    pub(crate) fn new() -> Self {
        let flag = Arc::new(Flag { is_set: AtomicBool::new(true), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&flag));
        Self { flag, waker }
    }

    /// The task that a wake-up is passed on to. Called with each poll of it, before anything else.
    pub(crate) fn belongs_to(&self, task: &Waker) {
        self.flag.task.register(task);
    }

    /// Whether it was woken since this was asked last.
    pub(crate) fn take(&self) -> bool {
        self.flag.is_set.load(Ordering::Relaxed) && self.flag.is_set.swap(false, Ordering::Acquire)
    }

    /// Has it polled again by the same poll of its task.
    pub(crate) fn not_yet(&self) {
        self.flag.is_set.store(true, Ordering::Relaxed);
    }

    /// Wakes it.
    pub(crate) fn set(&self) {
        self.waker.wake_by_ref();
    }

    /// Polls it.
    pub(crate) fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        poll(&mut Context::from_waker(&self.waker))
    }
}

/// A future that is polled when it was woken itself, whatever else its task was woken for.
pub(crate) struct WhenWoken<F> {
    future: F,
    woken: Woken,
}

impl<F> WhenWoken<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, woken: Woken::new() }
    }
}

impl<F: Future + Unpin> Future for WhenWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.woken.belongs_to(context.waker());
        if !this.woken.take() {
            return Poll::Pending;
        }
        this.woken.poll(|context| Pin::new(&mut this.future).poll(context))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Counts its polls, and shows the waker of the last.
    #[derive(Default)]
    struct Counting {
        polls: usize,
        last: Arc<Mutex<Option<Waker>>>,
    }

    impl Future for Counting {
        type Output = usize;
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
            self.polls += 1;
            *self.last.lock().unwrap() = Some(context.waker().clone());
            if self.polls == 3 { Poll::Ready(self.polls) } else { Poll::Pending }
        }
    }

    #[tokio::test]
    async fn only_its_own_waker_has_it_polled_and_wakes_the_task() {
        let last = Arc::default();
        let mut counted = WhenWoken::new(Counting { polls: 0, last: Arc::clone(&last) });
        let polled = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&polled);
        let task = crate::Tasks::new().spawn(
            "a test",
            std::future::poll_fn(move |context| {
                seen.store(true, Ordering::SeqCst);
                for _ in 0..5 {
                    assert!(counted.future.polls < 3);
                    if let Poll::Ready(count) = Pin::new(&mut counted).poll(context) {
                        return Poll::Ready(count);
                    }
                }
                Poll::Pending
            }),
        );
        for _ in 0..2 {
            while !polled.swap(false, Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            let waker = last.lock().unwrap().take().unwrap();
            waker.wake();
        }
        assert_eq!(task.await.unwrap(), 3);
    }
}
