//! One configuration store in one check, and what its subscribers hear.

use std::sync::Arc;
use std::time::Duration;

use component::configuration::{Changes, ConfigurationStore, Item, Items, Request};
use component::{CallContext, Constructor, Error};
use tokio::time::{Instant, timeout_at};

use super::ConfigurationStores;
use crate::host::{construction_failed, registration};
use crate::{Apparatus, Backend, Ground};

/// How long a change may take to arrive.
const ARRIVES: Duration = Duration::from_secs(15);

/// A configuration store under test.
#[derive(Clone)]
pub struct Subject {
    pub(super) backend: &'static Backend<ConfigurationStores>,
    pub(super) store: Arc<dyn ConfigurationStore>,
    pub(super) ground: Arc<dyn Ground>,
    scope: Arc<str>,
    apparatus: Apparatus,
}

impl Subject {
    /// A new store of `backend` on its ground. `scope` begins all keys of the check.
    pub(super) async fn open(
        backend: &'static Backend<ConfigurationStores>,
        ground: Arc<dyn Ground>,
        scope: String,
    ) -> Self {
        let Constructor::ConfigurationStore(construct) =
            registration(backend.component_type, backend.version).constructor
        else {
            panic!("{} is no configuration store", backend.component_type);
        };
        let apparatus = Apparatus::default();
        let setup = apparatus.setup(ground.properties().into_iter().collect());
        let made = construct(setup).await;
        let store = made.unwrap_or_else(|error| construction_failed(backend.component_type, &error));
        Self { backend, store, ground, scope: scope.into(), apparatus }
    }

    pub(super) async fn close(self) {
        self.store.close().await.unwrap_or_else(|error| panic!("close: {error}"));
        self.apparatus.all_tasks_ended().await;
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    fn request(&self, names: &[&str]) -> Request {
        let metadata = self.backend.profile.metadata.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Request { keys: names.iter().map(|name| self.key(name)).collect(), metadata: metadata.collect() }
    }

    pub(super) async fn put(&self, name: &str, value: &str, version: &str) {
        self.ground.configure(&self.key(name), Some((value, version))).await;
    }

    pub(super) async fn remove(&self, name: &str) {
        self.ground.configure(&self.key(name), None).await;
    }

    pub(super) async fn try_get(&self, names: &[&str]) -> Result<Items, Error> {
        self.store.get(&CallContext::default(), &self.request(names)).await
    }

    /// The values of the keys of this check, by name.
    pub(super) async fn get(&self, names: &[&str]) -> Vec<(String, Item)> {
        let items = self.try_get(names).await.unwrap_or_else(|error| panic!("get {names:?}: {error}"));
        self.own(items)
    }

    /// What concerns this check. Others write beside it, and a subscriber to everything hears of them.
    fn own(&self, items: Items) -> Vec<(String, Item)> {
        items.into_iter().filter_map(|(key, item)| Some((key.strip_prefix(&*self.scope)?.to_owned(), item))).collect()
    }

    pub(super) async fn subscribe(&self, names: &[&str]) -> Hearing {
        let request = self.request(names);
        let changes = self.store.subscribe(&CallContext::default(), &request).await;
        let changes = changes.unwrap_or_else(|error| panic!("subscribe to {names:?}: {error}"));
        Hearing { subject: self.clone(), changes }
    }
}

/// One subscription.
pub(super) struct Hearing {
    subject: Subject,
    changes: Changes,
}

impl Hearing {
    /// Waits until a key is told with a value; answers everything of this check heard on the way, the last included.
    pub(super) async fn until(&mut self, name: &str, value: &str) -> Vec<(String, Item)> {
        let (end, mut heard) = (Instant::now() + ARRIVES, Vec::new());
        loop {
            let Ok(change) = timeout_at(end, self.changes.recv()).await else {
                panic!("{name:?} was not told with {value:?} after {ARRIVES:?}, but {heard:?}");
            };
            let items = change.unwrap_or_else(|| panic!("the subscription ended; heard before: {heard:?}"));
            heard.extend(self.subject.own(items));
            if heard.iter().any(|(key, item)| key == name && item.value == value) {
                return heard;
            }
        }
    }

    /// Whether the stream ends, whatever waits in it still.
    pub(super) async fn ends(mut self) -> bool {
        let end = Instant::now() + ARRIVES;
        loop {
            match timeout_at(end, self.changes.recv()).await {
                Ok(None) => return true,
                Ok(Some(_)) => {}
                Err(_) => return false,
            }
        }
    }
}
