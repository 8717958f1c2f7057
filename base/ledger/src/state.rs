//! What the ledger knows of itself as a whole: one row, written with every batch. Used by `apply`, `read`, `committer`.

use bytes::{Buf, BufMut, Bytes};

use crate::Error;
use crate::rows::{STATE, damaged};
use crate::table::{Rows, RowsMut};

/// The numbers of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The last revision.
    pub(crate) revision: u64,
    /// Changes up to this one are no longer known.
    pub(crate) compacted: u64,
    /// The last lease.
    pub(crate) lease: u64,
    /// How many keys there are.
    pub(crate) keys: u64,
    /// How many bytes the history takes.
    pub(crate) history: u64,
    /// The latest time that a write was done at: it does not go backwards.
    pub(crate) time: u64,
}

impl State {
    pub(crate) fn read(rows: &dyn Rows) -> Result<Self, Error> {
        rows.get(STATE)?.map_or_else(|| Ok(Self::default()), Self::decode)
    }

    pub(crate) fn write(&self, rows: &mut dyn RowsMut) {
        let mut content = Vec::with_capacity(48);
        for number in [self.revision, self.compacted, self.lease, self.keys, self.history, self.time] {
            content.put_u64(number);
        }
        rows.put(STATE.to_vec(), content);
    }

    fn decode(mut content: Bytes) -> Result<Self, Error> {
        if content.len() < 48 {
            return Err(damaged("the state"));
        }
        Ok(Self {
            revision: content.get_u64(),
            compacted: content.get_u64(),
            lease: content.get_u64(),
            keys: content.get_u64(),
            history: content.get_u64(),
            time: content.get_u64(),
        })
    }
}
