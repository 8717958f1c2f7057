//! Gives back the memory of values past their end. A task runs only while something in the table has an end, sleeps
//! until the soonest one, and sweeps at most once a second. Correctness does not hang on it: readers skip what is past
//! its end.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use component::Tasks;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::table::Table;

const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Sweeper {
    shared: Arc<Shared>,
    tasks: Tasks,
}

struct Shared {
    table: Arc<RwLock<Table>>,
    /// Whether the task runs. Only changed under its lock, so that no wake falls between two tasks.
    running: Mutex<bool>,
    sooner: Notify,
    stop: CancellationToken,
}

impl Sweeper {
    pub(super) fn new(table: Arc<RwLock<Table>>, tasks: Tasks) -> Self {
        let shared =
            Shared { table, running: Mutex::new(false), sooner: Notify::new(), stop: CancellationToken::new() };
        Self { shared: Arc::new(shared), tasks }
    }

    /// A value will end at `soonest`, before all others.
    pub(super) fn wake(&self, soonest: Instant) {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if *running {
            self.shared.sooner.notify_one();
        } else if !self.shared.stop.is_cancelled() {
            *running = true;
            self.tasks.spawn("state.in-memory sweeper", run(Arc::clone(&self.shared), soonest));
        }
    }

    pub(super) fn stop(&self) {
        self.shared.stop.cancel();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(shared: Arc<Shared>, soonest: Instant) {
    let mut next = soonest;
    loop {
        let wake_at = next.max(Instant::now() + PAUSE);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.sooner.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
        let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        let swept = shared.table.write().unwrap_or_else(PoisonError::into_inner).sweep(Instant::now());
        match swept {
            Some(soonest) => next = soonest,
            None => {
                *running = false;
                return;
            }
        }
    }
}
