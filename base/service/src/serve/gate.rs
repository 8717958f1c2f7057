//! How many requests of HTTP/1.1 are worked on at the same time. Within the limit nothing waits; beyond it requests wait in the
//! order they came, each on its connection, which is not read meanwhile. Called by `answer`, once for each request. The limit must
//! not hold back what only waits for somebody else: it grows where that brings more answers, and soon where none come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::pressure::Pressure;
use crate::Tasks;

/// So long no request may be done before more are let in.
const STALL: Duration = Duration::from_millis(25);

/// The gate of a server.
pub(super) struct Gate {
    inner: Mutex<Inner>,
    tasks: Tasks,
}

#[derive(Default)]
struct Inner {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Pass>>,
    pressure: Pressure,
    /// Somebody looks whether anything still gets done.
    is_watched: bool,
}

/// The right to be worked on, until it is dropped.
pub(super) struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Gate {
    /// A gate; it watches from time to time beside its callers while requests wait.
    pub(super) fn new(tasks: Tasks) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), tasks })
    }

    /// Nothing here panics with the lock held, and the numbers are right between any two statements.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass, or where one will come.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, oneshot::Receiver<Pass>> {
        let mut inner = self.lock();
        if inner.running < inner.pressure.limit() && inner.waiting.is_empty() {
            inner.running += 1;
            return Ok(Pass(Arc::clone(self)));
        }
        let (sender, receiver) = oneshot::channel();
        inner.waiting.push_back(sender);
        let starts = !std::mem::replace(&mut inner.is_watched, true);
        if starts {
            inner.pressure.begin(Instant::now());
        }
        drop(inner);
        if starts {
            self.tasks.spawn("gate", Arc::clone(self).watch());
        }
        Err(receiver)
    }

    /// One is done, and others may go.
    fn leave(self: &Arc<Self>) {
        let next = {
            let mut inner = self.lock();
            inner.running -= 1;
            if !inner.waiting.is_empty() {
                inner.pressure.done(Instant::now);
            }
            inner.next()
        };
        self.admit(next);
    }

    fn admit(self: &Arc<Self>, mut next: Option<oneshot::Sender<Pass>>) {
        while let Some(waiting) = next {
            // Of one who has just left, the pass comes back and is dropped.
            drop(waiting.send(Pass(Arc::clone(self))));
            next = self.lock().next();
        }
    }

    /// Lets more in when nothing gets done, until nobody waits.
    async fn watch(self: Arc<Self>) {
        let mut was_late = false;
        loop {
            let began = Instant::now();
            tokio::time::sleep(STALL).await;
            // What is ready to be done is no stall. Where this process itself had to wait, it takes two looks to be sure.
            tokio::task::yield_now().await;
            was_late = !was_late && began.elapsed() > STALL * 2;
            let next = {
                let mut inner = self.lock();
                if inner.waiting.is_empty() {
                    inner.is_watched = false;
                    return;
                }
                if !was_late {
                    inner.pressure.look(Instant::now());
                }
                inner.next()
            };
            self.admit(next);
        }
    }
}

impl Inner {
    /// Takes one out of the queue that may go.
    fn next(&mut self) -> Option<oneshot::Sender<Pass>> {
        if self.running >= self.pressure.limit() {
            return None;
        }
        let next = std::iter::from_fn(|| self.waiting.pop_front()).find(|waiting| !waiting.is_closed())?;
        self.running += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> (Arc<Gate>, Vec<Pass>) {
        let gate = Gate::new(Tasks::new());
        let limit = gate.lock().pressure.limit();
        let passes = (0..limit).map(|_| gate.enter().ok().unwrap()).collect();
        (gate, passes)
    }

    #[tokio::test]
    async fn who_waits_goes_in_the_order_of_coming_and_who_left_is_passed_over() {
        let (gate, mut passes) = full();
        let (mut first, second, mut third) =
            (gate.enter().err().unwrap(), gate.enter().err().unwrap(), gate.enter().err().unwrap());
        passes.pop();
        let pass = first.try_recv().unwrap();
        assert!(third.try_recv().is_err());
        drop(second);
        drop(pass);
        assert!(third.try_recv().is_ok());
        assert!(gate.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn every_pass_comes_back() {
        let (gate, passes) = full();
        let (gone, given) = (gate.enter().err().unwrap(), gate.enter().err().unwrap());
        drop(gone);
        drop(passes);
        drop(given);
        assert_eq!(gate.lock().running, 0);
        assert!(gate.enter().is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_those_who_get_nothing_done() {
        let (gate, passes) = full();
        let waiting: Vec<_> = (0..300).map(|_| gate.enter().err().unwrap()).collect();
        for turn in waiting {
            let pass = tokio::time::timeout(Duration::from_secs(5), turn).await.unwrap().unwrap();
            std::mem::forget(pass);
        }
        assert_eq!(passes.len(), 64);
        tokio::time::timeout(Duration::from_secs(5), gate.tasks.wait()).await.unwrap();
    }
}
