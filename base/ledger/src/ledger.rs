//! What every ledger can do, whatever keeps it. The hub and the control plane call it; `local` is the one implementation.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Error, Events, Keys, Lease, Moment, RangeAnswer, RangeRequest, Txn, TxnAnswer};

/// What is known of a ledger as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The last revision.
    pub revision: u64,
    /// The oldest revision that can still be read.
    pub compacted: u64,
    /// How many keys there are.
    pub keys: u64,
    /// How many bytes it takes on the disk.
    pub bytes: u64,
}

/// A durable store of keys. What is answered to a write is on the disk; what is read was.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reads keys in their order. A key whose lease has ended by `now` is not there.
    ///
    /// # Errors
    /// [`Error::Compacted`] and [`Error::FutureRevision`] for a revision out of bounds.
    async fn range(&self, request: RangeRequest, now: Moment) -> Result<RangeAnswer, Error>;

    /// Does all steps or none. A call that is dropped may have been done.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::LeaseNotFound`] if nothing was done; [`Error::Failed`] if nobody knows.
    async fn txn(&self, txn: Txn, now: Moment) -> Result<TxnAnswer, Error>;

    /// Follows the changes of keys, from a revision on or from now on.
    ///
    /// # Errors
    /// [`Error::Compacted`] if changes from there on are no longer known: read the keys, and watch from behind that.
    async fn watch(&self, keys: Keys, from: Option<u64>) -> Result<Box<dyn Watch>, Error>;

    /// Makes a lease.
    ///
    /// # Errors
    /// [`Error::Failed`].
    async fn grant(&self, life: Duration, now: Moment) -> Result<Lease, Error>;

    /// Renews a lease.
    ///
    /// # Errors
    /// [`Error::LeaseNotFound`] when it has ended.
    async fn keep_alive(&self, lease: u64, now: Moment) -> Result<Lease, Error>;

    /// Ends a lease, and its keys with it.
    ///
    /// # Errors
    /// [`Error::LeaseNotFound`].
    async fn revoke(&self, lease: u64, now: Moment) -> Result<(), Error>;

    /// Removes what has ended by `now`.
    ///
    /// # Errors
    /// [`Error::Failed`].
    async fn expire(&self, now: Moment) -> Result<(), Error>;

    /// When the next lease ends, and every change of that.
    fn next_end(&self) -> watch::Receiver<Option<Moment>>;

    /// Forgets what can only be read at revisions before this one.
    ///
    /// # Errors
    /// [`Error::FutureRevision`].
    async fn compact(&self, revision: u64) -> Result<(), Error>;

    /// What is known of it as a whole.
    ///
    /// # Errors
    /// [`Error::Failed`].
    async fn status(&self) -> Result<Status, Error>;

    /// Completes when the ledger has failed and will not acknowledge anything any more.
    async fn failed(&self) -> Error;

    /// Finishes what was begun and lets go of the disk.
    async fn close(&self);
}

/// The changes of keys as they come.
#[async_trait]
pub trait Watch: Send {
    /// Waits for the next changes. May be dropped and called again.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the reader was too slow; [`Error::Closed`] at the end of the ledger.
    async fn next(&mut self) -> Result<Events, Error>;
}
