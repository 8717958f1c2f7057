//! Connections that only read, a few at once, beside the writer's. Used by the store; a read whose caller is gone is
//! interrupted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use component::Error;
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::Semaphore;

use super::failure::{failed, out_of_time};
use super::writer::until;
use crate::connection::Location;

/// How many reads are under way at once.
const PLACES: usize = 4;

/// The connections, opened when they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    location: Location,
    places: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Connection>>>,
}

/// Interrupts a read when it is dropped, unless the read has ended.
struct Interrupt(Arc<Mutex<Option<InterruptHandle>>>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(read) = locked(&self.0).take() {
            read.interrupt();
        }
    }
}

impl Readers {
    pub(super) fn new(location: Location) -> Self {
        Self { location, places: Arc::new(Semaphore::new(PLACES)), free: Arc::default() }
    }

    /// Runs a read on a connection of its own; again while the file is in use.
    ///
    /// # Errors
    /// `Timeout` after `give_up`, or what SQLite said.
    pub(super) async fn read<T, Work>(&self, give_up: Instant, mut work: Work) -> Result<T, Error>
    where
        T: Send + 'static,
        Work: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let place = tokio::time::timeout_at(give_up.into(), Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| out_of_time())?.map_err(|_| failed("failed to read", &closed()))?;
        let (location, free) = (self.location.clone(), Arc::clone(&self.free));
        let handle = Arc::new(Mutex::new(None));
        let _interrupt = Interrupt(Arc::clone(&handle));
        let read = move || {
            let taken = locked(&free).pop();
            let connection = match taken {
                Some(connection) => connection,
                None => until(give_up, || open(&location))?,
            };
            *locked(&handle) = Some(connection.get_interrupt_handle());
            let result = until(give_up, || work(&connection));
            // Taken away first, so that a late interrupt cannot meet the next read.
            drop(locked(&handle).take());
            locked(&free).push(connection);
            drop(place);
            result
        };
        match tokio::time::timeout_at(give_up.into(), tokio::task::spawn_blocking(read)).await {
            Ok(Ok(result)) => result.map_err(|error| failed("failed to read", &error)),
            Ok(Err(_)) => Err(failed("failed to read", &closed())),
            Err(_) => Err(out_of_time()),
        }
    }

    /// Ends with the last read; nobody may begin one any more.
    pub(super) async fn close(&self) {
        // Whoever has all places knows that nobody reads.
        let all = u32::try_from(PLACES).unwrap_or(u32::MAX);
        let places = self.places.acquire_many(all).await;
        locked(&self.free).clear();
        self.places.close();
        drop(places);
    }
}

fn open(location: &Location) -> rusqlite::Result<Connection> {
    let connection = location.open()?;
    connection.query_row("PRAGMA query_only = 1", [], |_| Ok(())).or_else(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    })?;
    Ok(connection)
}

fn closed() -> rusqlite::Error {
    rusqlite::Error::InvalidQuery
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
