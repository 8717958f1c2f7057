//! Stores on a server of the test, and requests in few words. Used by the files beside it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use component::state::{GetRequest, SetRequest, StateStore, Stored};
use component::{CallContext, Constructor, Error, Host, Properties, Setup, Tasks, Version};
use servers::{Etcd, EtcdBuilder};
use tokio_util::task::TaskTracker;

pub(crate) async fn start(builder: EtcdBuilder) -> Option<Etcd> {
    tokio::task::spawn_blocking(move || builder.start()).await.unwrap()
}

/// The store that a component resource with this metadata would be.
pub(crate) async fn try_open(version: &str, metadata: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    let is_wanted = |version: &str, given: Version| matches!(given, Version::Named { name, .. } if name == version);
    let mut rows = trilby_component_etcd::REGISTRATIONS.iter();
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

pub(crate) fn write(key: &str, value: impl Into<Vec<u8>>) -> SetRequest {
    let value: Vec<u8> = value.into();
    SetRequest { key: key.to_owned(), value: value.into(), ..SetRequest::default() }
}

pub(crate) async fn set(store: &dyn StateStore, key: &str, value: &str) -> Result<(), Error> {
    store.set(&CallContext::default(), &write(key, value)).await
}

pub(crate) async fn get(store: &dyn StateStore, key: &str) -> Result<Option<Stored>, Error> {
    store.get(&CallContext::default(), &GetRequest { key: key.to_owned(), ..GetRequest::default() }).await
}

pub(crate) async fn value(store: &dyn StateStore, key: &str) -> Option<Vec<u8>> {
    get(store, key).await.unwrap().map(|stored| stored.data.to_vec())
}

/// Waits for something to become so.
pub(crate) async fn within<F: Future<Output = bool>>(limit: Duration, what: &str, mut is_so: impl FnMut() -> F) {
    let end = Instant::now() + limit;
    while !is_so().await {
        assert!(Instant::now() < end, "not so within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
