//! Several changes, all or nothing. ETags are compared with what was stored before, under locks that keep it so; then the
//! changes are sent in order without waiting for each answer. A transaction that is dropped closes its connection, and the
//! server undoes it.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use component::state::{Operation, Transaction, Transactional};
use component::{CallContext, Error};
use futures_util::future::{join, join_all};

use super::PostgresState;
use super::answer::column;
use super::changes::PIPELINED;
use super::layout::{Change, exists, mismatch};
use crate::connection::{Connection, Parameter, Query};
use crate::failure::{failure, is_conflict};

/// How often a transaction is done that the server undid because another one was in its way.
const ATTEMPTS: usize = 5;

/// Why a transaction was not done.
enum Refusal {
    /// The server said so.
    Said(tokio_postgres::Error),
    /// A key has another version.
    Found(Error),
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Said(error)
    }
}

#[async_trait]
impl Transactional for PostgresState {
    async fn transact(&self, _: &CallContext, transaction: &Transaction) -> Result<(), Error> {
        let changes = transaction.operations.iter().map(|operation| match operation {
            Operation::Upsert(request) => self.layout.write(request),
            Operation::Delete(request) => self.layout.removal(request),
        });
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        match changes.as_slice() {
            [] => Ok(()),
            [one] => self.change(one).await,
            many => self.in_time(self.all_or_nothing(many)).await,
        }
    }
}

impl PostgresState {
    /// The changes as they are made once they were found to be allowed. What must be new is still made only where nothing
    /// is, since no lock can be had on what is not there, unless the transaction itself was there before.
    fn allowed<'a>(&'a self, changes: &'a [Change<'_>]) -> Vec<Query<'a>> {
        let mut touched = HashSet::new();
        let query = |change: &'a Change<'_>| match touched.insert(change.key()) && change.only_new() {
            true => self.layout.query(change),
            false => self.layout.unconditional_query(change),
        };
        changes.iter().map(query).collect()
    }

    async fn all_or_nothing(&self, changes: &[Change<'_>]) -> Result<(), Error> {
        let queries = self.allowed(changes);
        let conditional = |change: &&Change<'_>| change.expected().is_some() || change.only_new();
        let guarded: Vec<&str> = changes.iter().filter(conditional).map(Change::key).collect();
        let lock = [Query::new(&self.layout.sql.lock, [Parameter::Texts(&guarded)])];
        for attempt in 1.. {
            let mut lease = self.pool.lease().await?;
            lease.prepare(&lock).await.map_err(|error| failure("", &error))?;
            lease.prepare(&queries).await.map_err(|error| failure("", &error))?;
            let [lock] = &lock;
            let lock = (!guarded.is_empty()).then_some(lock);
            let refusal = match done(&lease, changes, &queries, lock).await {
                Ok(()) => {
                    lease.give_back();
                    return Ok(());
                }
                Err(refusal) => refusal,
            };
            if lease.batch("ROLLBACK").await.is_ok() {
                lease.give_back();
            }
            match refusal {
                Refusal::Said(error) if attempt < ATTEMPTS && is_conflict(&error) => {}
                Refusal::Said(error) => return Err(failure("", &error)),
                Refusal::Found(error) => return Err(error),
            }
        }
        Ok(())
    }
}

async fn done(
    connection: &Connection,
    changes: &[Change<'_>],
    queries: &[Query<'_>],
    lock: Option<&Query<'_>>,
) -> Result<(), Refusal> {
    match lock {
        None => connection.batch("BEGIN").await?,
        Some(lock) => {
            let (begun, rows) = join(connection.batch("BEGIN"), connection.rows(lock)).await;
            begun?;
            check(changes, &rows?)?;
        }
    }
    for (changes, queries) in changes.chunks(PIPELINED).zip(queries.chunks(PIPELINED)) {
        let outcomes = join_all(queries.iter().map(|query| connection.change(query))).await;
        judge(changes, outcomes)?;
    }
    Ok(connection.batch("COMMIT").await?)
}

/// Whether all was done. Behind the first failure the server refuses everything, which says nothing.
fn judge(changes: &[Change<'_>], outcomes: Vec<Result<u64, tokio_postgres::Error>>) -> Result<(), Refusal> {
    for (change, outcome) in changes.iter().zip(outcomes) {
        match outcome {
            Ok(0) if change.only_new() => return Err(Refusal::Found(exists())),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Compares what changes expect with what is stored.
fn check(changes: &[Change<'_>], rows: &[tokio_postgres::Row]) -> Result<(), Refusal> {
    let mut stored: HashMap<&str, &str> = HashMap::with_capacity(rows.len());
    for row in rows {
        stored.insert(column(row, 0).map_err(Refusal::Found)?, column(row, 1).map_err(Refusal::Found)?);
    }
    for change in changes {
        let found = stored.get(change.key()).copied();
        match change.expected() {
            Some(expected) if found != Some(expected) => return Err(Refusal::Found(mismatch())),
            None if change.only_new() && found.is_some() => return Err(Refusal::Found(exists())),
            _ => {}
        }
    }
    Ok(())
}
