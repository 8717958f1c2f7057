//! What a topic does not keep for ever: messages that are older than every group's retention, and the oldest ones of a topic that has
//! grown too large. Each loss is logged. A part of `topic`.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::Moment;

use crate::error::damaged;
use crate::message::Record;
use crate::names::Names;
use crate::topic::Topic;
use crate::{Change, Error};

/// What is kept of a topic that nobody has subscribed to yet: for the first who does.
const UNCLAIMED: (Duration, u64) = (Duration::from_secs(60 * 60), 64 << 20);
/// How many messages are looked at together, and no more once they have so many bytes.
const AT_ONCE: (usize, usize) = (256, 4 << 20);

/// How many messages each group has lost in one sweep.
#[derive(Default)]
struct Lost {
    by_group: BTreeMap<String, u64>,
    unclaimed: u64,
}

impl Topic {
    /// How long a message is kept at most.
    pub(crate) fn retention(&self) -> Duration {
        self.groups.values().map(|group| group.options.retention).max().unwrap_or(UNCLAIMED.0)
    }

    fn most_bytes(&self) -> u64 {
        self.groups.values().map(|group| group.options.bytes).max().unwrap_or(UNCLAIMED.1)
    }

    fn is_too_large(&self) -> bool {
        self.numbers.bytes.saturating_sub(self.numbers.delayed_bytes) > self.most_bytes()
    }

    /// Drops what is too old or too much, in one bounded step; what is left is dropped in the next turn.
    pub(crate) async fn sweep(&mut self, now: Moment) -> Result<(), Error> {
        let is_due = self.next_sweep.is_some_and(|due| due <= now);
        if !is_due && !self.is_too_large() {
            return Ok(());
        }
        let begin = self.groups.values().map(|group| group.settled.floor()).min().unwrap_or(self.numbers.first);
        // Only what the store has already: the rest is younger, and comes in the next turn.
        let stored = self.fresh.first_key_value().map_or(self.numbers.next, |(number, _)| *number);
        let keys = (self.names.message(begin), self.names.message(stored));
        let mut lost = Lost::default();
        self.next_sweep = None;
        let (mut last, retention) = (begin, self.retention());
        for (key, content) in self.store.read(keys, AT_ONCE).await? {
            let number = Names::number_of(&key).ok_or_else(|| damaged("a message"))?;
            let size = content.len();
            if self.groups.values().all(|group| group.settled.contains(number)) && !self.groups.is_empty() {
                // Its removal is under way.
                continue;
            }
            let too_old = Record::decode(content)?.published.after(retention);
            if too_old > now && !self.is_too_large() {
                self.next_sweep = Some(too_old);
                break;
            }
            self.drop_message(number, size, &mut lost);
            last = number + 1;
        }
        if self.groups.is_empty() {
            self.numbers.first = self.numbers.first.max(last);
        }
        if self.next_sweep.is_none() && self.numbers.messages > 0 {
            let is_moving = last > begin;
            self.next_sweep = Some(if is_moving { now } else { now.after(retention) });
        }
        self.tell(&lost);
        Ok(())
    }

    fn drop_message(&mut self, number: u64, size: usize, lost: &mut Lost) {
        for (name, group) in &mut self.groups {
            if !group.settled.contains(number) {
                *lost.by_group.entry(name.clone()).or_default() += 1;
                group.done(number);
            }
        }
        lost.unclaimed += u64::from(self.groups.is_empty());
        self.numbers.messages = self.numbers.messages.saturating_sub(1);
        self.numbers.bytes = self.numbers.bytes.saturating_sub(size as u64);
        self.changes.push(Change::Remove(self.names.message(number)));
    }

    fn tell(&self, lost: &Lost) {
        let (topic, retention, bytes) = (&self.name.topic, self.retention(), self.most_bytes());
        for (group, count) in &lost.by_group {
            tracing::warn!(target: "dapr.hub", "Topic {topic}: {count} messages that group {group} has not handled were dropped: they \
                are older than {retention:?}, or the topic is larger than {bytes} bytes");
        }
        if lost.unclaimed > 0 {
            let count = lost.unclaimed;
            tracing::warn!(target: "dapr.hub", "Topic {topic}: {count} messages were dropped: nobody has subscribed to it within \
                {retention:?}, or they take more than {bytes} bytes");
        }
    }
}
