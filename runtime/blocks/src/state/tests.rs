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
    let admission: loaded::Admission = Arc::new(|spec, properties| {
        let settings = admit(spec, &properties)?;
        Ok(loaded::Admitted { properties, settings })
    });
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
    assert!(matches!(store.query(&context(), "{}", Metadata::new()).await, Err(Error::QueryNotSupported { .. })));
    assert!(matches!(store.keys(&context(), ListKeys::default()).await, Err(Error::KeysNotSupported { .. })));

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

#[tokio::test]
async fn keys_are_listed_in_pages_and_only_the_apps_own() {
    let state = state(&[("store", "state.in-memory", "appid"), ("bare", "state.in-memory", "none")]).await;
    let store = state.store("store").unwrap();
    let keys = ["a_1", "a_2", "a%1", "b", "aX1", "A_3"];
    store.save(&context(), keys.iter().map(|key| write(key, "v")).collect()).await.unwrap();
    let raw = state.components.state_store("store").unwrap().pin().unwrap();
    for key in ["other||a_1", "app||Actor||a_1||a_1", "app2||a_1", "a_1"] {
        raw.set(&context(), &write(key, "v")).await.unwrap();
    }
    let list = async |prefix: &str, page_size: Option<u32>| {
        let (mut token, mut all, mut pages) = (None, Vec::new(), 0);
        loop {
            let request = ListKeys { prefix: prefix.to_owned(), page_size, token };
            let page = store.keys(&context(), request).await.unwrap();
            assert!(page.keys.len() <= page_size.unwrap_or(100) as usize);
            all.extend(page.keys);
            pages += 1;
            token = page.token;
            if token.is_none() {
                all.sort();
                return (all, pages);
            }
        }
    };
    assert_eq!(list("a_", None).await, (vec!["a_1".to_owned(), "a_2".to_owned()], 1));
    let (all, pages) = list("", Some(2)).await;
    assert_eq!(all, ["A_3", "a%1", "aX1", "a_1", "a_2", "b"]);
    assert!(pages >= 3);
    assert_eq!(list("a%", Some(1)).await.0, ["a%1"]);

    let bare = state.store("bare").unwrap();
    let raw = state.components.state_store("bare").unwrap().pin().unwrap();
    for key in ["k", "app||k", "other||Actor||1||k"] {
        raw.set(&context(), &write(key, "v")).await.unwrap();
    }
    assert_eq!(bare.keys(&context(), ListKeys::default()).await.unwrap().keys, ["k"]);
}

#[tokio::test]
async fn a_listing_that_makes_no_sense_is_refused() {
    let state = memory().await;
    let store = state.store("store").unwrap();
    let refused = async |request| store.keys(&context(), request).await.unwrap_err().to_string();
    for size in [0, MAX_PAGE + 1] {
        let said = refused(ListKeys { page_size: Some(size), ..ListKeys::default() }).await;
        assert_eq!(said, "the size of a page is from 1 to 1000");
    }
    let said = refused(ListKeys { prefix: "app||Actor".to_owned(), ..ListKeys::default() }).await;
    assert_eq!(said, "input key/keyPrefix 'app||Actor' can't contain '||'");
    let said = refused(ListKeys { token: Some("odd".to_owned()), ..ListKeys::default() }).await;
    assert!(said.starts_with("failed listing keys of state store store: "), "{said}");
}

/// A state API over an in-memory store whose values are encrypted with keys of a secret called `k`.
async fn encrypted() -> State {
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let components = LoadedComponents::default();
    let admission: loaded::Admission = Arc::new(|spec, mut properties| {
        let mut spec = spec.clone();
        for item in &mut spec.metadata {
            item.secret = Some(component::SecretReference { name: "k".to_owned(), key: String::new() });
        }
        let settings = admit(&spec, &properties)?;
        properties = component::Properties::default();
        Ok(loaded::Admitted { properties, settings })
    });
    let loader = Loader::new(Registry::new(local::REGISTRATIONS, &[]), host, admission, components.clone());
    let value = "000102030405060708090a0b0c0d0e0f".to_owned();
    let spec = Spec {
        name: "store".to_owned(),
        namespace: String::new(),
        component_type: "state.in-memory".to_owned(),
        version: "v1".to_owned(),
        metadata: vec![MetadataItem { name: "primaryEncryptionKey".to_owned(), value, secret: None }],
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    State::new("app".into(), "".into(), components)
}

#[tokio::test]
async fn nothing_reaches_an_encrypted_store_in_the_clear_and_everything_comes_back() {
    let state = encrypted().await;
    let store = state.store("store").unwrap();
    assert!(store.encrypts());
    store.save(&context(), vec![write("one", "secret")]).await.unwrap();
    store.save(&context(), vec![write("two", "secret"), write("three", "secret")]).await.unwrap();
    store.transact(&context(), transaction(vec![Operation::Upsert(write("four", "secret"))])).await.unwrap();
    let raw = state.components.state_store("store").unwrap().pin().unwrap();
    for key in ["one", "two", "three", "four"] {
        let stored = raw.get(&context(), &read(&format!("app||{key}"))).await.unwrap().unwrap();
        let text = String::from_utf8(stored.data.to_vec()).unwrap();
        assert!(text.ends_with("||k") && !text.contains("secret"), "{text}");
        assert_eq!(value(&store, key).await.as_deref(), Some(&b"secret"[..]));
    }
    raw.set(&context(), &write("app||clear", "secret")).await.unwrap();
    let keys = ["two", "clear", "none"].map(str::to_owned).to_vec();
    let items = store.bulk_get(&context(), BulkGet { keys, ..BulkGet::default() }).await.unwrap();
    let text = |item: &BulkItem| match &item.result {
        Ok(found) => found.as_ref().map(|stored| stored.data.clone()),
        Err(error) => Some(error.to_string().into()),
    };
    let clear = "could not decrypt data for state store store: encryption key name not found on record";
    let said: Vec<_> = items.iter().map(text).collect();
    assert_eq!(said, [Some("secret".into()), Some(clear.into()), None]);
    let error = store.get(&context(), read("clear")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("fail to get clear from state store store: {clear}"));
}

#[tokio::test]
async fn a_large_binary_value_comes_back_as_it_was() {
    let large: Bytes = (0..=255_u8).cycle().take(10 << 20).collect::<Vec<u8>>().into();
    for state in [memory().await, encrypted().await] {
        let store = state.store("store").unwrap();
        let request = SetRequest { value: large.clone(), ..write("k", "") };
        store.save(&context(), vec![request]).await.unwrap();
        assert!(value(&store, "k").await.unwrap() == large);
    }
}
