//! The rows of the in-memory store and the order in which they end. Pure: time is handed in; `memory_state` holds the
//! lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use component::Error;
use component::state::{Concurrency, Options, SetRequest, Stored};
use tokio::time::Instant;

use super::answer_metadata;

/// When a value ends.
#[derive(Clone, Copy)]
pub(super) struct Expiry {
    /// By the monotonic clock, which decides.
    pub(super) at: Instant,
    /// By the time of day, in Unix seconds, which callers are told.
    pub(super) wall_seconds: i64,
}

/// A write that only waits for the lock.
pub(super) struct Write<'a> {
    pub(super) request: &'a SetRequest,
    pub(super) etag: Arc<str>,
    pub(super) expiry: Option<Expiry>,
}

struct Row {
    data: Bytes,
    etag: Arc<str>,
    expiry: Option<Expiry>,
    /// Rises with every write: the order in which keys are listed.
    index: u64,
}

impl Row {
    fn lives(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| now < expiry.at)
    }
}

/// All rows. A row past its end counts as not there, whether or not it was swept.
#[derive(Default)]
pub(super) struct Table {
    rows: HashMap<Arc<str>, Row>,
    next_index: u64,
    /// Rows that end, soonest first. The index makes the key unique.
    ends: BTreeMap<(Instant, u64), Arc<str>>,
    /// A new soonest end that the sweeper does not know of.
    news: Option<Instant>,
}

impl Table {
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Stored> {
        self.live(key, now).map(|row| Stored {
            data: row.data.clone(),
            etag: Some(Arc::clone(&row.etag)),
            metadata: answer_metadata(row.expiry.as_ref()),
        })
    }

    fn live(&self, key: &str, now: Instant) -> Option<&Row> {
        self.rows.get(key).filter(|row| row.lives(now))
    }

    /// Whether a change of `key` is allowed. An empty ETag is none; without one, first-write allows new keys only.
    pub(super) fn check_etag(
        &self,
        key: &str,
        etag: Option<&str>,
        options: Options,
        now: Instant,
    ) -> Result<(), Error> {
        let stored = self.live(key, now);
        match (etag.filter(|etag| !etag.is_empty()), stored) {
            (Some(wanted), Some(row)) if *row.etag == *wanted => Ok(()),
            (Some(wanted), Some(row)) => Err(Error::etag_mismatch(format_args!(
                "state etag not match for key={key}: current={}, expect={wanted}",
                row.etag
            ))),
            (Some(_), None) => Err(Error::etag_mismatch(format_args!("state not exist or expired for key={key}"))),
            (None, Some(_)) if options.concurrency == Concurrency::FirstWrite => {
                Err(Error::etag_mismatch("item already exists and no etag was passed"))
            }
            (None, _) => Ok(()),
        }
    }

    pub(super) fn put(&mut self, write: Write<'_>) {
        let index = self.next_index;
        self.next_index += 1;
        let key = match self.rows.remove_entry(write.request.key.as_str()) {
            Some((key, old)) => {
                self.forget_end(&old);
                key
            }
            None => Arc::from(write.request.key.as_str()),
        };
        if let Some(expiry) = write.expiry {
            if self.ends.first_key_value().is_none_or(|((soonest, _), _)| expiry.at < *soonest) {
                self.news = Some(expiry.at);
            }
            self.ends.insert((expiry.at, index), Arc::clone(&key));
        }
        let row = Row { data: write.request.value.clone(), etag: write.etag, expiry: write.expiry, index };
        self.rows.insert(key, row);
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(row) = self.rows.remove(key) {
            self.forget_end(&row);
        }
    }

    /// Removes all rows whose key is wanted; says how many of them were not past their end.
    pub(super) fn remove_where(&mut self, wanted: impl Fn(&str) -> bool, now: Instant) -> u64 {
        let keys: Vec<Arc<str>> = self.rows.keys().filter(|key| wanted(key)).cloned().collect();
        let mut living = 0;
        for key in keys {
            living += u64::from(self.live(&key, now).is_some());
            self.remove(&key);
        }
        living
    }

    /// Index and key of all rows whose key is wanted, from an index on, in the order of their last write.
    pub(super) fn keys_where(&self, wanted: impl Fn(&str) -> bool, from: u64, now: Instant) -> Vec<(u64, Arc<str>)> {
        let living = self.rows.iter().filter(|(key, row)| row.index >= from && row.lives(now) && wanted(key));
        let mut found: Vec<_> = living.map(|(key, row)| (row.index, Arc::clone(key))).collect();
        found.sort_unstable_by_key(|(index, _)| *index);
        found
    }

    /// Removes every row past its end and says when the next one ends.
    pub(super) fn sweep(&mut self, now: Instant) -> Option<Instant> {
        while let Some(entry) = self.ends.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.rows.remove(&key);
        }
        if self.rows.capacity() > 1024 && self.rows.capacity() / 4 > self.rows.len() {
            self.rows.shrink_to(self.rows.len() * 2);
        }
        self.news = None;
        self.ends.first_key_value().map(|((soonest, _), _)| *soonest)
    }

    /// The soonest end, if the sweeper does not know of it yet.
    pub(super) fn take_news(&mut self) -> Option<Instant> {
        self.news.take()
    }

    fn forget_end(&mut self, row: &Row) {
        if let Some(expiry) = row.expiry {
            self.ends.remove(&(expiry.at, row.index));
        }
    }
}
