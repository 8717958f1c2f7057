//! What happens in a run, with its moments; and the gate that keeps publishers from running ahead of the faults.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::watch;

use crate::loss::{Event, Fault, History, Name};

/// Shared by everything that makes or sees messages.
#[derive(Debug, Clone)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    told: Mutex<Told>,
    acknowledged: watch::Sender<u64>,
    gate: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Told {
    history: History,
    acknowledged: HashSet<Name>,
    done: HashSet<Name>,
}

impl Default for Log {
    fn default() -> Self {
        Self(Arc::new(Inner {
            began: Instant::now(),
            told: Mutex::default(),
            acknowledged: watch::Sender::new(0),
            gate: watch::Sender::new(0),
        }))
    }
}

impl Log {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().expect("no holder panics")
    }

    /// Milliseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).expect("a run is not that long")
    }

    /// Remembers that something happened.
    pub fn note(&self, event: Event) {
        let at = self.now();
        let mut told = self.told();
        match &event {
            Event::Acknowledged(name) => {
                told.acknowledged.insert(*name);
                self.0.acknowledged.send_modify(|count| *count += 1);
            }
            Event::Handled(name) | Event::DeadLettered(name) => drop(told.done.insert(*name)),
            _ => {}
        }
        told.history.events.push((at, event));
    }

    pub(super) fn fault(&self, what: String, began: u64) {
        let ended = self.now();
        self.told().history.faults.push(Fault { what, began, ended });
    }

    pub(super) async fn until_acknowledged(&self, count: u64) {
        let mut acknowledged = self.0.acknowledged.subscribe();
        acknowledged.wait_for(|now| *now >= count).await.expect("the log lives");
    }

    /// Lets publishers go on until so much is acknowledged.
    pub(super) fn open_until(&self, count: u64) {
        self.0.gate.send_replace(count);
    }

    /// Waits until publishers may go on.
    pub(super) async fn passes_gate(&self) {
        let acknowledged = self.0.acknowledged.subscribe();
        let mut gate = self.0.gate.subscribe();
        gate.wait_for(|gate| *acknowledged.borrow() < *gate).await.expect("the log lives");
    }

    pub(super) fn length(&self) -> usize {
        self.told().history.events.len()
    }

    /// How many acknowledged messages are not done.
    pub(super) fn missing(&self) -> usize {
        let told = self.told();
        told.acknowledged.difference(&told.done).count()
    }

    /// Everything so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.told().history.clone()
    }
}
