//! The messages this sidecar has taken from streams and not settled. Their idle clocks are kept young, so that no replica
//! takes them as well; what is dropped is given back. Nothing here asks a server but the task in `keeper`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// All of a broker; shared by its subscriptions.
#[derive(Default)]
pub(super) struct Held {
    state: Mutex<State>,
    /// Rung when something is to be given back.
    pub(super) dropped: Notify,
    /// Rung when something that rests was noted.
    pub(super) resting: Notify,
}

#[derive(Default)]
struct State {
    /// By stream, the ids of its messages and how often each was delivered.
    streams: HashMap<Arc<str>, HashMap<String, u64>>,
    dropped: Vec<GivenBack>,
    /// By stream, when the first of what rests is to be looked for.
    due: HashMap<Arc<str>, Instant>,
}

/// A message that nobody here works on any more, and that was not settled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GivenBack {
    pub(super) stream: Arc<str>,
    pub(super) id: String,
    /// How often it was delivered, this time included.
    pub(super) deliveries: u64,
}

/// One message that is held. Dropping it gives the message back.
pub(super) struct Hold {
    held: Arc<Held>,
    pub(super) stream: Arc<str>,
    pub(super) id: String,
    pub(super) deliveries: u64,
    is_settled: bool,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a message from now on; `None` if it is held already.
    pub(super) fn hold(self: &Arc<Self>, stream: &Arc<str>, id: &str, deliveries: u64) -> Option<Hold> {
        let mut state = self.lock();
        let ids = state.streams.entry(Arc::clone(stream)).or_default();
        if ids.contains_key(id) {
            return None;
        }
        ids.insert(id.to_owned(), deliveries);
        let (held, stream, id) = (Arc::clone(self), Arc::clone(stream), id.to_owned());
        Some(Hold { held, stream, id, deliveries, is_settled: false })
    }

    pub(super) fn has(&self, stream: &str, id: &str) -> bool {
        self.lock().streams.get(stream).is_some_and(|ids| ids.contains_key(id))
    }

    /// Everything that is held, by stream.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Vec<String>)> {
        let state = self.lock();
        state.streams.iter().map(|(stream, ids)| (Arc::clone(stream), ids.keys().cloned().collect())).collect()
    }

    /// What is to be given back; it counts as held until [`Held::release`].
    pub(super) fn take_dropped(&self) -> Vec<GivenBack> {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Everything is to be given back, also what somebody still works on: nobody can settle it any more.
    pub(super) fn drop_all(&self) {
        let mut state = self.lock();
        let State { streams, dropped, .. } = &mut *state;
        dropped.clear();
        for (stream, ids) in streams {
            let given_back = |(id, deliveries): (&String, &u64)| GivenBack {
                stream: Arc::clone(stream),
                id: id.clone(),
                deliveries: *deliveries,
            };
            dropped.extend(ids.iter().map(given_back));
        }
    }

    /// Holds messages no longer.
    pub(super) fn release<'a>(&self, stream: &str, ids: impl IntoIterator<Item = &'a String>) {
        let mut state = self.lock();
        let Some(held) = state.streams.get_mut(stream) else { return };
        for id in ids {
            held.remove(id);
        }
        if held.is_empty() {
            state.streams.remove(stream);
        }
    }

    /// Notes when something of a stream is to be looked for.
    pub(super) fn rest_until(&self, stream: &Arc<str>, due: Instant) {
        let mut state = self.lock();
        let first = state.due.entry(Arc::clone(stream)).or_insert(due);
        *first = (*first).min(due);
        drop(state);
        self.resting.notify_waiters();
    }

    /// When something of a stream is to be looked for, if that was noted.
    pub(super) fn due(&self, stream: &str) -> Option<Instant> {
        self.lock().due.get(stream).copied()
    }

    /// Forgets what was noted: it is being looked for.
    pub(super) fn forget_due(&self, stream: &str) {
        self.lock().due.remove(stream);
    }
}

impl Hold {
    /// The message is settled, or left to its idle clock.
    pub(super) fn end(mut self) {
        self.is_settled = true;
        self.held.release(&self.stream, [&self.id]);
    }

    /// The same for one that rests before it is delivered again.
    pub(super) fn rest_until(self, due: Instant) {
        let (held, stream) = (Arc::clone(&self.held), Arc::clone(&self.stream));
        self.end();
        held.rest_until(&stream, due);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (stream, id) = (Arc::clone(&self.stream), std::mem::take(&mut self.id));
        self.held.lock().dropped.push(GivenBack { stream, id, deliveries: self.deliveries });
        self.held.dropped.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_held_once_until_it_is_settled() {
        let (held, stream) = (Arc::new(Held::default()), Arc::from("s"));
        let hold = held.hold(&stream, "1-1", 1).unwrap();
        assert!(held.hold(&stream, "1-1", 2).is_none());
        assert!(held.has("s", "1-1") && !held.has("t", "1-1"));
        assert_eq!(held.all(), [(Arc::clone(&stream), vec!["1-1".to_owned()])]);
        hold.end();
        assert!(held.all().is_empty() && held.take_dropped().is_empty());
    }

    #[test]
    fn what_is_dropped_is_held_until_it_is_given_back() {
        let (held, stream) = (Arc::new(Held::default()), Arc::from("s"));
        drop(held.hold(&stream, "1-1", 3));
        let dropped = held.take_dropped();
        assert_eq!(dropped, [GivenBack { stream, id: "1-1".to_owned(), deliveries: 3 }]);
        assert!(held.has("s", "1-1"));
        held.release("s", [&dropped[0].id]);
        assert!(!held.has("s", "1-1"));
    }

    #[test]
    fn at_the_end_everything_is_given_back_once() {
        let (held, stream) = (Arc::new(Held::default()), Arc::from("s"));
        drop(held.hold(&stream, "1-1", 1));
        let _working = held.hold(&stream, "1-2", 4);
        held.drop_all();
        let mut dropped: Vec<(String, u64)> =
            held.take_dropped().into_iter().map(|one| (one.id, one.deliveries)).collect();
        dropped.sort();
        assert_eq!(dropped, [("1-1".to_owned(), 1), ("1-2".to_owned(), 4)]);
    }

    #[tokio::test]
    async fn the_first_that_rests_is_told() {
        let (held, stream) = (Arc::new(Held::default()), Arc::from("s"));
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(1);
        held.hold(&stream, "1-1", 1).unwrap().rest_until(later);
        held.hold(&stream, "1-2", 1).unwrap().rest_until(now);
        assert_eq!(held.due("s"), Some(now));
        held.forget_due("s");
        assert_eq!((held.due("s"), held.has("s", "1-1")), (None, false));
    }
}
