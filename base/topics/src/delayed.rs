//! Messages that are held back until their time: rows of their own in the order of their moments, put into the log when they are
//! due. A part of `topic`.

use ledger::Moment;

use crate::message::Record;
use crate::names::Names;
use crate::topic::{Topic, behind};
use crate::{Change, Error, Publication};

/// What the messages that a topic holds back may take.
const MOST_BYTES: u64 = 1 << 30;
/// How many are put into the log in one transaction, and how many bytes.
const AT_ONCE: (usize, usize) = (256, 8 << 20);

impl Topic {
    /// Refuses what a topic cannot hold back as well.
    pub(crate) fn check_room(&self, publications: &[Publication]) -> Result<(), Error> {
        let held_back = |publication: &&Publication| publication.when != crate::When::Now;
        let size = |publication: &Publication| publication.message.data.len() as u64;
        let added: u64 = publications.iter().filter(held_back).map(size).sum();
        if added > 0 && self.numbers.delayed_bytes.saturating_add(added) > MOST_BYTES {
            return Err(Error::Full(format!(
                "topic {} holds back {} messages of {} bytes already; at most {MOST_BYTES} bytes are held back",
                self.name.topic, self.numbers.delayed, self.numbers.delayed_bytes
            )));
        }
        Ok(())
    }

    /// Keeps a message until it is due.
    pub(crate) fn hold_back(&mut self, record: &Record) {
        let (due, content) = (record.published, record.encode());
        let size = content.len() as u64;
        self.changes.push(Change::Put(self.names.delayed(due, self.numbers.next_delayed), content));
        self.numbers.next_delayed += 1;
        self.numbers.delayed += 1;
        self.numbers.delayed_bytes += size;
        self.numbers.bytes += size;
        self.next_delayed = Some(self.next_delayed.map_or(due, |next| next.min(due)));
    }

    /// Puts what is due into the log, in the order of its moments. Everything that is held back must be in the store.
    pub(crate) async fn publish_due(&mut self, now: Moment) -> Result<(), Error> {
        if self.next_delayed.is_none_or(|due| due > now) {
            return Ok(());
        }
        let keys = (self.names.delayed(Moment(0), 0), self.names.delayed(Moment(now.0.saturating_add(1)), 0));
        let found = self.store.read(keys, AT_ONCE).await?;
        let last = found.last().map(|(key, _)| behind(key));
        for (key, content) in found {
            let size = content.len() as u64;
            self.numbers.delayed = self.numbers.delayed.saturating_sub(1);
            self.numbers.delayed_bytes = self.numbers.delayed_bytes.saturating_sub(size);
            self.numbers.bytes = self.numbers.bytes.saturating_sub(size);
            self.changes.push(Change::Remove(key));
            self.append(content, now);
        }
        let from = last.unwrap_or_else(|| self.names.delayed(Moment(0), 0));
        self.next_delayed = self.first_delayed(from).await?;
        Ok(())
    }

    /// Looks up what is due next in the store.
    pub(crate) async fn find_next_delayed(&mut self) -> Result<(), Error> {
        self.next_delayed = self.first_delayed(self.names.delayed(Moment(0), 0)).await?;
        Ok(())
    }

    async fn first_delayed(&self, from: bytes::Bytes) -> Result<Option<Moment>, Error> {
        let keys = (from, self.names.delayed(Moment(u64::MAX), u64::MAX));
        let found = self.store.read(keys, (1, 1)).await?;
        Ok(found.first().and_then(|(key, _)| Names::due_of(key)))
    }
}
