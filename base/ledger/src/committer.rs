//! The one thread that writes. It takes what waits, does it in one batch, syncs once, and only then answers: many writers share
//! one sync. After the first failure it answers nothing but that failure. Started by `local`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};

use crate::apply::{self, Step};
use crate::engine::{BatchRows, Engine};
use crate::rows::LeaseRow;
use crate::state::State;
use crate::{Error, Lease, Moment, Operation, Txn, TxnAnswer, expiry, read};

/// The most writes of one batch.
const BATCH_WRITES: usize = 512;
/// No more writes are taken into a batch that has so many bytes.
const BATCH_BYTES: usize = 8 << 20;
/// How many changes are forgotten in one batch.
const FORGET_AT_ONCE: usize = 2000;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked.
pub(crate) enum Write {
    Txn(Txn, Moment, Reply<TxnAnswer>),
    Grant(Duration, Moment, Reply<Lease>),
    KeepAlive(u64, Moment, Reply<Lease>),
    Revoke(u64, Moment, Reply<()>),
    Expire(Moment, Reply<()>),
    Compact(u64, Reply<()>),
    Close(oneshot::Sender<()>),
}

impl Write {
    fn bytes(&self) -> usize {
        let Self::Txn(txn, _, _) = self else { return 0 };
        let size = |operation: &Operation| match operation {
            Operation::Put { key, value, .. } => key.len() + value.len(),
            Operation::Delete(_) | Operation::Range(_) => 0,
        };
        txn.then.iter().chain(&txn.otherwise).map(size).sum()
    }
}

/// How much of the past is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) revisions: u64,
    pub(crate) bytes: u64,
}

/// What the others are told.
pub(crate) struct News {
    pub(crate) revision: watch::Sender<u64>,
    pub(crate) next_end: watch::Sender<Option<Moment>>,
    pub(crate) failure: watch::Sender<Option<Error>>,
}

/// The thread.
pub(crate) struct Committer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) state: State,
    pub(crate) next_end: Option<Moment>,
    pub(crate) retention: Retention,
    pub(crate) news: News,
}

/// An answer that waits for the sync.
type Answer = Box<dyn FnOnce(Result<(), &Error>) + Send>;

fn answer<T: Send + 'static>(reply: Reply<T>, result: Result<T, Error>) -> Answer {
    Box::new(move |synced| {
        // Whoever asked may have gone.
        let _ = reply.send(synced.map_err(Clone::clone).and(result));
    })
}

impl Committer {
    /// Writes until nobody is left who could ask, or until told to close.
    pub(crate) fn run(mut self, mut writes: Receiver<Write>) {
        while let Some(first) = writes.blocking_recv() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let mut next = Some(first);
            let mut closing = None;
            while let Some(write) = next {
                if let Write::Close(done) = write {
                    closing = Some(done);
                    break;
                }
                bytes += write.bytes();
                batch.push(write);
                let has_room = batch.len() < BATCH_WRITES && bytes < BATCH_BYTES;
                next = if has_room { writes.try_recv().ok() } else { None };
            }
            self.write(batch);
            if let Some(done) = closing {
                drop(self);
                let _ = done.send(());
                return;
            }
        }
    }

    fn write(&mut self, writes: Vec<Write>) {
        let failed = self.news.failure.borrow().clone();
        let mut answers = Vec::with_capacity(writes.len());
        let written = match failed {
            Some(error) => Err(error),
            None => self.commit(writes, &mut answers),
        };
        match &written {
            Ok(()) => {
                self.news.revision.send_if_modified(|known| replace(known, self.state.revision));
                self.news.next_end.send_if_modified(|known| replace(known, self.next_end));
            }
            Err(error) => self.fail(error),
        }
        for answer in answers {
            answer(written.as_ref().copied());
        }
    }

    /// From here on nothing is acknowledged. Writes that are dropped unanswered are refused by whoever waits for them.
    fn fail(&self, error: &Error) {
        self.news.failure.send_if_modified(|known| {
            let is_first = known.is_none();
            if is_first {
                tracing::error!(target: "dapr.ledger", "{error}");
                *known = Some(error.clone());
            }
            is_first
        });
    }

    fn commit(&mut self, writes: Vec<Write>, answers: &mut Vec<Answer>) -> Result<(), Error> {
        let engine = Arc::clone(&self.engine);
        let mut rows = engine.batch();
        let mut state = self.state;
        for write in writes {
            self.carry_out(write, &mut rows, &mut state, answers)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.forget(&mut rows, &mut state)?;
        let next_end = self.find_next_end(&rows)?;
        state.write(&mut rows);
        rows.commit()?;
        (self.state, self.next_end) = (state, next_end);
        Ok(())
    }

    fn carry_out(
        &self,
        write: Write,
        rows: &mut BatchRows<'_>,
        state: &mut State,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Error> {
        answers.push(match write {
            Write::Txn(txn, now, reply) => {
                self.end_due(rows, state, now)?;
                answer(reply, refused(apply::txn(rows, state, &txn, now))?)
            }
            Write::Grant(life, now, reply) => {
                state.time = state.time.max(now.0);
                state.lease += 1;
                let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
                let row = LeaseRow { life, ends: Moment(state.time.saturating_add(life)), own: false };
                answer(reply, Ok(expiry::write(rows, state.lease, row)))
            }
            Write::KeepAlive(lease, now, reply) => {
                state.time = state.time.max(now.0);
                let renewed = expiry::renew(rows, lease, Moment(state.time))?;
                answer(reply, renewed.ok_or(Error::LeaseNotFound(lease)))
            }
            Write::Revoke(lease, now, reply) => {
                let mut step = Step::begin(rows, state, now);
                let found = expiry::find(step.rows, lease, step.now)?.is_some();
                expiry::end(&mut step, lease)?;
                step.finish()?;
                answer(reply, if found { Ok(()) } else { Err(Error::LeaseNotFound(lease)) })
            }
            Write::Expire(now, reply) => {
                self.end_due(rows, state, now)?;
                answer(reply, Ok(()))
            }
            Write::Compact(revision, reply) if revision > state.revision => {
                answer(reply, Err(Error::FutureRevision(state.revision)))
            }
            Write::Compact(revision, reply) => {
                while read::compact(rows, state, revision, FORGET_AT_ONCE)? {}
                state.write(rows);
                answer(reply, Ok(()))
            }
            // `run` takes this one out.
            Write::Close(_) => return Ok(()),
        });
        Ok(())
    }

    fn end_due(&self, rows: &mut BatchRows<'_>, state: &mut State, now: Moment) -> Result<(), Error> {
        let Some(from) = self.next_end.into_iter().chain(rows.earliest_end).min() else { return Ok(()) };
        let mut step = Step::begin(rows, state, now);
        if from <= step.now {
            expiry::end_due(&mut step, from)?;
            step.finish()?;
        }
        Ok(())
    }

    fn find_next_end(&self, rows: &BatchRows<'_>) -> Result<Option<Moment>, Error> {
        if !rows.ends_changed {
            return Ok(self.next_end);
        }
        match self.next_end.into_iter().chain(rows.earliest_end).min() {
            Some(from) => expiry::next_end(rows, from),
            None => Ok(None),
        }
    }

    /// Forgets the oldest changes when more are kept than should be.
    fn forget(&self, rows: &mut BatchRows<'_>, state: &mut State) -> Result<(), Error> {
        let Retention { revisions, bytes } = self.retention;
        let oldest = state.revision.saturating_sub(revisions);
        if oldest > state.compacted.saturating_add(revisions / 10) {
            read::compact(rows, state, oldest, FORGET_AT_ONCE)?;
        }
        if state.history > bytes {
            read::compact(rows, state, self.state.revision, FORGET_AT_ONCE)?;
        }
        Ok(())
    }
}

/// An error that the asker gets, and that leaves the batch as it was, apart from one that ends everything.
fn refused<T>(result: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match result {
        Err(error @ (Error::Invalid(_) | Error::LeaseNotFound(_))) => Ok(Err(error)),
        other => other.map(Ok),
    }
}

fn replace<T: PartialEq>(known: &mut T, new: T) -> bool {
    let is_new = *known != new;
    *known = new;
    is_new
}
