//! `state.embedded`: state in the hub. A key's last revision is its ETag; a transaction is one of the ledger; a value that ends does so
//! by the hub's clock, to the millisecond. Called through `loaded`.

mod change;
mod listing;

use std::sync::Arc;

use async_trait::async_trait;
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, KeyListing, Operation, PrefixRemoval, SetRequest,
    StateStore, Stored, TTL_EXPIRE_TIME, Transaction, Transactional,
};
use component::{Backend, CallContext, Constructing, Error, Metadata, Setup};
use hubclient::layout::Area;
use wire::hub::{self, KeyValue};

use crate::connection::{Hub, accepted, failed, one};
use change::{Change, explain};

/// Keys of one request to the hub.
const AT_ONCE: usize = 256;
/// No more values are put into a request that has so many bytes.
const BYTES_AT_ONCE: usize = 16 << 20;

struct HubState {
    hub: Hub,
}

/// Makes the store.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move {
        let store: Arc<dyn StateStore> = Arc::new(HubState { hub: Hub::open(setup, Area::State).await? });
        Ok(store)
    })
}

/// A value as callers get it.
fn stored(entry: KeyValue) -> Stored {
    let ends = entry.ends.and_then(|ends| i64::try_from(ends / 1000).ok());
    let ends = ends.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let metadata: Metadata = ends.into_iter().map(|ends| (TTL_EXPIRE_TIME.to_owned(), ends.to_string())).collect();
    Stored { data: entry.value, etag: Some(entry.mod_revision.to_string().into()), metadata }
}

impl HubState {
    /// Does changes each for itself, in their order.
    async fn bulk(&self, changes: Vec<(String, Result<Change, Error>)>) -> Result<(), BulkError> {
        let mut failed_items = Vec::new();
        let mut waiting = Vec::new();
        let mut bytes = 0;
        for (key, change) in changes {
            match change {
                Ok(change) => {
                    bytes += change.bytes();
                    waiting.push((key, change));
                }
                Err(error) => failed_items.push((key, error)),
            }
            if waiting.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
                self.send(std::mem::take(&mut waiting), &mut failed_items).await?;
                bytes = 0;
            }
        }
        self.send(waiting, &mut failed_items).await?;
        BulkError::from_items(failed_items)
    }

    async fn send(&self, changes: Vec<(String, Change)>, failed_items: &mut Vec<(String, Error)>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let transactions =
            changes.iter().map(|(_, change)| change::transaction(std::slice::from_ref(change))).collect();
        let answers = self.hub.client.transact(transactions).await.map_err(failed)?;
        for ((key, change), answer) in changes.into_iter().zip(answers) {
            let done = accepted(answer).and_then(|answer| explain(std::slice::from_ref(&change), &answer));
            if let Err(error) = done {
                failed_items.push((key, error));
            }
        }
        Ok(())
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let answer = self.hub.transact(change::transaction(changes)).await?;
        explain(changes, &answer)
    }

    fn write(&self, request: &SetRequest) -> Result<Change, Error> {
        Change::write(request, self.hub.full(&request.key))
    }

    fn removal(&self, request: &DeleteRequest) -> Result<Change, Error> {
        Change::removal(request, self.hub.full(&request.key))
    }
}

#[async_trait]
impl Backend for HubState {
    async fn close(&self) -> Result<(), Error> {
        self.hub.client.close().await;
        Ok(())
    }
}

#[async_trait]
impl StateStore for HubState {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        Ok(self.hub.read_one(&request.key).await?.map(stored))
    }

    async fn bulk_get(&self, _: &CallContext, requests: &[GetRequest], _: BulkOptions) -> Result<Vec<BulkItem>, Error> {
        let mut items = Vec::with_capacity(requests.len());
        for requests in requests.chunks(AT_ONCE) {
            let ranges = requests.iter().map(|request| one(self.hub.full(&request.key))).collect();
            let answers = self.hub.client.read(ranges).await.map_err(failed)?;
            for (request, answer) in requests.iter().zip(answers) {
                let found: Option<hub::KeyValue> = answer.entries.into_iter().next();
                items.push(BulkItem { key: request.key.clone(), result: Ok(found.map(stored)) });
            }
        }
        Ok(items)
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<(), Error> {
        self.commit(&[self.write(request)?]).await
    }

    async fn bulk_set(&self, _: &CallContext, requests: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        self.bulk(requests.iter().map(|request| (request.key.clone(), self.write(request))).collect()).await
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<(), Error> {
        self.commit(&[self.removal(request)?]).await
    }

    async fn bulk_delete(&self, _: &CallContext, requests: &[DeleteRequest], _: BulkOptions) -> Result<(), BulkError> {
        self.bulk(requests.iter().map(|request| (request.key.clone(), self.removal(request))).collect()).await
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

#[async_trait]
impl Transactional for HubState {
    async fn transact(&self, _: &CallContext, transaction: &Transaction) -> Result<(), Error> {
        let changes = transaction.operations.iter().map(|operation| match operation {
            Operation::Upsert(request) => self.write(request),
            Operation::Delete(request) => self.removal(request),
        });
        self.commit(&changes.collect::<Result<Vec<_>, _>>()?).await
    }
}
