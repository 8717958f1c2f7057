//! Reading: keys as they are and as they were, changes since a revision, and what compaction forgets. Pure over rows. Called by
//! `local` on a snapshot, by `apply` inside a transaction, and by `committer`.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::expiry;
use crate::rows::{Change, Record, below, change_row, history_row, key_of, key_row, place_of_change};
use crate::state::State;
use crate::table::{Rows, RowsMut};
use crate::{Error, Event, KeyValue, Keys, Moment, RangeAnswer, RangeRequest};

impl Keys {
    /// Whether a key is one of them.
    #[must_use]
    pub fn contain(&self, key: &[u8]) -> bool {
        match self {
            Self::One(one) => one == key,
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Range(from, until) => from.as_ref() <= key && key < until.as_ref(),
        }
    }

    fn rows(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::One(key) => {
                let mut behind = key_row(key);
                behind.push(0);
                (key_row(key), behind)
            }
            Self::Prefix(prefix) => below(key_row(prefix)),
            Self::Range(from, until) => (key_row(from), key_row(until)),
        }
    }
}

/// The names of keys, ended ones too.
pub(crate) fn names(rows: &dyn Rows, keys: &Keys) -> Result<Vec<Bytes>, Error> {
    let (from, until) = keys.rows();
    let mut found = Vec::new();
    rows.scan(&from, &until, &mut |row, _| {
        found.push(key_of(row));
        Ok(true)
    })?;
    Ok(found)
}

/// Answers a request for keys.
pub(crate) fn range(rows: &dyn Rows, state: &State, request: &RangeRequest, now: Moment) -> Result<RangeAnswer, Error> {
    let now = Moment(now.0.max(state.time));
    let mut page = Page { rows, request, now: Some(now), entries: Vec::new(), bytes: 0, more: false };
    match request.revision {
        Some(wanted) if wanted > state.revision => return Err(Error::FutureRevision(state.revision)),
        Some(wanted) if wanted < state.compacted => return Err(Error::Compacted(state.compacted)),
        Some(wanted) if wanted < state.revision => {
            page.now = None;
            let then = as_they_were(rows, &request.keys, wanted)?;
            page.fill(&then)?;
        }
        _ => page.fill(&BTreeMap::new())?,
    }
    Ok(RangeAnswer { revision: state.revision, entries: page.entries, more: page.more })
}

/// The keys that have changed since a revision, as they were then.
fn as_they_were(rows: &dyn Rows, keys: &Keys, revision: u64) -> Result<BTreeMap<Bytes, Option<Record>>, Error> {
    let mut then = BTreeMap::new();
    let (_, until) = below(vec![b'l']);
    rows.scan(&change_row(revision + 1, 0), &until, &mut |_, content| {
        let change = Change::decode(content)?;
        if keys.contain(&change.key) && !then.contains_key(&change.key) {
            let record = match change.before {
                0 => None,
                before => Some(history(rows, &change.key, before)?.ok_or(Error::Compacted(revision + 1))?),
            };
            then.insert(change.key, record);
        }
        Ok(true)
    })?;
    Ok(then)
}

fn history(rows: &dyn Rows, key: &[u8], mod_revision: u64) -> Result<Option<Record>, Error> {
    rows.get(&history_row(key, mod_revision))?.map(Record::decode).transpose()
}

/// An answer in the making.
struct Page<'a> {
    rows: &'a dyn Rows,
    request: &'a RangeRequest,
    /// Leases are held against this; `None` for the past, where a key is what it was.
    now: Option<Moment>,
    entries: Vec<KeyValue>,
    bytes: usize,
    more: bool,
}

impl Page<'_> {
    /// Merges the keys as they are with those that were different.
    fn fill(&mut self, then: &BTreeMap<Bytes, Option<Record>>) -> Result<(), Error> {
        if let (Keys::One(key), None, true) = (&self.request.keys, &self.request.behind, then.is_empty()) {
            // Looking one up costs less than going through a range of one.
            if let Some(content) = self.rows.get(&key_row(key))? {
                self.take(key.clone(), Record::decode(content)?)?;
            }
            return Ok(());
        }
        let (mut from, until) = self.request.keys.rows();
        let behind = self.request.behind.clone();
        if let Some(behind) = &behind {
            let mut next = key_row(behind);
            next.push(0);
            from = from.max(next);
        }
        let start = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let mut past = then.range::<Bytes, _>((start, Bound::Unbounded)).peekable();
        let rows = self.rows;
        let mut go_on = true;
        rows.scan(&from, &until, &mut |row, content| {
            let key = key_of(row);
            while let Some((old, record)) = past.next_if(|(old, _)| **old < key) {
                go_on = self.take_past(old, record.as_ref());
                if !go_on {
                    return Ok(false);
                }
            }
            if let Some((old, record)) = past.next_if(|(old, _)| **old == key) {
                go_on = self.take_past(old, record.as_ref());
            } else {
                go_on = self.take(key, Record::decode(content)?)?;
            }
            Ok(go_on)
        })?;
        if go_on {
            for (old, record) in past {
                if !self.take_past(old, record.as_ref()) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn take_past(&mut self, key: &Bytes, record: Option<&Record>) -> bool {
        let Some(record) = record else { return true };
        self.push(record.clone().into_key_value(key.clone(), None))
    }

    fn take(&mut self, key: Bytes, record: Record) -> Result<bool, Error> {
        let Some(now) = self.now.filter(|_| record.lease != 0) else {
            return Ok(self.push(record.into_key_value(key, None)));
        };
        match expiry::find(self.rows, record.lease, now)? {
            Some(lease) => Ok(self.push(record.into_key_value(key, Some(lease.ends)))),
            None => Ok(true),
        }
    }

    /// Whether there is room for more.
    fn push(&mut self, mut entry: KeyValue) -> bool {
        let is_full = self.request.limit.is_some_and(|limit| self.entries.len() >= limit)
            || self.request.bytes.is_some_and(|bytes| self.bytes >= bytes);
        if is_full {
            self.more = true;
            return false;
        }
        if self.request.keys_only {
            entry.value = Bytes::new();
        }
        self.bytes += entry.key.len() + entry.value.len();
        self.entries.push(entry);
        true
    }
}

/// Where a reader of changes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) revision: u64,
    pub(crate) number: u32,
}

/// The next changes of some keys from a place on, and where to go on. Looks at a bounded number of changes.
pub(crate) fn changes(
    rows: &dyn Rows,
    keys: &Keys,
    mut place: Place,
    limits: (usize, usize),
) -> Result<(Vec<Event>, Place, bool), Error> {
    let state = State::read(rows)?;
    if place.revision <= state.compacted {
        return Err(Error::Compacted(state.compacted));
    }
    let (mut looked, mut bytes, mut events, mut full) = (0, 0, Vec::new(), false);
    let (_, until) = below(vec![b'l']);
    rows.scan(&change_row(place.revision, place.number), &until, &mut |row, content| {
        if looked >= limits.0 || bytes >= limits.1 {
            full = true;
            return Ok(false);
        }
        looked += 1;
        let (revision, number) = place_of_change(row)?;
        let change = Change::decode(content)?;
        place = Place { revision, number: number.saturating_add(1) };
        if !keys.contain(&change.key) {
            return Ok(true);
        }
        let event = event(rows, change, revision)?.ok_or(Error::Compacted(state.compacted))?;
        if let Event::Put(entry) = &event {
            bytes += entry.value.len();
        }
        events.push(event);
        Ok(true)
    })?;
    if !full {
        place = Place { revision: state.revision + 1, number: 0 };
    }
    Ok((events, place, full))
}

fn event(rows: &dyn Rows, change: Change, revision: u64) -> Result<Option<Event>, Error> {
    if change.is_removal {
        return Ok(Some(Event::Delete { key: change.key, revision }));
    }
    let current = rows.get(&key_row(&change.key))?.map(Record::decode).transpose()?;
    let record = match current.filter(|record| record.mod_revision == revision) {
        Some(record) => Some(record),
        None => history(rows, &change.key, revision)?,
    };
    Ok(record.map(|record| Event::Put(record.into_key_value(change.key, None))))
}

/// Forgets changes up to a revision, at most so many; says whether more are left.
pub(crate) fn compact(rows: &mut dyn RowsMut, state: &mut State, revision: u64, most: usize) -> Result<bool, Error> {
    let from = change_row(state.compacted.saturating_add(1), 0);
    let until = change_row(revision.saturating_add(1), 0);
    let (mut found, mut more) = (Vec::new(), false);
    rows.scan(&from, &until, &mut |row, content| {
        let place = place_of_change(row)?;
        // A revision is forgotten as a whole.
        if found.len() >= most && place.1 == 0 {
            more = true;
            return Ok(false);
        }
        found.push((place, Change::decode(content)?));
        Ok(true)
    })?;
    for ((revision, number), change) in found {
        rows.remove(change_row(revision, number));
        if change.before != 0 {
            rows.remove(history_row(&change.key, change.before));
            state.history = state.history.saturating_sub(change.before_bytes);
        }
        state.compacted = state.compacted.max(revision);
    }
    if !more {
        state.compacted = state.compacted.max(revision.min(state.revision));
    }
    Ok(more)
}
