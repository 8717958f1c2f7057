//! Where the broker's rows lie: the ledger in production, a plain map in tests. Used by everything here that reads or writes rows.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ledger::{Keys, LeaseChoice, Ledger, Moment, Operation, RangeRequest, Txn};

use crate::Error;

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes it.
    Put(Bytes, Bytes),
    /// Removes it.
    Remove(Bytes),
}

/// Sorted rows that outlive the process.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The rows from the first key on and before the second, at most so many, and no more once they have so many bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn read(&self, keys: (Bytes, Bytes), most: (usize, usize)) -> Result<Vec<(Bytes, Bytes)>, Error>;

    /// One row.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn get(&self, key: Bytes) -> Result<Option<Bytes>, Error>;

    /// Makes all changes or none; an answer means that they are on the disk.
    ///
    /// # Errors
    /// When nobody knows whether they were made.
    async fn write(&self, changes: Vec<Change>) -> Result<(), Error>;
}

/// Rows in a ledger.
pub struct Kept(pub Arc<dyn Ledger>);

/// None of the broker's keys ends with a lease, so no clock is needed.
const ANY_TIME: Moment = Moment(0);

#[async_trait]
impl Store for Kept {
    async fn read(&self, keys: (Bytes, Bytes), most: (usize, usize)) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let (limit, bytes) = (Some(most.0), Some(most.1));
        let request = RangeRequest { limit, bytes, ..RangeRequest::of(Keys::Range(keys.0, keys.1)) };
        let answer = self.0.range(request, ANY_TIME).await?;
        Ok(answer.entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
    }

    async fn get(&self, key: Bytes) -> Result<Option<Bytes>, Error> {
        let answer = self.0.range(RangeRequest::of(Keys::One(key)), ANY_TIME).await?;
        Ok(answer.entries.into_iter().next().map(|entry| entry.value))
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        let operation = |change| match change {
            Change::Put(key, value) => Operation::Put { key, value, lease: LeaseChoice::None },
            Change::Remove(key) => Operation::Delete(Keys::One(key)),
        };
        let then = changes.into_iter().map(operation).collect();
        self.0.txn(Txn { then, ..Txn::default() }, ANY_TIME).await?;
        Ok(())
    }
}
