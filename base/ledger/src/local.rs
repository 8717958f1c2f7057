//! The ledger in a folder of this machine. Made by the hub; everybody else sees the trait.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{oneshot, watch};

use crate::committer::{Committer, News, Reply, Retention, Write};
use crate::engine::Engine;
use crate::state::State;
use crate::watch::LocalWatch;
use crate::{
    Error, Keys, Lease, Ledger, Moment, RangeAnswer, RangeRequest, Status, Txn, TxnAnswer, Watch, expiry, folder, read,
};

/// How many writes may wait for the one that is under way.
const WAITING_WRITES: usize = 1024;

/// What a local ledger is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder.
    pub folder: PathBuf,
    /// Memory for what was read, in bytes.
    pub cache: u64,
    /// How many revisions are kept to be read or watched from.
    pub retained_revisions: u64,
    /// How many bytes of the past are kept.
    pub retained_bytes: u64,
}

impl Options {
    /// The usual ones for a folder.
    #[must_use]
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, cache: 8 << 20, retained_revisions: 10_000, retained_bytes: 64 << 20 }
    }
}

/// The ledger in a folder of this machine.
pub struct Local {
    writes: Sender<Write>,
    readers: Readers,
    next_end: watch::Receiver<Option<Moment>>,
}

/// What reading needs.
#[derive(Clone)]
pub(crate) struct Readers {
    engine: std::sync::Weak<Engine>,
    revision: watch::Receiver<u64>,
    failure: watch::Receiver<Option<Error>>,
}

impl Readers {
    /// The engine, unless it has failed or was closed.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>, Error> {
        match self.failure.borrow().clone() {
            Some(failure) => Err(failure),
            None => self.engine.upgrade().ok_or(Error::Closed),
        }
    }

    /// The last revision, and a way to wait for the next.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }
}

impl Local {
    /// Opens the ledger of a folder, and makes it if there is none. Reads the disk: not for a thread that must not wait.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::NewerFormat`], [`Error::Corrupt`], [`Error::Failed`].
    pub fn open(options: &Options) -> Result<Self, Error> {
        let engine = Arc::new(Engine::open(&folder::prepare(&options.folder)?, options.cache)?);
        let (state, next_end) = {
            let rows = engine.snapshot();
            (State::read(&rows)?, expiry::next_end(&rows, Moment(0))?)
        };
        let (revision_news, revision) = watch::channel(state.revision);
        let (end_news, next_end_news) = watch::channel(next_end);
        let (failure_news, failure) = watch::channel(None);
        let (writes, waiting) = channel(WAITING_WRITES);
        let readers = Readers { engine: Arc::downgrade(&engine), revision, failure };
        let committer = Committer {
            engine,
            state,
            next_end,
            retention: Retention { revisions: options.retained_revisions, bytes: options.retained_bytes },
            news: News { revision: revision_news, next_end: end_news, failure: failure_news },
        };
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        let started = thread.spawn(move || tracing::dispatcher::with_default(&dispatch, || committer.run(waiting)));
        started.map_err(|error| Error::Failed(format!("no thread for the ledger: {error}").into()))?;
        Ok(Self { writes, readers, next_end: next_end_news })
    }

    async fn write<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let gone = || self.readers.failure.borrow().clone().unwrap_or(Error::Closed);
        self.writes.send(write(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Ledger for Local {
    async fn range(&self, request: RangeRequest, now: Moment) -> Result<RangeAnswer, Error> {
        let engine = self.readers.engine()?;
        let is_short = matches!(request.keys, Keys::One(_));
        let read = move || {
            let rows = engine.snapshot();
            read::range(&rows, &State::read(&rows)?, &request, now)
        };
        if is_short { read() } else { blocking(read).await }
    }

    async fn txn(&self, txn: Txn, now: Moment) -> Result<TxnAnswer, Error> {
        self.write(|reply| Write::Txn(txn, now, reply)).await
    }

    async fn watch(&self, keys: Keys, from: Option<u64>) -> Result<Box<dyn Watch>, Error> {
        let engine = self.readers.engine()?;
        let state = State::read(&engine.snapshot())?;
        let from = from.unwrap_or(state.revision + 1);
        if from <= state.compacted {
            return Err(Error::Compacted(state.compacted));
        }
        Ok(Box::new(LocalWatch::new(self.readers.clone(), keys, from)))
    }

    async fn grant(&self, life: Duration, now: Moment) -> Result<Lease, Error> {
        self.write(|reply| Write::Grant(life, now, reply)).await
    }

    async fn keep_alive(&self, lease: u64, now: Moment) -> Result<Lease, Error> {
        self.write(|reply| Write::KeepAlive(lease, now, reply)).await
    }

    async fn revoke(&self, lease: u64, now: Moment) -> Result<(), Error> {
        self.write(|reply| Write::Revoke(lease, now, reply)).await
    }

    async fn expire(&self, now: Moment) -> Result<(), Error> {
        self.write(|reply| Write::Expire(now, reply)).await
    }

    fn next_end(&self) -> watch::Receiver<Option<Moment>> {
        self.next_end.clone()
    }

    async fn compact(&self, revision: u64) -> Result<(), Error> {
        self.write(|reply| Write::Compact(revision, reply)).await
    }

    async fn status(&self) -> Result<Status, Error> {
        let engine = self.readers.engine()?;
        let state = State::read(&engine.snapshot())?;
        let State { revision, compacted, keys, .. } = state;
        Ok(Status { revision, compacted, keys, bytes: engine.bytes()? })
    }

    async fn failed(&self) -> Error {
        let mut failure = self.readers.failure.clone();
        let found = failure.wait_for(Option::is_some).await.map(|found| found.clone());
        found.ok().flatten().unwrap_or(Error::Closed)
    }

    async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.writes.send(Write::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// Reads beside the threads that must not wait.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(read).await;
    done.unwrap_or_else(|error| Err(Error::Failed(format!("reading the ledger: {error}").into())))
}
