//! The one thread that writes. Requests queue up while a commit waits for the disk; the next commit takes all of them
//! in one transaction, and nobody hears of success before that commit has returned. A file that another process writes
//! to is waited for, so that "database is locked" reaches nobody. Fed by the store; it must not run on a thread of the
//! async runtime.

use std::time::{Duration, Instant};

use component::{Error, ErrorKind, Retry};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::cleanup::Cleanup;
use super::failure::{self, failed};
use super::settings::Plan;
use super::step::Step;
use super::table::{Done, Table};
use crate::connection::is_busy;

/// The most requests in one commit.
const MAX_REQUESTS: usize = 512;
/// Requests of more bytes than this do not take others along.
const MAX_WEIGHT: usize = 4 << 20;
/// How often a lock is tried before the thread looks who still waits for an answer.
const LOCK_TRIES: i32 = 200;
/// The pause between two tries. SQLite's own grow to a tenth of a second, and between two commits of a process that writes
/// all the time the lock is free for much less.
const LOCK_PAUSE: Duration = Duration::from_micros(300);
/// The pause before a lock that SQLite did not wait for is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// A log of so many times the pages of a checkpoint is too long.
const LONG_LOG: usize = 16;
/// What a page of the file holds, roughly.
const PAGE_BYTES: usize = 4096;

/// What each step of a request came to, or why nothing is known of them.
pub(super) type Answer = Result<Vec<Result<(), Error>>, Error>;

/// A read that runs on the writer's connection.
pub(super) type OwnRead = Box<dyn FnOnce(&Connection) + Send>;

/// What the thread is asked to do.
pub(super) enum Order {
    /// Change something.
    Write(Request),
    /// Read, where no other connection sees the data.
    Read(OwnRead),
    /// Delete a portion of the values whose time is over.
    CleanUp,
    /// Say when everything before is done, and end.
    Close(oneshot::Sender<()>),
}

/// Steps that were asked for together.
pub(super) struct Request {
    pub(super) steps: Vec<Step>,
    /// Whether one failed step undoes all of them.
    pub(super) all_or_nothing: bool,
    /// Not begun after this.
    pub(super) give_up: Instant,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// The state of the thread.
pub(super) struct Writer {
    connection: Connection,
    table: Table,
    cleanup: Cleanup,
    log_name: String,
    /// After how many pages the write-ahead log is brought into the file; zero is never.
    checkpoint_pages: usize,
    pages: usize,
    /// Whether readers kept the log from being begun anew for so long that the next checkpoint waits for them.
    log_is_long: bool,
    /// Why nothing is written any more.
    broken: Option<String>,
}

impl Writer {
    /// Takes the thread's connection.
    pub(super) fn new(connection: Connection, plan: &Plan, log_name: String) -> rusqlite::Result<Self> {
        connection.busy_handler(Some(|tries| {
            std::thread::sleep(LOCK_PAUSE);
            tries < LOCK_TRIES
        }))?;
        let mut checkpoint_pages = 0;
        if plan.location.journal_ahead {
            // SQLite keeps quiet about a checkpoint of its own that fails, so they are made here.
            let pages: u32 = connection.query_row("PRAGMA wal_autocheckpoint", [], |row| row.get(0))?;
            checkpoint_pages = usize::try_from(pages).unwrap_or(usize::MAX);
            connection.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
        }
        let table = Table::new(plan);
        let cleanup = Cleanup::new(plan, log_name.clone());
        Ok(Self { connection, table, cleanup, log_name, checkpoint_pages, pages: 0, log_is_long: false, broken: None })
    }

    /// Works until it is told to close or nobody can ask any more.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(first) = orders.blocking_recv() {
            let mut requests = Vec::new();
            let mut next = Some(first);
            let mut weight = 0;
            let mut closing = None;
            while let Some(order) = next.take() {
                match order {
                    Order::Write(request) => {
                        weight += request.steps.iter().map(Step::weight).sum::<usize>();
                        requests.push(request);
                    }
                    Order::Read(read) => read(&self.connection),
                    Order::CleanUp => self.cleanup.start(),
                    Order::Close(closed) => closing = Some(closed),
                }
                if closing.is_none() && requests.len() < MAX_REQUESTS && weight < MAX_WEIGHT {
                    next = orders.try_recv().ok();
                }
            }
            self.write(requests);
            self.checkpoint();
            if closing.is_none() {
                self.clean_up(&orders);
            }
            if let Some(closed) = closing {
                drop(self);
                // Who asked may have given up waiting.
                let _ = closed.send(());
                return;
            }
        }
    }

    /// Does a portion of a clean-up that is under way, and more while nobody wants anything.
    fn clean_up(&mut self, orders: &mpsc::Receiver<Order>) {
        while self.broken.is_none() {
            match self.cleanup.go_on(&self.connection, &self.table) {
                Ok(true) if orders.is_empty() && !orders.is_closed() => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(target: "dapr.contrib", component = self.log_name,
                        "Error removing expired data: {error}");
                    self.note_failure(&error);
                    return;
                }
            }
        }
    }

    /// Writes all requests in one commit. Where SQLite gives the whole up because of one of them, each is tried alone.
    fn write(&mut self, requests: Vec<Request>) {
        let Some(requests) = self.begin(requests) else { return };
        let mut answers = Vec::with_capacity(requests.len());
        for request in &requests {
            match self.apply(request) {
                Ok(answer) => answers.push(answer),
                Err(error) => return self.give_up_whole(requests, &error),
            }
        }
        let last = requests.iter().map(|request| request.give_up).max().unwrap_or_else(Instant::now);
        if let Err(error) = until(last, || self.connection.execute_batch("COMMIT")) {
            self.roll_back();
            self.note_failure(&error);
            return self.refuse(requests, |store| match &store.broken {
                Some(reason) => Error::new(ErrorKind::Unavailable, reason.clone()),
                None => failed("failed to commit", &error),
            });
        }
        self.pages += requests.iter().flat_map(|request| &request.steps).map(pages).sum::<usize>();
        for (request, answer) in requests.into_iter().zip(answers) {
            // Who asked may be gone; what was asked for is done all the same.
            let _ = request.answer.send(Ok(answer));
        }
    }

    /// Begins the transaction as soon as no other process holds the file. Answers the requests whose time is over before
    /// that, and forgets those whose caller is gone: none of them was begun.
    fn begin(&mut self, mut requests: Vec<Request>) -> Option<Vec<Request>> {
        loop {
            if let Some(reason) = self.broken.clone() {
                self.refuse(requests, |_| {
                    Error::new(ErrorKind::Unavailable, reason.clone()).with_retry(Retry::NotProcessed)
                });
                return None;
            }
            requests = self.still_wanted(requests);
            if requests.is_empty() {
                return None;
            }
            match self.connection.execute_batch("BEGIN IMMEDIATE") {
                Ok(()) => {
                    requests = self.still_wanted(requests);
                    if requests.is_empty() {
                        self.roll_back();
                        return None;
                    }
                    return Some(requests);
                }
                Err(error) if is_busy(&error) => std::thread::sleep(RETRY_PAUSE),
                Err(error) => {
                    self.note_failure(&error);
                    self.refuse(requests, |_| failed("failed to begin transaction", &error));
                    return None;
                }
            }
        }
    }

    fn still_wanted(&self, requests: Vec<Request>) -> Vec<Request> {
        let now = Instant::now();
        let (late, mut rest): (Vec<_>, Vec<_>) = requests.into_iter().partition(|request| now >= request.give_up);
        self.refuse(late, |_| failure::out_of_time());
        rest.retain(|request| !request.answer.is_closed());
        rest
    }

    /// Does the steps of one request.
    ///
    /// # Errors
    /// When SQLite gave up the whole transaction.
    fn apply(&self, request: &Request) -> rusqlite::Result<Vec<Result<(), Error>>> {
        let undo = request.all_or_nothing && request.steps.len() > 1;
        if undo {
            self.connection.execute_batch("SAVEPOINT request")?;
        }
        let mut answer = Vec::with_capacity(request.steps.len());
        for step in &request.steps {
            let done = self.table.apply(&self.connection, step);
            if self.connection.is_autocommit() {
                done?;
                return Err(rusqlite::Error::InvalidQuery);
            }
            answer.push(match done {
                Ok(Done::Yes) => Ok(()),
                Ok(Done::Mismatch) => Err(failure::etag_mismatch()),
                Err(error) => Err(failed("failed to write", &error)),
            });
            if undo && answer.last().is_some_and(Result::is_err) {
                self.connection.execute_batch("ROLLBACK TO request")?;
                break;
            }
        }
        if undo {
            self.connection.execute_batch("RELEASE request")?;
        }
        Ok(answer)
    }

    fn give_up_whole(&mut self, mut requests: Vec<Request>, error: &rusqlite::Error) {
        self.roll_back();
        self.note_failure(error);
        if requests.len() > 1 {
            for request in requests {
                self.write(vec![request]);
            }
        } else if let Some(request) = requests.pop() {
            let _ = request.answer.send(Err(failed("failed to write", error).with_retry(Retry::NotProcessed)));
        }
    }

    fn roll_back(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            tracing::error!(target: "dapr.contrib", component = self.log_name,
                "Error while attempting to roll back transaction: {error}");
        }
    }

    fn refuse(&self, requests: Vec<Request>, error: impl Fn(&Self) -> Error) {
        for request in requests {
            let _ = request.answer.send(Err(error(self)));
        }
    }

    /// After a failed sync nobody knows which of the file's pages are on the disk, and the next sync may succeed all the
    /// same: from then on nothing may be acknowledged.
    fn note_failure(&mut self, error: &rusqlite::Error) {
        if failure::is_of_sync(error) && self.broken.is_none() {
            let reason = format!(
                "the disk failed to keep what was written ({error}): nothing is written any more until the component is \
                 loaded anew"
            );
            tracing::error!(target: "dapr.contrib", component = self.log_name, "State store stops writing: {reason}");
            self.broken = Some(reason);
        }
    }

    /// Brings the write-ahead log into the file when it has grown. Reads go on beside it.
    fn checkpoint(&mut self) {
        if self.checkpoint_pages == 0 || self.pages < self.checkpoint_pages || self.broken.is_some() {
            return;
        }
        self.pages = 0;
        let mode = if self.log_is_long { "TRUNCATE" } else { "PASSIVE" };
        match self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(1)) {
            Ok(log_pages) => {
                self.log_is_long =
                    usize::try_from(log_pages).is_ok_and(|pages| pages > LONG_LOG * self.checkpoint_pages);
            }
            Err(error) if !is_busy(&error) => {
                tracing::error!(target: "dapr.contrib", component = self.log_name, "Failed to checkpoint: {error}");
                self.note_failure(&error);
            }
            Err(_) => {}
        }
    }
}

/// About how many pages a step changes: those of the value, of the table and of the index.
fn pages(step: &Step) -> usize {
    3 + step.weight() / PAGE_BYTES
}

/// Tries again while the file is in use.
pub(super) fn until<T>(give_up: Instant, mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    loop {
        match work() {
            Err(error) if is_busy(&error) && Instant::now() < give_up => std::thread::sleep(RETRY_PAUSE),
            result => return result,
        }
    }
}
