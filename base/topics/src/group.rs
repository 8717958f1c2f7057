//! One consumer group of a topic: which message goes to which consumer, and when. Pure: knows numbers, keys and sizes, not the
//! messages; time is handed in. Used by `topic`.
//!
//! The numbers below `cursor` that are not settled each have an entry. Of the entries of one ordering key only the first may be
//! ready, held or waiting for another try; the others stand behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use ledger::Moment;
use tokio::sync::mpsc;

use crate::message::milliseconds;
use crate::settled::Settled;
use crate::{GroupOptions, GroupStatus, Outgoing, Settlement, Window};

/// How many unsettled messages a group knows. What lies behind them is read when some are settled.
pub(crate) const MOST_KNOWN: usize = 65_536;

/// A consumer group.
pub(crate) struct Group {
    pub(crate) options: GroupOptions,
    pub(crate) settled: Settled,
    /// The next message to be looked at.
    pub(crate) cursor: u64,
    entries: HashMap<u64, Entry>,
    keys: HashMap<Arc<str>, BTreeSet<u64>>,
    ready: BTreeSet<u64>,
    later: BTreeSet<(Moment, u64)>,
    consumers: BTreeMap<u64, Consumer>,
    /// The consumer that was served last.
    last: u64,
}

struct Entry {
    key: Option<Arc<str>>,
    failures: u32,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Held(u64),
    Later(Moment),
    Behind,
}

struct Consumer {
    window: Window,
    is_paused: bool,
    sender: mpsc::Sender<Outgoing>,
    /// What it holds, with sizes.
    held: BTreeMap<u64, usize>,
    bytes: usize,
}

impl Consumer {
    fn has_room(&self) -> bool {
        !self.is_paused && self.held.len() < self.window.messages && self.bytes < self.window.bytes
    }
}

impl Group {
    pub(crate) fn new(options: GroupOptions, settled: Settled) -> Self {
        Self {
            options,
            cursor: settled.floor(),
            settled,
            entries: HashMap::new(),
            keys: HashMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            consumers: BTreeMap::new(),
            last: 0,
        }
    }

    pub(crate) fn attach(&mut self, consumer: u64, window: Window, sender: mpsc::Sender<Outgoing>) {
        let new = Consumer { window, is_paused: false, sender, held: BTreeMap::new(), bytes: 0 };
        self.consumers.insert(consumer, new);
    }

    pub(crate) fn pause(&mut self, consumer: u64) {
        if let Some(consumer) = self.consumers.get_mut(&consumer) {
            consumer.is_paused = true;
        }
    }

    /// Gives back what a consumer held.
    pub(crate) fn detach(&mut self, consumer: u64) {
        let Some(gone) = self.consumers.remove(&consumer) else { return };
        for number in gone.held.into_keys() {
            self.place(number, Place::Ready);
        }
    }

    /// The consumer that gets the next message: of those with room the one after the last that was served.
    pub(crate) fn next_consumer(&self) -> Option<u64> {
        let has_room = |(number, consumer): (&u64, &Consumer)| consumer.has_room().then_some(*number);
        let behind = self.consumers.range(self.last.saturating_add(1)..).find_map(has_room);
        behind.or_else(|| self.consumers.iter().find_map(has_room))
    }

    /// How many messages the consumers have room for.
    pub(crate) fn room(&self) -> usize {
        let room = |consumer: &Consumer| consumer.window.messages.saturating_sub(consumer.held.len());
        self.consumers.values().filter(|consumer| consumer.has_room()).map(room).sum()
    }

    /// Whether more messages may become known.
    pub(crate) fn may_look(&self) -> bool {
        self.entries.len() < MOST_KNOWN
    }

    /// A message that was found at the cursor.
    pub(crate) fn look_at(&mut self, number: u64, key: Option<&str>) {
        self.cursor = number + 1;
        if self.settled.contains(number) || self.entries.contains_key(&number) {
            return;
        }
        let key: Option<Arc<str>> = key.map(|key| self.key(key));
        self.entries.insert(number, Entry { key, failures: 0, place: Place::Behind });
        self.place(number, Place::Ready);
    }

    /// There is nothing in the log from the cursor up to a number.
    pub(crate) fn pass_over(&mut self, until: u64) {
        for number in self.cursor..until {
            self.settled.insert(number);
        }
        self.cursor = self.cursor.max(until);
    }

    /// The key as it is known already, so that it is in memory once.
    fn key(&mut self, key: &str) -> Arc<str> {
        match self.keys.get_key_value(key) {
            Some((known, _)) => Arc::clone(known),
            None => key.into(),
        }
    }

    /// The first message that may go out.
    pub(crate) fn first_ready(&self) -> Option<u64> {
        self.ready.first().copied()
    }

    /// Hands a message out; false when the consumer has gone.
    pub(crate) fn hand_out(&mut self, number: u64, consumer: u64, message: (crate::Message, usize)) -> bool {
        let failures = self.entries.get(&number).map_or(0, |entry| entry.failures);
        let Some(to) = self.consumers.get_mut(&consumer) else { return false };
        // The channel has room for all that a consumer may hold, and for what it is told of it.
        if to.sender.try_send(Outgoing::Message { tag: number, failures, message: message.0 }).is_err() {
            return false;
        }
        to.held.insert(number, message.1);
        to.bytes += message.1;
        self.last = consumer;
        self.place(number, Place::Held(consumer));
        true
    }

    /// Tells a consumer that a settlement was taken; false when it has gone.
    pub(crate) fn tell(&self, consumer: u64, tag: u64) -> bool {
        let to = self.consumers.get(&consumer);
        to.is_some_and(|consumer| consumer.sender.try_send(Outgoing::Settled(tag)).is_ok())
    }

    /// Whether a consumer holds a message.
    pub(crate) fn holds(&self, consumer: u64, number: u64) -> bool {
        self.entries.get(&number).is_some_and(|entry| entry.place == Place::Held(consumer))
    }

    /// What a message that a consumer holds takes.
    pub(crate) fn size_of(&self, consumer: u64, number: u64) -> usize {
        self.consumers.get(&consumer).and_then(|consumer| consumer.held.get(&number)).copied().unwrap_or_default()
    }

    /// A message that a consumer holds is settled.
    pub(crate) fn settle(&mut self, number: u64, settlement: Settlement, now: Moment) {
        match settlement {
            Settlement::Done => self.done(number),
            Settlement::Release => self.place(number, Place::Ready),
            Settlement::Retry => {
                let Some(entry) = self.entries.get_mut(&number) else { return };
                entry.failures = entry.failures.saturating_add(1);
                let wait = wait(&self.options, entry.failures, number);
                self.place(number, Place::Later(now.after(wait)));
            }
        }
    }

    /// A message is done with, whoever holds it: settled, ended, or dropped.
    pub(crate) fn done(&mut self, number: u64) {
        self.settled.insert(number);
        self.leave(number);
        let Some(entry) = self.entries.remove(&number) else { return };
        let Some(key) = entry.key else { return };
        let Some(line) = self.keys.get_mut(&key) else { return };
        line.remove(&number);
        let Some(next) = line.first().copied() else {
            self.keys.remove(&key);
            return;
        };
        if self.entries.get(&next).is_some_and(|entry| entry.place == Place::Behind) {
            self.place(next, Place::Ready);
        }
    }

    /// What waited for another try, and has waited long enough.
    pub(crate) fn wake(&mut self, now: Moment) {
        while let Some((due, number)) = self.later.first().copied().filter(|(due, _)| *due <= now) {
            self.later.remove(&(due, number));
            self.place(number, Place::Ready);
        }
    }

    /// When the next one has waited long enough; only if there is somebody to have it.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.next_consumer()?;
        self.later.first().map(|(due, _)| *due)
    }

    /// Takes a message from where it is.
    fn leave(&mut self, number: u64) {
        match self.entries.get(&number).map(|entry| entry.place) {
            Some(Place::Ready) => drop(self.ready.remove(&number)),
            Some(Place::Later(due)) => drop(self.later.remove(&(due, number))),
            Some(Place::Held(consumer)) => {
                if let Some(consumer) = self.consumers.get_mut(&consumer)
                    && let Some(size) = consumer.held.remove(&number)
                {
                    consumer.bytes = consumer.bytes.saturating_sub(size);
                }
            }
            Some(Place::Behind) | None => {}
        }
    }

    /// Puts a message where it belongs; one that is not the first of its key stands behind that.
    fn place(&mut self, number: u64, wanted: Place) {
        self.leave(number);
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let mut place = wanted;
        if let Some(key) = &entry.key {
            let line = self.keys.entry(Arc::clone(key)).or_default();
            line.insert(number);
            if line.first() != Some(&number) {
                place = Place::Behind;
            }
        }
        entry.place = place;
        match place {
            Place::Ready => drop(self.ready.insert(number)),
            Place::Later(due) => drop(self.later.insert((due, number))),
            Place::Held(_) | Place::Behind => {}
        }
    }

    pub(crate) fn status(&self, next: u64) -> GroupStatus {
        let held = self.consumers.values().map(|consumer| consumer.held.len() as u64).sum();
        GroupStatus { waiting: self.settled.missing(next), held, consumers: self.consumers.len() as u64 }
    }
}

/// The wait before another try: twice as long each time, up to the longest, and between half and the whole of that, so that what
/// failed together does not come back together.
fn wait(options: &GroupOptions, failures: u32, number: u64) -> Duration {
    let doublings = failures.saturating_sub(1);
    let grown = options.first_wait.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    let whole = milliseconds(grown.min(options.longest_wait));
    let mut hasher = DefaultHasher::new();
    (number, failures).hash(&mut hasher);
    let half = whole / 2;
    Duration::from_millis(whole - hasher.finish() % (half + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: GroupOptions = GroupOptions {
        retention: Duration::from_secs(60),
        bytes: 1000,
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_secs(5),
    };

    fn group() -> Group {
        Group::new(OPTIONS, Settled::below(0))
    }

    #[test]
    fn waits_grow_to_the_longest_and_stay_above_half_of_it() {
        for failures in 1..80 {
            let whole = OPTIONS.first_wait.saturating_mul(2_u32.saturating_pow(failures - 1)).min(OPTIONS.longest_wait);
            let wait = wait(&OPTIONS, failures, 7);
            assert!(wait >= whole / 2 && wait <= whole, "{failures}: {wait:?}");
        }
    }

    #[test]
    fn only_the_first_of_a_key_may_go_out() {
        let (sender, _receiver) = mpsc::channel(16);
        let mut group = group();
        group.attach(1, Window { messages: 8, bytes: 1000 }, sender);
        for (number, key) in [(0, Some("a")), (1, Some("a")), (2, None), (3, Some("b"))] {
            group.look_at(number, key);
        }
        let mut out = Vec::new();
        while let Some(number) = group.first_ready() {
            assert!(group.hand_out(number, 1, (crate::Message::default(), 1)));
            out.push(number);
        }
        assert_eq!(out, [0, 2, 3]);
        group.settle(0, Settlement::Retry, Moment(0));
        assert_eq!(group.first_ready(), None, "1 stands behind 0, which waits");
        group.wake(Moment(100));
        assert_eq!(group.first_ready(), Some(0));
        group.done(0);
        assert_eq!(group.first_ready(), Some(1));
    }

    #[test]
    fn consumers_take_turns_within_their_windows() {
        let (sender, mut receiver) = mpsc::channel(16);
        let mut group = group();
        group.attach(1, Window { messages: 1, bytes: 1000 }, sender.clone());
        group.attach(2, Window { messages: 9, bytes: 10 }, sender);
        assert_eq!(group.room(), 10);
        let mut served = Vec::new();
        for number in 0..9 {
            group.look_at(number, None);
            let Some(consumer) = group.next_consumer() else { break };
            assert!(group.hand_out(number, consumer, (crate::Message::default(), 6)));
            served.push(consumer);
        }
        assert_eq!(served, [1, 2, 2], "messages for the one, bytes for the other");
        group.detach(1);
        assert_eq!(group.first_ready(), Some(0));
        group.pause(2);
        group.settle(1, Settlement::Done, Moment(0));
        assert_eq!(group.next_consumer(), None);
        assert!(receiver.try_recv().is_ok());
    }
}
