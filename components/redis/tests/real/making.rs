//! Makes components the way the loader makes them.

use std::sync::Arc;

use bytes::Bytes;
use component::configuration::ConfigurationStore;
use component::lock::LockStore;
use component::pubsub::PubSub;
use component::state::{GetRequest, SetRequest, StateStore};
use component::{CallContext, Constructor, Error, Host, Setup, Tasks};
use tokio_util::task::TaskTracker;

pub(crate) fn context() -> CallContext {
    CallContext::default()
}

fn constructor(component_type: &str) -> Constructor {
    let rows = trilby_component_redis::REGISTRATIONS;
    rows.iter().find(|row| row.component_type == component_type).unwrap().constructor
}

fn setup(properties: &[(&str, &str)]) -> Setup {
    let tracker = TaskTracker::new();
    let tasks = Tasks::new(move |_, work| drop(tracker.spawn(work)));
    let properties = properties.iter().copied().collect();
    Setup { name: "store".to_owned(), properties, host: Host::new("app", "", tasks) }
}

pub(crate) async fn state(properties: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    let Constructor::StateStore(construct) = constructor("state.redis") else { panic!("it is another kind") };
    construct(setup(properties)).await
}

pub(crate) async fn configuration(properties: &[(&str, &str)]) -> Result<Arc<dyn ConfigurationStore>, Error> {
    let Constructor::ConfigurationStore(construct) = constructor("configuration.redis") else {
        panic!("it is another kind")
    };
    construct(setup(properties)).await
}

pub(crate) async fn lock(properties: &[(&str, &str)]) -> Result<Arc<dyn LockStore>, Error> {
    let Constructor::LockStore(construct) = constructor("lock.redis") else { panic!("it is another kind") };
    construct(setup(properties)).await
}

pub(crate) async fn pubsub(properties: &[(&str, &str)]) -> Result<Arc<dyn PubSub>, Error> {
    let Constructor::PubSub(construct) = constructor("pubsub.redis") else { panic!("it is another kind") };
    construct(setup(properties)).await
}

pub(crate) fn write(key: &str, value: &str) -> SetRequest {
    SetRequest { key: key.to_owned(), value: Bytes::from(value.to_owned()), ..SetRequest::default() }
}

pub(crate) async fn set(store: &dyn StateStore, key: &str, value: &str) -> Result<(), Error> {
    store.set(&context(), &write(key, value)).await
}

/// Value and ETag.
pub(crate) async fn get(store: &dyn StateStore, key: &str) -> Result<Option<(String, String)>, Error> {
    let stored = store.get(&context(), &GetRequest { key: key.to_owned(), ..GetRequest::default() }).await?;
    Ok(stored.map(|stored| {
        let etag = stored.etag.map(|etag| etag.to_string()).unwrap_or_default();
        (String::from_utf8(stored.data.to_vec()).unwrap(), etag)
    }))
}
