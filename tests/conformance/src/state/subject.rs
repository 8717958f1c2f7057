//! One store in one check: requests for keys of its own, and short ways to what checks ask most. Every check has a scope
//! of its own in front of its keys, so that all run at once on one server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use component::state::{
    BulkOptions, Concurrency, Consistency, DeleteRequest, GetRequest, KeysPage, KeysRequest, Operation, Options,
    SetRequest, StateStore, Stored, Transaction,
};
use component::{CallContext, Constructor, Error, Metadata};

use super::StateStores;
use crate::host::{construction_failed, registration};
use crate::{Apparatus, Backend, Capability, Ground};

/// What the options of a first write are.
pub(super) const FIRST_WRITE: Options =
    Options { concurrency: Concurrency::FirstWrite, consistency: Consistency::Strong };

/// A store under test.
#[derive(Clone)]
pub struct Subject {
    /// What the backend says of itself.
    pub backend: &'static Backend<StateStores>,
    /// The store.
    pub store: Arc<dyn StateStore>,
    scope: Arc<str>,
    ground: Arc<dyn Ground>,
    apparatus: Apparatus,
    /// Every store made for this check, to be closed after it.
    made: Arc<Mutex<Vec<Arc<dyn StateStore>>>>,
}

/// A context without deadline.
pub(super) fn context() -> CallContext {
    CallContext::default()
}

/// The request with a time to live.
pub(super) fn with_ttl(mut request: SetRequest, seconds: &str) -> SetRequest {
    request.metadata = Metadata::from([("ttlInSeconds".to_owned(), seconds.to_owned())]);
    request
}

impl Subject {
    /// A new store of `backend` on its ground. `scope` begins all keys of the check.
    pub async fn open(backend: &'static Backend<StateStores>, ground: Arc<dyn Ground>, scope: String) -> Self {
        let apparatus = Apparatus::default();
        let store = open(backend, &*ground, &apparatus).await;
        let made = Arc::new(Mutex::new(vec![Arc::clone(&store)]));
        Self { backend, store, scope: scope.into(), ground, apparatus, made }
    }

    /// A second component on the same data; the same one where a backend shares nothing.
    pub(super) async fn another(&self) -> Self {
        if !self.backend.profile.shared {
            return self.clone();
        }
        let store = open(self.backend, &*self.ground, &self.apparatus).await;
        self.made.lock().expect("no check panics with the list in hand").push(Arc::clone(&store));
        Self { store, ..self.clone() }
    }

    pub(super) fn ground(&self) -> &dyn Ground {
        &*self.ground
    }

    /// Closes every store of the check and holds it against what closing promises.
    ///
    /// # Panics
    /// When a store cannot be closed or leaves a task behind.
    pub async fn close(self) {
        let stores = std::mem::take(&mut *self.made.lock().expect("no check panics with the list in hand"));
        for store in stores {
            store.close().await.unwrap_or_else(|error| panic!("close: {error}"));
        }
        self.apparatus.all_tasks_ended().await;
    }

    /// Whether the backend declares a capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.backend.has(capability)
    }

    /// Lets time pass for the store: at once where it takes its time from us.
    pub(super) async fn pass(&self, time: Duration) {
        match self.backend.profile.uses_given_clock {
            true => self.apparatus.clock.advance(time),
            false => tokio::time::sleep(time).await,
        }
    }

    /// The time of day the store is told.
    pub(super) fn now(&self) -> std::time::SystemTime {
        self.apparatus.clock.now()
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    /// A pattern over this check's keys.
    pub(super) fn pattern(&self, pattern: &str) -> String {
        format!("{}{pattern}", escaped(&self.scope))
    }

    pub(super) fn write(&self, name: &str, value: &str) -> SetRequest {
        SetRequest { key: self.key(name), value: Bytes::from(value.to_owned()), ..SetRequest::default() }
    }

    pub(super) fn removal(&self, name: &str) -> DeleteRequest {
        DeleteRequest { key: self.key(name), ..DeleteRequest::default() }
    }

    pub(super) fn read(&self, name: &str) -> GetRequest {
        GetRequest { key: self.key(name), ..GetRequest::default() }
    }

    pub(super) async fn try_set(&self, request: &SetRequest) -> Result<(), Error> {
        self.store.set(&context(), request).await
    }

    pub(super) async fn try_delete(&self, request: &DeleteRequest) -> Result<(), Error> {
        self.store.delete(&context(), request).await
    }

    pub(super) async fn set(&self, name: &str, value: &str) {
        self.try_set(&self.write(name, value)).await.unwrap_or_else(|error| panic!("set {name:?}: {error}"));
    }

    pub(super) async fn delete(&self, name: &str) {
        self.try_delete(&self.removal(name)).await.unwrap_or_else(|error| panic!("delete {name:?}: {error}"));
    }

    pub(super) async fn get(&self, name: &str) -> Option<Stored> {
        self.store.get(&context(), &self.read(name)).await.unwrap_or_else(|error| panic!("get {name:?}: {error}"))
    }

    /// The value as text.
    pub(super) async fn value(&self, name: &str) -> Option<String> {
        self.get(name).await.map(|stored| String::from_utf8_lossy(&stored.data).into_owned())
    }

    pub(super) async fn etag(&self, name: &str) -> String {
        let stored = self.get(name).await.unwrap_or_else(|| panic!("{name:?} is not there"));
        stored.etag.expect("a store with ETags always answers one").to_string()
    }

    /// The values of many keys as text, each read well.
    pub(super) async fn values(&self, names: &[&str]) -> Vec<Option<String>> {
        let requests: Vec<_> = names.iter().map(|name| self.read(name)).collect();
        let items = self.store.bulk_get(&context(), &requests, BulkOptions::default()).await.expect("bulk get");
        assert_eq!(items.len(), names.len(), "one answer per key");
        let text = |stored: Stored| String::from_utf8_lossy(&stored.data).into_owned();
        items.into_iter().map(|item| item.result.expect("bulk get of one key").map(text)).collect()
    }

    pub(super) async fn transact(&self, operations: Vec<Operation>) -> Result<(), Error> {
        let transaction = Transaction { operations, metadata: Metadata::new() };
        let transactional = self.store.transactional().expect("the backend declares transactions");
        transactional.transact(&context(), &transaction).await
    }

    pub(super) async fn list(&self, request: &KeysRequest) -> Result<KeysPage, Error> {
        self.store.key_listing().expect("the backend declares key listing").keys_like(&context(), request).await
    }

    /// All keys that match, without this check's scope, sorted.
    pub(super) async fn listed(&self, pattern: &str) -> Vec<String> {
        let request = KeysRequest { pattern: self.pattern(pattern), ..KeysRequest::default() };
        let page = self.list(&request).await.unwrap_or_else(|error| panic!("keys like {pattern:?}: {error}"));
        assert_eq!(page.continuation_token, None, "all keys fit when no page size is asked for");
        let mut names: Vec<_> = page.keys.iter().map(|key| self.name_of(key)).collect();
        names.sort();
        names
    }

    /// A key without this check's scope.
    pub(super) fn name_of(&self, key: &str) -> String {
        key.strip_prefix(&*self.scope).unwrap_or_else(|| panic!("{key:?} is not of this check")).to_owned()
    }

    /// Waits until a key is gone; at most the time given.
    pub(super) async fn gone_within(&self, name: &str, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while self.get(name).await.is_some() {
            assert!(tokio::time::Instant::now() < end, "{name:?} is still there after {time:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn open(backend: &Backend<StateStores>, ground: &dyn Ground, apparatus: &Apparatus) -> Arc<dyn StateStore> {
    let Constructor::StateStore(construct) = registration(backend.component_type, backend.version).constructor else {
        panic!("{} is no state store", backend.component_type);
    };
    let setup = apparatus.setup(ground.properties().into_iter().collect());
    construct(setup).await.unwrap_or_else(|error| construction_failed(backend.component_type, &error))
}

/// Text that matches itself in a pattern.
pub(super) fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|letter| matches!(letter, '%' | '_' | '\\').then_some('\\').into_iter().chain([letter]))
        .collect()
}
