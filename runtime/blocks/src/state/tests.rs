//! What the state API promises, on the in-memory store and on one that can do little.

use bytes::Bytes;
use component::state::{BulkError, Concurrency, Options, Transactional};
use component::{
    Backend, Constructing, Constructor, ErrorKind, Host, MetadataItem, Registration, Registry, Setup, Spec, Tasks,
    Version,
};
use loaded::Loader;

use super::*;

/// A store that fails at everything, and may have transactions of at most two operations.
struct Poor {
    transactions: bool,
}

impl Backend for Poor {}

fn broken() -> component::Error {
    component::Error::new(ErrorKind::Unavailable, "broken")
}

#[async_trait::async_trait]
impl StateStore for Poor {
    async fn get(&self, _: &CallContext, _: &GetRequest) -> Result<Option<Stored>, component::Error> {
        Err(broken())
    }

    async fn bulk_get(
        &self,
        _: &CallContext,
        _: &[GetRequest],
        options: BulkOptions,
    ) -> Result<Vec<BulkItem>, component::Error> {
        assert_eq!(options.parallelism, None, "zero means no limit");
        Err(broken())
    }

    async fn set(&self, _: &CallContext, _: &SetRequest) -> Result<(), component::Error> {
        Err(broken())
    }

    async fn bulk_set(&self, _: &CallContext, _: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        Err(broken().into())
    }

    async fn delete(&self, _: &CallContext, _: &DeleteRequest) -> Result<(), component::Error> {
        Err(broken())
    }

    async fn bulk_delete(&self, _: &CallContext, _: &[DeleteRequest], _: BulkOptions) -> Result<(), BulkError> {
        Err(broken().into())
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        self.transactions.then_some(self as &dyn Transactional)
    }
}

#[async_trait::async_trait]
impl Transactional for Poor {
    async fn transact(&self, _: &CallContext, _: &Transaction) -> Result<(), component::Error> {
        Err(broken())
    }

    fn maximum_operations(&self) -> Option<usize> {
        Some(2)
    }
}

fn poor(_: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async { Ok(Arc::new(Poor { transactions: false }) as Arc<dyn StateStore>) })
}

fn narrow(_: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async { Ok(Arc::new(Poor { transactions: true }) as Arc<dyn StateStore>) })
}

const fn row(component_type: &'static str, make: fn(Setup) -> Constructing<dyn StateStore>) -> Registration {
    let constructor = Constructor::StateStore(make);
    Registration { component_type, aliases: &[], version: Version::Any, summary: "", fields: &[], constructor }
}

const ROWS: &[Registration] = &[row("state.poor", poor), row("state.narrow", narrow)];

async fn state(stores: &[(&str, &str, &str)]) -> State {
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let components = LoadedComponents::default();
    let registry = Registry::new(local::REGISTRATIONS.iter().chain(ROWS), &[]);
    let admission: loaded::Admission = Arc::new(|spec, properties| admit(spec, &properties).map(|()| properties));
    let loader = Loader::new(registry, host, admission, components.clone());
    let spec = |(name, component_type, prefix): &(&str, &str, &str)| Spec {
        name: (*name).to_owned(),
        namespace: String::new(),
        component_type: (*component_type).to_owned(),
        version: "v1".to_owned(),
        metadata: vec![MetadataItem { name: "keyPrefix".to_owned(), value: (*prefix).to_owned(), secret: None }],
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(stores.iter().map(spec).collect()).await.unwrap();
    State::new("app".into(), "".into(), components)
}

async fn memory() -> State {
    state(&[("store", "state.in-memory", "appid")]).await
}

fn context() -> CallContext {
    CallContext::default()
}

fn write(key: &str, value: &'static str) -> SetRequest {
    SetRequest { key: key.to_owned(), value: Bytes::from_static(value.as_bytes()), ..SetRequest::default() }
}

fn read(key: &str) -> GetRequest {
    GetRequest { key: key.to_owned(), ..GetRequest::default() }
}

fn removal(key: &str) -> DeleteRequest {
    DeleteRequest { key: key.to_owned(), ..DeleteRequest::default() }
}

async fn value(store: &Store<'_>, key: &str) -> Option<Bytes> {
    store.get(&context(), read(key)).await.unwrap().map(|stored| stored.data)
}

#[tokio::test]
async fn missing_stores_are_told_apart() {
    let none = State::new("app".into(), "".into(), LoadedComponents::default());
    assert!(matches!(none.store("store"), Err(Error::NotConfigured { .. })));
    assert!(matches!(memory().await.store("other"), Err(Error::NotFound { store }) if store == "other"));
}

#[tokio::test]
async fn values_are_kept_under_the_apps_prefix_and_come_back_under_its_own_key() {
    let state = memory().await;
    let store = state.store("store").unwrap();
    store.save(&context(), vec![write("k", "v"), write("l", "w")]).await.unwrap();
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"v"[..]));

    let bare = state.components.state_store("store").unwrap().pin().unwrap();
    let listing = bare.key_listing().unwrap();
    let pattern = component::state::KeysRequest { pattern: "%".to_owned(), ..Default::default() };
    assert_eq!(listing.keys_like(&context(), &pattern).await.unwrap().keys, ["app||k", "app||l"]);

    let keys = ["l", "none", "k"].map(str::to_owned).to_vec();
    let items = store.bulk_get(&context(), BulkGet { keys, ..BulkGet::default() }).await.unwrap();
    let found: Vec<_> = items.into_iter().map(|item| (item.key, item.result.unwrap().is_some())).collect();
    assert_eq!(found, [("l".to_owned(), true), ("none".to_owned(), false), ("k".to_owned(), true)]);

    store.delete(&context(), removal("k")).await.unwrap();
    store.bulk_delete(&context(), vec![removal("l"), removal("none")]).await.unwrap();
    assert_eq!((value(&store, "k").await, value(&store, "l").await), (None, None));
}

#[tokio::test]
async fn stale_etag_is_refused() {
    let state = memory().await;
    let store = state.store("store").unwrap();
    store.save(&context(), vec![write("k", "1"), write("l", "1")]).await.unwrap();
    let stale = |key| SetRequest { etag: Some("stale".to_owned()), ..write(key, "2") };
    let Err(Error::Save { source, .. }) = store.save(&context(), vec![stale("k")]).await else { panic!("not refused") };
    assert_eq!(source.kind(), ErrorKind::EtagMismatch);
    let error = store.save(&context(), vec![stale("k"), write("l", "2")]).await.unwrap_err();
    assert!(
        error.to_string().starts_with(
            "failed saving state in state store store: possible etag mismatch. error from state store: possible etag \
             mismatch. error from state store: state etag not match for key=app||k: current="
        ),
        "{error}"
    );
    assert_eq!(value(&store, "l").await.as_deref(), Some(&b"2"[..]));
    let first = Options { concurrency: Concurrency::FirstWrite, ..Options::default() };
    let error = store.delete(&context(), DeleteRequest { options: first, ..removal("k") }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed deleting state with key k: possible etag mismatch. error from state store: item already exists and no \
         etag was passed"
    );
}

#[tokio::test]
async fn an_illegal_key_stops_a_request_before_anything_is_done() {
    let state = memory().await;
    let store = state.store("store").unwrap();
    let error = store.save(&context(), vec![write("k", "1"), write("a||b", "2")]).await.unwrap_err();
    assert_eq!(error.to_string(), "input key/keyPrefix 'a||b' can't contain '||'");
    assert!(matches!(error, Error::IllegalKey { key, .. } if key == "a||b"));
    assert!(matches!(store.save(&context(), vec![write("k", "1"), write("", "2")]).await, Err(Error::EmptyKey { .. })));
    assert_eq!(value(&store, "k").await, None);
    assert!(matches!(store.get(&context(), read("a||b")).await, Err(Error::IllegalKey { .. })));
    let keys = vec!["a||b".to_owned()];
    let got = store.bulk_get(&context(), BulkGet { keys, ..BulkGet::default() }).await;
    assert!(matches!(got, Err(Error::IllegalKey { .. })));
}

fn transaction(operations: Vec<Operation>) -> Transaction {
    Transaction { operations, ..Transaction::default() }
}

#[tokio::test]
async fn a_transaction_is_done_in_order_and_as_a_whole() {
    let state = memory().await;
    let store = state.store("store").unwrap();
    let upsert = |key: &str, value| Operation::Upsert(write(key, value));
    store
        .transact(&context(), transaction(vec![upsert("k", "1"), Operation::Delete(removal("k")), upsert("l", "2")]))
        .await
        .unwrap();
    assert_eq!((value(&store, "k").await, value(&store, "l").await.as_deref()), (None, Some(&b"2"[..])));
    let stale = Operation::Delete(DeleteRequest { etag: Some("stale".to_owned()), ..removal("l") });
    let error = store.transact(&context(), transaction(vec![upsert("k", "1"), stale])).await.unwrap_err();
    assert!(
        error.to_string().starts_with("error while executing state transaction: possible etag mismatch"),
        "{error}"
    );
    assert_eq!(value(&store, "k").await, None);
    store.transact(&context(), Transaction::default()).await.unwrap();
}

#[tokio::test]
async fn what_a_store_cannot_do_is_said_so() {
    let state = state(&[("poor", "state.poor", "none"), ("narrow", "state.narrow", "none")]).await;
    let store = state.store("poor").unwrap();
    assert!(matches!(store.require_transactions(), Err(Error::TransactionsNotSupported { .. })));
    assert!(matches!(
        store.transact(&context(), Transaction::default()).await,
        Err(Error::TransactionsNotSupported { .. })
    ));
    assert!(matches!(store.query(), Err(Error::QueryNotSupported { .. })));

    let narrow = state.store("narrow").unwrap();
    let operations = |count| transaction(vec![Operation::Delete(removal("k")); count]);
    let error = narrow.transact(&context(), operations(3)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the transaction contains 3 operations, which is more than what the state store supports: 2"
    );
    assert!(matches!(narrow.transact(&context(), operations(2)).await, Err(Error::Transaction { .. })));
}

#[tokio::test]
async fn failures_name_the_store_and_the_apps_key() {
    let state = state(&[("poor", "state.poor", "name")]).await;
    let store = state.store("poor").unwrap();
    let text = |error: Error| error.to_string();
    assert_eq!(
        text(store.get(&context(), read("k")).await.unwrap_err()),
        "fail to get k from state store poor: broken"
    );
    let bulk = BulkGet { keys: vec!["k".to_owned()], parallelism: Some(0), ..BulkGet::default() };
    assert_eq!(text(store.bulk_get(&context(), bulk).await.unwrap_err()), "broken");
    assert_eq!(
        text(store.save(&context(), vec![write("k", "v")]).await.unwrap_err()),
        "failed saving state in state store poor: broken"
    );
    assert_eq!(
        text(store.delete(&context(), removal("k")).await.unwrap_err()),
        "failed deleting state with key k: broken"
    );
    assert_eq!(
        text(store.bulk_delete(&context(), vec![removal("k"), removal("l")]).await.unwrap_err()),
        "failed deleting state in state store poor: broken"
    );
    store.save(&context(), vec![]).await.unwrap();
    store.bulk_delete(&context(), vec![]).await.unwrap();
    assert!(store.bulk_get(&context(), BulkGet::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_may_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let state = memory().await;
    let (store, context) = (state.store("store").unwrap(), context());
    movable(store.get(&context, read("k")));
    movable(store.bulk_get(&context, BulkGet::default()));
    movable(store.save(&context, vec![]));
    movable(store.delete(&context, removal("k")));
    movable(store.bulk_delete(&context, vec![]));
    movable(store.transact(&context, Transaction::default()));
}
