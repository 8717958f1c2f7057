//! The connections of one component: made when needed, lent to one call at a time, closed when idle for long. A lease
//! that is dropped closes its connection, unless it was given back: a call may be dropped anywhere, and no half-done
//! transaction may meet the next call.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use component::{Error, ErrorKind, Retry, Tasks};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connection::Connection;
use crate::failure::{failure, spoils_connection};
use crate::options::Options;

/// A pool. A clone is the same pool.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// Ends the collector with the last clone, closed or not.
    _open: Arc<DropGuard>,
}

struct Shared {
    options: Options,
    tasks: Tasks,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// Woken when the first connection becomes idle.
    rested: Notify,
    closed: CancellationToken,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // The list is whole between any two statements.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self, connection: &Connection) -> bool {
        !connection.is_closed() && connection.born.elapsed() < self.options.lifetime && !self.closed.is_cancelled()
    }
}

impl Pool {
    /// An empty pool: nothing is connected before the first lease.
    pub(crate) fn new(options: Options, tasks: Tasks) -> Self {
        let permits = Arc::new(Semaphore::new(options.connections));
        let shared = Shared {
            options,
            tasks,
            permits,
            idle: Mutex::default(),
            rested: Notify::new(),
            closed: CancellationToken::new(),
        };
        let shared = Arc::new(shared);
        shared.tasks.spawn("postgresql idle connections", collect(Arc::clone(&shared)));
        let open = shared.closed.clone().drop_guard();
        Self { shared, _open: Arc::new(open) }
    }

    /// A connection for one call. Waits for one to become free.
    pub(crate) async fn lease(&self) -> Result<Lease, Error> {
        let closed = || Error::new(ErrorKind::Unavailable, "the component was closed").with_retry(Retry::NotProcessed);
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await.map_err(|_| closed())?;
        while let Some(Idle { connection, .. }) = self.take_idle() {
            if self.shared.usable(&connection) {
                return Ok(self.lend(connection, permit));
            }
        }
        let opening = Connection::open(&self.shared.options, &self.shared.tasks);
        match tokio::time::timeout(self.shared.options.connect_timeout, opening).await {
            Ok(Ok(connection)) => Ok(self.lend(connection, permit)),
            Ok(Err(error)) => Err(cannot_connect(&error)),
            Err(_) => {
                let message = "failed to connect to the database: no answer in time";
                Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::NotProcessed))
            }
        }
    }

    fn take_idle(&self) -> Option<Idle> {
        self.shared.idle().pop()
    }

    fn lend(&self, connection: Connection, permit: OwnedSemaphorePermit) -> Lease {
        Lease { connection, shared: Arc::clone(&self.shared), _permit: permit }
    }

    /// Closes every idle connection, and the others when their calls end.
    pub(crate) fn close(&self) {
        self.shared.closed.cancel();
        self.shared.permits.close();
        self.shared.idle().clear();
    }
}

/// Nothing was sent, so the request may be sent again, unless the server refuses us for good.
fn cannot_connect(error: &tokio_postgres::Error) -> Error {
    let failed = failure("failed to connect to the database", error);
    match failed.kind() {
        ErrorKind::Unavailable => failed.with_retry(Retry::NotProcessed),
        _ => failed,
    }
}

/// A connection lent to one call.
pub(crate) struct Lease {
    connection: Connection,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Gives the connection back if the last thing said on it left it sound.
    pub(crate) fn settle<T>(self, outcome: &Result<T, tokio_postgres::Error>) {
        if outcome.as_ref().err().is_none_or(|error| !spoils_connection(error)) {
            self.give_back();
        }
    }

    /// Gives the connection back. Nothing may be under way on it.
    pub(crate) fn give_back(self) {
        if !self.shared.usable(&self.connection) {
            return;
        }
        let Self { connection, shared, _permit } = self;
        let mut idle = shared.idle();
        idle.push(Idle { connection, since: Instant::now() });
        if idle.len() == 1 {
            shared.rested.notify_one();
        }
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Closes connections that were idle for too long. Sleeps while there are none.
async fn collect(shared: Arc<Shared>) {
    loop {
        let oldest = shared.idle().first().map(|idle| idle.since);
        let due = oldest.map(|since| tokio::time::Instant::from_std(since + shared.options.idle));
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => shared.rested.notified().await,
            }
        };
        tokio::select! {
            () = shared.closed.cancelled() => return,
            () = wait => {}
        }
        shared.idle().retain(|idle| idle.since.elapsed() < shared.options.idle && !idle.connection.is_closed());
    }
}
