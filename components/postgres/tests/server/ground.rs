//! Stores on a server of the test, and requests in few words. Used by the files beside it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use component::state::{DeleteRequest, GetRequest, Operation, SetRequest, StateStore, Stored, Transaction};
use component::{CallContext, Constructor, Error, Host, Metadata, Properties, Setup, Tasks, Version};
use servers::{Postgres, PostgresBuilder};
use tokio_util::task::TaskTracker;

pub(crate) const VERSIONS: [&str; 2] = ["v1", "v2"];

pub(crate) async fn start(builder: PostgresBuilder) -> Option<Postgres> {
    tokio::task::spawn_blocking(|| builder.start()).await.unwrap()
}

/// The store that a component resource with this metadata would be.
pub(crate) async fn try_open(version: &str, metadata: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    let is_wanted = |version: &str, given: Version| matches!(given, Version::Named { name, .. } if name == version);
    let mut rows = trilby_component_postgres::REGISTRATIONS.iter();
    let row = rows.find(|row| is_wanted(version, row.version)).unwrap();
    let Constructor::StateStore(construct) = row.constructor else { panic!("no state store") };
    let tracker = TaskTracker::new();
    let host = Host::new("app", "", Tasks::new(move |_, work| drop(tracker.spawn(work))));
    let properties: Properties = metadata.iter().copied().collect();
    construct(Setup { name: "store".to_owned(), properties, host }).await
}

pub(crate) async fn open(version: &str, metadata: &[(&str, &str)]) -> Arc<dyn StateStore> {
    try_open(version, metadata).await.unwrap_or_else(|error| panic!("{version}: {error}"))
}

pub(crate) fn write(key: &str, value: &str) -> SetRequest {
    SetRequest { key: key.to_owned(), value: value.to_owned().into(), ..SetRequest::default() }
}

pub(crate) fn json(key: &str, value: &str) -> SetRequest {
    SetRequest { json: true, ..write(key, value) }
}

pub(crate) fn ending(key: &str, seconds: &str) -> SetRequest {
    let metadata = Metadata::from([("ttlInSeconds".to_owned(), seconds.to_owned())]);
    SetRequest { metadata, ..json(key, "\"t\"") }
}

pub(crate) async fn set(store: &dyn StateStore, request: &SetRequest) -> Result<(), Error> {
    store.set(&CallContext::default(), request).await
}

pub(crate) async fn get(store: &dyn StateStore, key: &str) -> Result<Option<Stored>, Error> {
    store.get(&CallContext::default(), &GetRequest { key: key.to_owned(), ..GetRequest::default() }).await
}

pub(crate) async fn value(store: &dyn StateStore, key: &str) -> Option<Vec<u8>> {
    get(store, key).await.unwrap().map(|stored| stored.data.to_vec())
}

pub(crate) async fn delete(store: &dyn StateStore, key: &str, etag: Option<String>) -> Result<(), Error> {
    let request = DeleteRequest { key: key.to_owned(), etag, ..DeleteRequest::default() };
    store.delete(&CallContext::default(), &request).await
}

pub(crate) async fn transact(store: &dyn StateStore, requests: Vec<SetRequest>) -> Result<(), Error> {
    let operations = requests.into_iter().map(Operation::Upsert).collect();
    let transaction = Transaction { operations, metadata: Metadata::new() };
    store.transactional().unwrap().transact(&CallContext::default(), &transaction).await
}

/// Waits for something to become so.
pub(crate) async fn within<F: Future<Output = bool>>(limit: Duration, what: &str, mut is_so: impl FnMut() -> F) {
    let end = Instant::now() + limit;
    while !is_so().await {
        assert!(Instant::now() < end, "not so within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
