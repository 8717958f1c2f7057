//! Removes values past their end now and then. Processes on one table take turns through a row of the metadata table, as
//! the target's do. Correctness does not hang on it: readers skip what is past its end.

use std::time::Duration;

use component::Error;
use tokio_util::sync::CancellationToken;

use super::layout::Layout;
use crate::connection::{Parameter, Query};
use crate::failure::failure;
use crate::pool::Pool;

/// How long one round may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

pub(super) struct Cleanup {
    pool: Pool,
    interval: Duration,
    key: String,
    take_turn: String,
    clean: String,
}

impl Cleanup {
    pub(super) fn new(pool: Pool, layout: &Layout, interval: Duration) -> Self {
        let take_turn = format!(
            "INSERT INTO {} AS m (key, value) VALUES ($1, now()::text) ON CONFLICT (key) DO UPDATE \
             SET value = now()::text \
             WHERE (EXTRACT('epoch' FROM now() - m.value::timestamp with time zone) * 1000)::bigint > $2",
            layout.metadata
        );
        Self { pool, interval, key: layout.metadata_keys().1, take_turn, clean: layout.sql.clean.clone() }
    }

    /// Goes on until the store is closed.
    pub(super) async fn run(self, closing: CancellationToken) {
        tracing::info!(target: "dapr.contrib", "Schedule expired data clean up every {:?}", self.interval);
        loop {
            let round = async {
                tokio::time::sleep(self.interval).await;
                tokio::time::timeout(PATIENCE, self.clean()).await
            };
            let outcome = tokio::select! {
                () = closing.cancelled() => return,
                outcome = round => outcome,
            };
            match outcome {
                Ok(Ok(Some(rows))) => tracing::info!(target: "dapr.contrib", "Removed {rows} expired rows"),
                Ok(Ok(None)) => tracing::debug!(target: "dapr.contrib", "Last cleanup was performed too recently"),
                Ok(Err(error)) => tracing::error!(target: "dapr.contrib", "Error removing expired data: {error}"),
                Err(_) => tracing::error!(target: "dapr.contrib", "Error removing expired data: no answer in time"),
            }
        }
    }

    /// How many rows were removed; `None` if another process did it within the interval.
    async fn clean(&self) -> Result<Option<u64>, Error> {
        // A little less, so that a process does not find its own last round to be too recent.
        let least = self.interval.saturating_sub(Duration::from_millis(100)).as_millis();
        let least = Parameter::Integer(i64::try_from(least).unwrap_or(i64::MAX));
        let turn = Query::new(&self.take_turn, [Parameter::Text(&self.key), least]);
        if self.change(turn, "error updating last cleanup time").await? == 0 {
            return Ok(None);
        }
        self.change(Query::new(&self.clean, []), "failed to execute query").await.map(Some)
    }

    async fn change(&self, query: Query<'_>, doing: &str) -> Result<u64, Error> {
        let queries = [query];
        let [query] = &queries;
        let mut lease = self.pool.lease().await?;
        let outcome = match lease.prepare(&queries).await {
            Ok(()) => lease.change(query).await,
            Err(error) => Err(error),
        };
        lease.settle(&outcome);
        outcome.map_err(|error| failure(doing, &error))
    }
}
