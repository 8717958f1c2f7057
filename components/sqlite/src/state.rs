//! `state.sqlite`: state in an SQLite file, in the target's tables, so that either side reads the other's file. Called
//! through `loaded`. One thread writes, in group commits; reads have connections of their own.
//!
//! A call that is dropped before its commit began is not done; one that is dropped later is done as a whole.

mod cleanup;
mod failure;
mod pattern;
mod readers;
mod settings;
mod start;
mod step;
mod table;
mod writer;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, KeyListing, KeysPage, KeysRequest, SetRequest,
    StateStore, Stored, Transaction, Transactional,
};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Retry, Setup};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use failure::{failed, out_of_time};
use pattern::Glob;
use readers::Readers;
pub(crate) use settings::SqliteSettings;
use step::Step;
use table::{Listing, Table};
use writer::{Answer, Order, Request};

/// How long `close` waits for the thread to finish what is queued.
const CLOSE_TIME: Duration = Duration::from_secs(10);

struct SqliteState {
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    /// `None` where only the writer's connection sees the data.
    readers: Option<Readers>,
    table: Table,
    timeout: Duration,
    stop: CancellationToken,
}

/// Opens the file and brings its tables to what this version needs.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(start::open(setup))
}

impl SqliteState {
    /// Until when a call may take.
    fn give_up(&self, context: &CallContext) -> Instant {
        let own = Instant::now() + self.timeout;
        context.deadline.map_or(own, |deadline| deadline.into_std().min(own))
    }

    async fn order(&self, order: Order, give_up: Instant) -> Result<(), Error> {
        let closed = || Error::new(ErrorKind::Unavailable, "component is closed").with_retry(Retry::NotProcessed);
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let sent = tokio::time::timeout_at(give_up.into(), orders.send(order)).await;
        sent.map_err(|_| out_of_time())?.map_err(|_| closed())
    }

    /// Has steps written and waits for the commit.
    async fn write(&self, context: &CallContext, steps: Vec<Step>, all_or_nothing: bool) -> Answer {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let give_up = self.give_up(context);
        let (answer, answered) = oneshot::channel();
        self.order(Order::Write(Request { steps, all_or_nothing, give_up, answer }), give_up).await?;
        answer_of(answered, give_up).await?
    }

    async fn write_one(&self, context: &CallContext, step: Step) -> Result<(), Error> {
        self.write(context, vec![step], true).await?.into_iter().collect()
    }

    /// Each step for itself; `steps` has an error where a request was wrong from the start.
    async fn write_each(
        &self,
        context: &CallContext,
        steps: Vec<(&str, Result<Step, Error>)>,
    ) -> Result<(), BulkError> {
        let right = steps.iter().filter_map(|(_, step)| step.as_ref().ok().cloned()).collect();
        let mut answers = self.write(context, right, false).await?.into_iter();
        let mut failed = Vec::new();
        for (key, step) in steps {
            let outcome = match step {
                Ok(_) => answers.next().unwrap_or(Ok(())),
                Err(error) => Err(error),
            };
            failed.extend(outcome.err().map(|error| (key.to_owned(), error)));
        }
        BulkError::from_items(failed)
    }

    async fn read<T, Work>(&self, context: &CallContext, mut work: Work) -> Result<T, Error>
    where
        T: Send + 'static,
        Work: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let give_up = self.give_up(context);
        if let Some(readers) = &self.readers {
            return readers.read(give_up, work).await;
        }
        let (answer, answered) = oneshot::channel();
        let read = move |connection: &Connection| {
            if !answer.is_closed() {
                let _ = answer.send(writer::until(give_up, || work(connection)));
            }
        };
        self.order(Order::Read(Box::new(read)), give_up).await?;
        answer_of(answered, give_up).await?.map_err(|error| failed("failed to read", &error))
    }
}

impl Drop for SqliteState {
    fn drop(&mut self) {
        // The timer of the clean-up would keep the thread alive.
        self.stop.cancel();
    }
}

async fn answer_of<T>(answered: oneshot::Receiver<T>, give_up: Instant) -> Result<T, Error> {
    match tokio::time::timeout_at(give_up.into(), answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Error::new(ErrorKind::Unavailable, "component is closed")),
        // It may be under way.
        Err(_) => Err(out_of_time().with_retry(Retry::MaybeProcessed)),
    }
}

#[async_trait]
impl Backend for SqliteState {
    async fn close(&self) -> Result<(), Error> {
        self.stop.cancel();
        let Some(orders) = self.orders.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        let (closed, is_closed) = oneshot::channel();
        let give_up = Instant::now() + CLOSE_TIME;
        let asked = tokio::time::timeout_at(give_up.into(), orders.send(Order::Close(closed))).await;
        match asked {
            Ok(Ok(())) => answer_of(is_closed, give_up).await,
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(out_of_time()),
        }
    }
}

#[async_trait]
impl StateStore for SqliteState {
    async fn get(&self, context: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        let (table, key) = (self.table.clone(), request.key.clone());
        if key.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "missing key in get operation"));
        }
        self.read(context, move |connection| table.get(connection, &key)).await
    }

    async fn bulk_get(
        &self,
        context: &CallContext,
        requests: &[GetRequest],
        _: BulkOptions,
    ) -> Result<Vec<BulkItem>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let table = self.table.clone();
        let keys: Vec<String> = requests.iter().map(|request| request.key.clone()).collect();
        let read = move |connection: &Connection| {
            // All are read from one state of the file.
            let transaction = connection.unchecked_transaction()?;
            let item = |key: &String| match table.get(&transaction, key) {
                Err(error) if crate::connection::is_busy(&error) => Err(error),
                result => {
                    let result = result.map_err(|error| failed("failed to read", &error));
                    Ok(BulkItem { key: key.clone(), result })
                }
            };
            keys.iter().map(item).collect()
        };
        self.read(context, read).await
    }

    async fn set(&self, context: &CallContext, request: &SetRequest) -> Result<(), Error> {
        self.write_one(context, Step::put(request)?).await
    }

    async fn bulk_set(&self, context: &CallContext, requests: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        let steps = requests.iter().map(|request| (request.key.as_str(), Step::put(request))).collect();
        self.write_each(context, steps).await
    }

    async fn delete(&self, context: &CallContext, request: &DeleteRequest) -> Result<(), Error> {
        self.write_one(context, Step::removal(request)?).await
    }

    async fn bulk_delete(
        &self,
        context: &CallContext,
        requests: &[DeleteRequest],
        _: BulkOptions,
    ) -> Result<(), BulkError> {
        let steps = requests.iter().map(|request| (request.key.as_str(), Step::removal(request))).collect();
        self.write_each(context, steps).await
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

    fn key_listing(&self) -> Option<&dyn KeyListing> {
        Some(self)
    }
}

#[async_trait]
impl Transactional for SqliteState {
    async fn transact(&self, context: &CallContext, transaction: &Transaction) -> Result<(), Error> {
        let steps = transaction.operations.iter().map(Step::of).collect::<Result<Vec<_>, _>>()?;
        self.write(context, steps, true).await?.into_iter().collect()
    }
}

#[async_trait]
impl KeyListing for SqliteState {
    async fn keys_like(&self, context: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        let after = request.continuation_token.as_deref().map(str::parse).transpose();
        let after = after.map_err(|error: std::num::ParseIntError| {
            Error::new(ErrorKind::InvalidArgument, "invalid continue token").caused_by(error)
        })?;
        let listing = Listing { glob: Glob::from_like(&request.pattern)?, after, limit: request.page_size };
        let table = self.table.clone();
        self.read(context, move |connection| table.keys(connection, &listing)).await
    }
}

#[cfg(test)]
mod tests;
