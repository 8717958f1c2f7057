//! How rows are named and written: the whole layout of the ledger on the disk, format 1. Used by everything that reads or writes rows.
//!
//! | Name | Content |
//! |---|---|
//! | `k` key | the key as it is: create, mod, version, lease, value |
//! | `h` length of key, key, mod revision | the key as it was until it was written again or removed |
//! | `l` revision, number | a change: kind, mod revision and size of what was before, key |
//! | `e` lease | life, end, whether it goes with its key |
//! | `d` end, lease | nothing: leases in the order in which they end |
//! | `a` lease, key | nothing: the keys of a lease |
//! | `m` | the state of the ledger as a whole |
//!
//! Numbers are big-endian, eight bytes each (the length of a key and the number of a change four). Checksums are the engine's: one
//! for each block of a table and one for each batch of the journal, held against what is read.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use crate::{Error, KeyValue, Lease, Moment};

/// The name of the state.
pub(crate) const STATE: &[u8] = b"m";

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) create_revision: u64,
    pub(crate) mod_revision: u64,
    pub(crate) version: u64,
    pub(crate) lease: u64,
    pub(crate) value: Bytes,
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(32 + self.value.len());
        for number in [self.create_revision, self.mod_revision, self.version, self.lease] {
            content.put_u64(number);
        }
        content.extend_from_slice(&self.value);
        content
    }

    pub(crate) fn decode(mut content: Bytes) -> Result<Self, Error> {
        if content.len() < 32 {
            return Err(damaged("a key"));
        }
        Ok(Self {
            create_revision: content.get_u64(),
            mod_revision: content.get_u64(),
            version: content.get_u64(),
            lease: content.get_u64(),
            value: content,
        })
    }

    pub(crate) fn into_key_value(self, key: Bytes, ends: Option<Moment>) -> KeyValue {
        KeyValue {
            key,
            value: self.value,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            lease: self.lease,
            ends,
        }
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) is_removal: bool,
    /// The mod revision of what was before; 0 for nothing.
    pub(crate) before: u64,
    /// How many bytes of history what was before takes.
    pub(crate) before_bytes: u64,
    pub(crate) key: Bytes,
}

impl Change {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(17 + self.key.len());
        content.put_u8(u8::from(self.is_removal));
        content.put_u64(self.before);
        content.put_u64(self.before_bytes);
        content.extend_from_slice(&self.key);
        content
    }

    pub(crate) fn decode(mut content: Bytes) -> Result<Self, Error> {
        if content.len() < 17 {
            return Err(damaged("a change"));
        }
        Ok(Self {
            is_removal: content.get_u8() != 0,
            before: content.get_u64(),
            before_bytes: content.get_u64(),
            key: content,
        })
    }
}

/// A lease as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRow {
    pub(crate) life: u64,
    pub(crate) ends: Moment,
    /// Made for one key, and gone with it.
    pub(crate) own: bool,
}

impl LeaseRow {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut content = Vec::with_capacity(17);
        content.put_u64(self.life);
        content.put_u64(self.ends.0);
        content.put_u8(u8::from(self.own));
        content
    }

    pub(crate) fn decode(mut content: Bytes) -> Result<Self, Error> {
        if content.len() < 17 {
            return Err(damaged("a lease"));
        }
        Ok(Self { life: content.get_u64(), ends: Moment(content.get_u64()), own: content.get_u8() != 0 })
    }

    pub(crate) fn lease(self, id: u64) -> Lease {
        Lease { id, life: Duration::from_millis(self.life), ends: self.ends }
    }
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::Corrupt(format!("the row of {what} is too short").into())
}

fn named(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    row.push(table);
    for part in parts {
        row.extend_from_slice(part);
    }
    row
}

pub(crate) fn key_row(key: &[u8]) -> Vec<u8> {
    named(b'k', &[key])
}

/// The key in the name of its row.
pub(crate) fn key_of(row: &[u8]) -> Bytes {
    Bytes::copy_from_slice(row.get(1..).unwrap_or_default())
}

pub(crate) fn history_row(key: &[u8], mod_revision: u64) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    named(b'h', &[&length.to_be_bytes(), key, &mod_revision.to_be_bytes()])
}

pub(crate) fn change_row(revision: u64, number: u32) -> Vec<u8> {
    named(b'l', &[&revision.to_be_bytes(), &number.to_be_bytes()])
}

/// Revision and number in the name of a change.
pub(crate) fn place_of_change(row: &[u8]) -> Result<(u64, u32), Error> {
    let mut name = row.get(1..13).ok_or_else(|| damaged("a change"))?;
    Ok((name.get_u64(), name.get_u32()))
}

pub(crate) fn lease_row(lease: u64) -> Vec<u8> {
    named(b'e', &[&lease.to_be_bytes()])
}

pub(crate) fn end_row(ends: Moment, lease: u64) -> Vec<u8> {
    named(b'd', &[&ends.0.to_be_bytes(), &lease.to_be_bytes()])
}

/// End and lease in the name of a row of ends.
pub(crate) fn end_and_lease_of(row: &[u8]) -> Result<(Moment, u64), Error> {
    let mut name = row.get(1..17).ok_or_else(|| damaged("an end"))?;
    Ok((Moment(name.get_u64()), name.get_u64()))
}

pub(crate) fn leased_row(lease: u64, key: &[u8]) -> Vec<u8> {
    named(b'a', &[&lease.to_be_bytes(), key])
}

/// The key in the name of a row of leased keys.
pub(crate) fn leased_key_of(row: &[u8]) -> Bytes {
    Bytes::copy_from_slice(row.get(9..).unwrap_or_default())
}

/// The rows that begin so: the first name, and the one behind the last.
pub(crate) fn below(prefix: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.clone();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    (prefix, end)
}
