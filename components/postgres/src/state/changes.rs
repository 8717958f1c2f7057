//! Changes, each for itself, as single and bulk requests want them. Many are sent without waiting for each answer and are
//! committed in groups, so that one sync of the server's disk covers a group. A group in which one fails is undone and done
//! again one by one, so that the others are none the worse.

use component::Error;
use component::state::BulkError;
use futures_util::future::{join, join_all};

use super::PostgresState;
use super::layout::Change;
use crate::connection::{Connection, Query};
use crate::failure::{failure, spoils_connection};

/// Statements that are sent without waiting for the answer to the one before.
pub(super) const PIPELINED: usize = 16;
/// Changes that are committed together. Their rows are locked until then.
const GROUP: usize = 256;

/// What came of each change.
type Results = Vec<Result<(), Error>>;

impl PostgresState {
    /// Makes one change.
    pub(super) async fn change(&self, change: &Change<'_>) -> Result<(), Error> {
        let mut results = self.changes(std::slice::from_ref(change)).await?;
        results.pop().unwrap_or(Ok(()))
    }

    /// Makes changes, each for itself: one result for each, in their order.
    async fn changes(&self, changes: &[Change<'_>]) -> Result<Results, Error> {
        let queries: Vec<Query<'_>> = changes.iter().map(|change| self.layout.query(change)).collect();
        let mut results = Vec::with_capacity(changes.len());
        for (changes, queries) in changes.chunks(GROUP).zip(queries.chunks(GROUP)) {
            results.extend(self.in_time(self.group(changes, queries)).await?);
        }
        Ok(results)
    }

    async fn group(&self, changes: &[Change<'_>], queries: &[Query<'_>]) -> Result<Results, Error> {
        let mut lease = self.pool.lease().await?;
        if let Err(error) = lease.prepare(queries).await {
            let failed = failure("", &error);
            lease.settle::<()>(&Err(error));
            return Err(failed);
        }
        if queries.len() > 1 {
            match together(&lease, changes, queries).await {
                Ok(results) => {
                    lease.give_back();
                    return Ok(results);
                }
                Err(error) if spoils_connection(&error) => return Err(failure("", &error)),
                Err(_) => lease.batch("ROLLBACK").await.map_err(|error| failure("", &error))?,
            }
        }
        let (mut results, mut sound) = (Vec::with_capacity(changes.len()), true);
        for (changes, queries) in changes.chunks(PIPELINED).zip(queries.chunks(PIPELINED)) {
            let outcomes = join_all(queries.iter().map(|query| lease.change(query))).await;
            for (change, outcome) in changes.iter().zip(outcomes) {
                sound &= outcome.as_ref().err().is_none_or(|error| !spoils_connection(error));
                results.push(outcome.map_err(|error| failure("", &error)).and_then(|rows| change.judge(rows)));
            }
        }
        if sound {
            lease.give_back();
        }
        Ok(results)
    }

    /// Makes the changes that could be read, and tells what failed in the order of the request.
    pub(super) async fn bulk(&self, changes: Vec<Result<Change<'_>, (String, Error)>>) -> Result<(), BulkError> {
        let mut failed = Vec::new();
        let mut sound = Vec::with_capacity(changes.len());
        for (index, change) in changes.into_iter().enumerate() {
            match change {
                Ok(change) => sound.push((index, change)),
                Err((key, error)) => failed.push((index, key, error)),
            }
        }
        let (indexes, changes): (Vec<usize>, Vec<Change<'_>>) = sound.into_iter().unzip();
        let results = self.changes(&changes).await?;
        for ((index, change), result) in indexes.into_iter().zip(&changes).zip(results) {
            if let Err(error) = result {
                failed.push((index, change.key().to_owned(), error));
            }
        }
        failed.sort_by_key(|(index, ..)| *index);
        BulkError::from_items(failed.into_iter().map(|(_, key, error)| (key, error)).collect())
    }
}

/// Makes all changes in one transaction. One that finds another version changes nothing, which is no failure of the others.
async fn together(
    connection: &Connection,
    changes: &[Change<'_>],
    queries: &[Query<'_>],
) -> Result<Results, tokio_postgres::Error> {
    let mut results = Vec::with_capacity(changes.len());
    for (index, (changes, queries)) in changes.chunks(PIPELINED).zip(queries.chunks(PIPELINED)).enumerate() {
        let sending = join_all(queries.iter().map(|query| connection.change(query)));
        let outcomes = match index {
            0 => {
                let (begun, outcomes) = join(connection.batch("BEGIN"), sending).await;
                begun?;
                outcomes
            }
            _ => sending.await,
        };
        for (change, outcome) in changes.iter().zip(outcomes) {
            results.push(change.judge(outcome?));
        }
    }
    connection.batch("COMMIT").await?;
    Ok(results)
}
