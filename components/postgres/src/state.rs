//! `state.postgresql`, versions 1 and 2: state in the target's tables, so that either side reads what the other wrote.
//! Called through `loaded`.

mod answer;
mod changes;
mod cleanup;
mod layout;
mod migrations;
mod query;
mod settings;
mod transaction;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, KeyListing, KeysPage, KeysRequest, PrefixRemoval,
    Queryable, SetRequest, StateStore, Stored, Transactional, expand_prefix,
};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Settings, Setup};
use tokio_postgres::Row;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connection::{Parameter, Query};
use crate::failure::{failure, is_broken};
use crate::pool::Pool;
use layout::Layout;
use settings::{Common, StateV1Settings, StateV2Settings};

pub(crate) use settings::{V1_FIELDS, V2_FIELDS};

struct PostgresState {
    pool: Pool,
    layout: Layout,
    timeout: Duration,
    /// Ends the cleanup.
    closing: CancellationToken,
    /// Ends it with the store, closed or not.
    _open: DropGuard,
}

/// Makes the store of version 1.
pub(crate) fn construct_v1(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move {
        let common = StateV1Settings::parse(&setup.properties)?.common(&setup.properties)?;
        PostgresState::open(common, setup).await
    })
}

/// Makes the store of version 2.
pub(crate) fn construct_v2(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move {
        let common = StateV2Settings::parse(&setup.properties)?.common(&setup.properties)?;
        PostgresState::open(common, setup).await
    })
}

impl PostgresState {
    async fn open(common: Common, setup: Setup) -> Result<Arc<dyn StateStore>, Error> {
        let pool = Pool::new(common.options, setup.host.tasks.clone());
        migrations::perform(&pool, &common.layout, common.timeout).await?;
        let closing = CancellationToken::new();
        if let Some(interval) = common.cleanup {
            let cleanup = cleanup::Cleanup::new(pool.clone(), &common.layout, interval);
            setup.host.tasks.spawn("state.postgresql cleanup", cleanup.run(closing.clone()));
        }
        let _open = closing.clone().drop_guard();
        Ok(Arc::new(Self { pool, layout: common.layout, timeout: common.timeout, closing, _open }))
    }

    /// Ends what takes longer than the component's timeout; its connection is closed with it.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = format!("no answer from PostgreSQL within {:?}", self.timeout);
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    /// Reads rows. An idle connection may turn out to be broken, so that is tried once more.
    async fn rows(&self, query: Query<'_>) -> Result<Vec<Row>, Error> {
        let queries = [query];
        let [query] = &queries;
        self.in_time(async {
            let mut may_repeat = true;
            loop {
                let mut lease = self.pool.lease().await?;
                let outcome = match lease.prepare(&queries).await {
                    Ok(()) => lease.rows(query).await,
                    Err(error) => Err(error),
                };
                lease.settle(&outcome);
                match outcome {
                    Ok(rows) => return Ok(rows),
                    Err(error) if may_repeat && is_broken(&error) => may_repeat = false,
                    Err(error) => return Err(failure("", &error)),
                }
            }
        })
        .await
    }

    /// Reads rows by a statement that is made up for once, so that it is not kept.
    async fn search(&self, query: Query<'_>) -> Result<Vec<Row>, Error> {
        self.in_time(async {
            let lease = self.pool.lease().await?;
            let outcome = lease.rows(&query).await;
            lease.settle(&outcome);
            outcome.map_err(|error| failure("", &error))
        })
        .await
    }
}

#[async_trait]
impl Backend for PostgresState {
    async fn close(&self) -> Result<(), Error> {
        self.closing.cancel();
        self.pool.close();
        Ok(())
    }
}

fn require_key(key: &str, doing: &str) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("missing key in {doing} operation")));
    }
    Ok(())
}

#[async_trait]
impl StateStore for PostgresState {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        require_key(&request.key, "get")?;
        let rows = self.rows(Query::new(&self.layout.sql.get, [Parameter::Text(&request.key)])).await?;
        rows.first().map(|row| answer::entry(row).and_then(|(_, stored)| stored)).transpose()
    }

    async fn bulk_get(&self, _: &CallContext, requests: &[GetRequest], _: BulkOptions) -> Result<Vec<BulkItem>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&str> = requests.iter().map(|request| request.key.as_str()).collect();
        let rows = self.rows(Query::new(&self.layout.sql.get_many, [Parameter::Texts(&keys)])).await?;
        answer::items(requests, &rows)
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<(), Error> {
        self.change(&self.layout.write(request)?).await
    }

    async fn bulk_set(&self, _: &CallContext, requests: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        let change = |request| self.layout.write(request).map_err(|error| (request.key.clone(), error));
        self.bulk(requests.iter().map(change).collect()).await
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<(), Error> {
        self.change(&self.layout.removal(request)?).await
    }

    async fn bulk_delete(&self, _: &CallContext, requests: &[DeleteRequest], _: BulkOptions) -> Result<(), BulkError> {
        let change = |request| self.layout.removal(request).map_err(|error| (request.key.clone(), error));
        self.bulk(requests.iter().map(change).collect()).await
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

    fn queryable(&self) -> Option<&dyn Queryable> {
        self.layout.keeps_json().then_some(self)
    }
}

#[async_trait]
impl PrefixRemoval for PostgresState {
    async fn delete_with_prefix(&self, _: &CallContext, prefix: &str) -> Result<u64, Error> {
        let prefix = expand_prefix(prefix)?;
        let pattern = format!("{}%", prefix.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let start = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX).saturating_add(1);
        let query = Query::new(&self.layout.sql.remove_below, [Parameter::Text(&pattern), Parameter::Integer(start)]);
        let queries = [query];
        let [query] = &queries;
        let removed = self.in_time(async {
            let mut lease = self.pool.lease().await?;
            let outcome = match lease.prepare(&queries).await {
                Ok(()) => lease.rows(query).await,
                Err(error) => Err(error),
            };
            lease.settle(&outcome);
            outcome.map_err(|error| failure("", &error))
        });
        let count = removed.await?.first().map(|row| answer::column::<i64>(row, 0)).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }
}

#[async_trait]
impl KeyListing for PostgresState {
    async fn keys_like(&self, _: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        if request.pattern.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "keys like pattern cannot be empty"));
        }
        let after = match request.continuation_token.as_deref().filter(|token| !token.is_empty()) {
            None => i64::MIN,
            Some(token) => token.parse().map_err(|error: std::num::ParseIntError| {
                Error::new(ErrorKind::InvalidArgument, "invalid continue token").caused_by(error)
            })?,
        };
        let size = request.page_size.filter(|size| *size > 0);
        let limit = size.map_or(i64::MAX, |size| i64::from(size) + 1);
        let parameters = [Parameter::Text(&request.pattern), Parameter::Integer(after), Parameter::Integer(limit)];
        let rows = self.rows(Query::new(&self.layout.sql.list, parameters)).await?;
        answer::page(&rows, size)
    }
}
