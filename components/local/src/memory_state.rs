//! `state.in-memory`: state in the memory of the sidecar. Called through `loaded`; it holds no thread and no timer
//! unless something in it has a time to live.

mod sweeper;
mod table;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, KeyListing, KeysPage, KeysRequest, LikePattern,
    Operation, PrefixRemoval, SetRequest, StateStore, Stored, Transaction, Transactional, expand_prefix, time_to_live,
};
use component::{Backend, CallContext, Clock, Constructing, Error, ErrorKind, Metadata, Setup, Tasks};
use tokio::time::Instant;

use sweeper::Sweeper;
use table::{Expiry, Table, Write};

struct MemoryState {
    table: Arc<RwLock<Table>>,
    sweeper: Sweeper,
    clock: Clock,
}

/// Makes an empty store.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move {
        let store: Arc<dyn StateStore> = Arc::new(MemoryState::new(setup.host.clock, setup.host.tasks));
        Ok(store)
    })
}

impl MemoryState {
    fn new(clock: Clock, tasks: Tasks) -> Self {
        let table = Arc::new(RwLock::new(Table::default()));
        let sweeper = Sweeper::new(Arc::clone(&table), tasks);
        Self { table, sweeper, clock }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // The table is never left half changed, so a panic elsewhere does not spoil it.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything about a write that needs no lock.
    fn prepare<'a>(&self, request: &'a SetRequest) -> Result<Write<'a>, Error> {
        let expiry = time_to_live(&request.metadata)?.map(|life| self.expiry(life)).transpose()?;
        let mut letters = uuid::Uuid::encode_buffer();
        let etag = Arc::from(&*uuid::Uuid::new_v4().hyphenated().encode_lower(&mut letters));
        Ok(Write { request, etag, expiry })
    }

    fn expiry(&self, life: Duration) -> Result<Expiry, Error> {
        let out_of_range = || Error::new(ErrorKind::InvalidArgument, "ttlInSeconds lies too far in the future");
        let at = Instant::now().checked_add(life).ok_or_else(out_of_range)?;
        let wall = self.clock.now().checked_add(life).ok_or_else(out_of_range)?;
        let wall = jiff::Timestamp::try_from(wall).map_err(|_| out_of_range())?;
        Ok(Expiry { at, wall_seconds: wall.as_second() })
    }

    /// Tells the sweeper when the earliest end of a value moved forward.
    fn after_write(&self, mut table: RwLockWriteGuard<'_, Table>) {
        let earliest = table.take_news();
        drop(table);
        if let Some(earliest) = earliest {
            self.sweeper.wake(earliest);
        }
    }
}

#[async_trait]
impl Backend for MemoryState {
    async fn close(&self) -> Result<(), Error> {
        self.sweeper.stop();
        *self.write() = Table::default();
        Ok(())
    }
}

#[async_trait]
impl StateStore for MemoryState {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        Ok(self.read().get(&request.key, Instant::now()))
    }

    async fn bulk_get(&self, _: &CallContext, requests: &[GetRequest], _: BulkOptions) -> Result<Vec<BulkItem>, Error> {
        let (table, now) = (self.read(), Instant::now());
        let item =
            |request: &GetRequest| BulkItem { key: request.key.clone(), result: Ok(table.get(&request.key, now)) };
        Ok(requests.iter().map(item).collect())
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<(), Error> {
        let write = self.prepare(request)?;
        let mut table = self.write();
        table.check_etag(&request.key, request.etag.as_deref(), request.options, Instant::now())?;
        table.put(write);
        self.after_write(table);
        Ok(())
    }

    async fn bulk_set(&self, _: &CallContext, requests: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        let prepared: Vec<_> = requests.iter().map(|request| self.prepare(request)).collect();
        let (mut table, now) = (self.write(), Instant::now());
        let mut failed = Vec::new();
        for (request, write) in requests.iter().zip(prepared) {
            let checked = write.and_then(|write| {
                table.check_etag(&request.key, request.etag.as_deref(), request.options, now).map(|()| write)
            });
            match checked {
                Ok(write) => table.put(write),
                Err(error) => failed.push((request.key.clone(), error)),
            }
        }
        self.after_write(table);
        BulkError::from_items(failed)
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<(), Error> {
        let mut table = self.write();
        table.check_etag(&request.key, request.etag.as_deref(), request.options, Instant::now())?;
        table.remove(&request.key);
        Ok(())
    }

    async fn bulk_delete(&self, _: &CallContext, requests: &[DeleteRequest], _: BulkOptions) -> Result<(), BulkError> {
        let (mut table, now) = (self.write(), Instant::now());
        let mut failed = Vec::new();
        for request in requests {
            match table.check_etag(&request.key, request.etag.as_deref(), request.options, now) {
                Ok(()) => table.remove(&request.key),
                Err(error) => failed.push((request.key.clone(), error)),
            }
        }
        drop(table);
        BulkError::from_items(failed)
    }

    fn etag(&self) -> bool {
        true
    }

    fn ttl(&self) -> bool {
        true
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn prefix_removal(&self) -> Option<&dyn PrefixRemoval> {
        Some(self)
    }

    fn key_listing(&self) -> Option<&dyn KeyListing> {
        Some(self)
    }
}

/// A checked step of a transaction.
enum Step<'a> {
    Put(Write<'a>),
    Remove(&'a DeleteRequest),
}

#[async_trait]
impl Transactional for MemoryState {
    async fn transact(&self, _: &CallContext, transaction: &Transaction) -> Result<(), Error> {
        let steps = transaction.operations.iter().map(|operation| match operation {
            Operation::Upsert(request) => self.prepare(request).map(Step::Put),
            Operation::Delete(request) => Ok(Step::Remove(request)),
        });
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        let (mut table, now) = (self.write(), Instant::now());
        for operation in &transaction.operations {
            let (key, etag, options) = match operation {
                Operation::Upsert(request) => (&request.key, &request.etag, request.options),
                Operation::Delete(request) => (&request.key, &request.etag, request.options),
            };
            table.check_etag(key, etag.as_deref(), options, now)?;
        }
        for step in steps {
            match step {
                Step::Put(write) => table.put(write),
                Step::Remove(request) => table.remove(&request.key),
            }
        }
        self.after_write(table);
        Ok(())
    }
}

#[async_trait]
impl PrefixRemoval for MemoryState {
    async fn delete_with_prefix(&self, _: &CallContext, prefix: &str) -> Result<u64, Error> {
        let prefix = expand_prefix(prefix)?;
        let below = |key: &str| key.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.contains("||"));
        Ok(self.write().remove_where(below, Instant::now()))
    }
}

#[async_trait]
impl KeyListing for MemoryState {
    async fn keys_like(&self, _: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        let pattern = LikePattern::parse(&request.pattern)?;
        let from = match request.continuation_token.as_deref() {
            None => 0,
            Some(token) => token.parse().map_err(|error: std::num::ParseIntError| {
                Error::new(ErrorKind::InvalidArgument, "invalid continue token").caused_by(error)
            })?,
        };
        let mut found = self.read().keys_where(|key| pattern.matches(key), from, Instant::now());
        let limit = request.page_size.map_or(found.len(), |size| usize::try_from(size).unwrap_or(usize::MAX));
        let continuation_token = found.get(limit).map(|(index, _)| index.to_string());
        found.truncate(limit);
        Ok(KeysPage { keys: found.into_iter().map(|(_, key)| key.to_string()).collect(), continuation_token })
    }
}

/// The metadata of an answer.
fn answer_metadata(expiry: Option<&Expiry>) -> Metadata {
    let Some(text) = expiry.and_then(|expiry| jiff::Timestamp::from_second(expiry.wall_seconds).ok()) else {
        return Metadata::new();
    };
    Metadata::from([(component::state::TTL_EXPIRE_TIME.to_owned(), text.to_string())])
}

#[cfg(test)]
mod tests;
