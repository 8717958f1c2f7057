//! What every state store promises, as functions over `&dyn StateStore` that look at the store's own abilities. Run
//! here on the store that needs no server; a backend with one calls `conforms` with a store of its own. Keys start with
//! `scope`, so that runs can share a server.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed promise fails its test")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use component::state::{
    BulkError, BulkOptions, Concurrency, DeleteRequest, GetRequest, KeysRequest, Operation, Options, SetRequest,
    StateStore, Stored, Transaction,
};
use component::{CallContext, Constructor, ErrorKind, Host, Metadata, Properties, Setup, Tasks};
use tokio_util::task::TaskTracker;

/// One store under test.
struct Subject<'a> {
    store: &'a dyn StateStore,
    scope: &'a str,
}

/// Holds a store against everything it says it can do.
async fn conforms(store: &dyn StateStore, scope: &str) {
    let subject = Subject { store, scope };
    subject.values_come_back_unchanged().await;
    subject.a_removed_key_is_gone_and_removing_it_again_is_no_error().await;
    subject.bulk_reads_answer_every_key_in_order().await;
    subject.bulk_writes_and_removals_do_all().await;
    if store.etag() {
        subject.only_the_current_etag_is_accepted().await;
        subject.first_write_without_an_etag_only_makes_new_keys().await;
        subject.bulk_failures_name_their_keys_and_spare_the_others().await;
        subject.of_many_writers_with_one_etag_one_wins().await;
    }
    if store.ttl() {
        subject.a_value_ends_after_its_time_and_not_before().await;
        subject.a_bad_time_to_live_is_refused().await;
    }
    if store.transactional().is_some() {
        subject.a_transaction_does_its_operations_in_order().await;
        subject.a_refused_operation_undoes_the_whole_transaction().await;
    }
    if store.prefix_removal().is_some() {
        subject.removal_by_prefix_spares_deeper_and_other_keys().await;
    }
    if store.key_listing().is_some() {
        subject.keys_are_listed_by_pattern_and_page().await;
    }
}

fn context() -> CallContext {
    CallContext::default()
}

fn with_ttl(mut request: SetRequest, seconds: &str) -> SetRequest {
    request.metadata = Metadata::from([("ttlInSeconds".to_owned(), seconds.to_owned())]);
    request
}

const FIRST_WRITE: Options =
    Options { concurrency: Concurrency::FirstWrite, consistency: component::state::Consistency::Unspecified };

impl Subject<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}-{name}", self.scope)
    }

    fn write(&self, name: &str, value: &str) -> SetRequest {
        SetRequest { key: self.key(name), value: Bytes::from(value.to_owned()), ..SetRequest::default() }
    }

    fn removal(&self, name: &str) -> DeleteRequest {
        DeleteRequest { key: self.key(name), ..DeleteRequest::default() }
    }

    fn read(&self, name: &str) -> GetRequest {
        GetRequest { key: self.key(name), ..GetRequest::default() }
    }

    async fn set(&self, name: &str, value: &str) {
        self.store.set(&context(), &self.write(name, value)).await.unwrap();
    }

    async fn get(&self, name: &str) -> Option<Stored> {
        self.store.get(&context(), &self.read(name)).await.unwrap()
    }

    async fn value(&self, name: &str) -> Option<String> {
        self.get(name).await.map(|stored| String::from_utf8(stored.data.to_vec()).unwrap())
    }

    async fn etag(&self, name: &str) -> String {
        self.get(name).await.unwrap().etag.expect("a store with ETags always answers one").to_string()
    }

    async fn values_come_back_unchanged(&self) {
        for (name, value) in
            [("text", "hi"), ("json", r#"{"b":1,"a":[1.50]}"#), ("empty", ""), ("unicode", "grüß 世界\n")]
        {
            self.set(name, value).await;
            assert_eq!(self.value(name).await.as_deref(), Some(value));
        }
        self.set("text", "again").await;
        assert_eq!(self.value("text").await.as_deref(), Some("again"));
        let binary = SetRequest { value: Bytes::from_static(&[0, 255, 1]), ..self.write("binary", "") };
        self.store.set(&context(), &binary).await.unwrap();
        assert_eq!(&self.get("binary").await.unwrap().data[..], &[0, 255, 1]);
    }

    async fn a_removed_key_is_gone_and_removing_it_again_is_no_error(&self) {
        self.set("gone", "1").await;
        for _ in 0..2 {
            self.store.delete(&context(), &self.removal("gone")).await.unwrap();
            assert_eq!(self.get("gone").await, None);
        }
    }

    async fn bulk_reads_answer_every_key_in_order(&self) {
        self.set("bulk-a", "1").await;
        self.set("bulk-c", "3").await;
        let names = ["bulk-c", "bulk-b", "bulk-a"];
        let requests: Vec<_> = names.iter().map(|name| self.read(name)).collect();
        for parallelism in [None, Some(1)] {
            let items = self.store.bulk_get(&context(), &requests, BulkOptions { parallelism }).await.unwrap();
            let found: Vec<_> =
                items.into_iter().map(|item| (item.key, item.result.unwrap().map(|stored| stored.data))).collect();
            let expected = names.map(|name| self.key(name)).into_iter().zip([Some("3".into()), None, Some("1".into())]);
            assert_eq!(found, expected.collect::<Vec<_>>());
        }
        assert!(self.store.bulk_get(&context(), &[], BulkOptions::default()).await.unwrap().is_empty());
    }

    async fn bulk_writes_and_removals_do_all(&self) {
        let writes = ["many-1", "many-2", "many-3"].map(|name| self.write(name, name));
        self.store.bulk_set(&context(), &writes, BulkOptions::default()).await.unwrap();
        assert_eq!(self.value("many-2").await.as_deref(), Some("many-2"));
        let removals = ["many-1", "many-3", "never"].map(|name| self.removal(name));
        self.store.bulk_delete(&context(), &removals, BulkOptions::default()).await.unwrap();
        assert_eq!((self.get("many-1").await, self.get("many-3").await), (None, None));
        assert!(self.get("many-2").await.is_some());
    }

    async fn only_the_current_etag_is_accepted(&self) {
        self.set("versioned", "1").await;
        let first = self.etag("versioned").await;
        self.set("versioned", "2").await;
        let second = self.etag("versioned").await;
        assert_ne!(first, second);

        let stale = SetRequest { etag: Some(first.clone()), ..self.write("versioned", "3") };
        assert_eq!(self.store.set(&context(), &stale).await.unwrap_err().kind(), ErrorKind::EtagMismatch);
        let stale = DeleteRequest { etag: Some(first), ..self.removal("versioned") };
        assert_eq!(self.store.delete(&context(), &stale).await.unwrap_err().kind(), ErrorKind::EtagMismatch);
        assert_eq!(self.value("versioned").await.as_deref(), Some("2"));

        let current = SetRequest { etag: Some(second), ..self.write("versioned", "3") };
        self.store.set(&context(), &current).await.unwrap();
        let current = DeleteRequest { etag: Some(self.etag("versioned").await), ..self.removal("versioned") };
        self.store.delete(&context(), &current).await.unwrap();
        let absent = self.store.delete(&context(), &current).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::EtagMismatch);
        let unmarked = SetRequest { etag: Some(String::new()), ..self.write("versioned", "4") };
        self.store.set(&context(), &unmarked).await.unwrap();
    }

    async fn first_write_without_an_etag_only_makes_new_keys(&self) {
        self.store.delete(&context(), &self.removal("first")).await.unwrap();
        let mut request = SetRequest { options: FIRST_WRITE, ..self.write("first", "1") };
        self.store.set(&context(), &request).await.unwrap();
        assert_eq!(self.store.set(&context(), &request).await.unwrap_err().kind(), ErrorKind::EtagMismatch);
        request.etag = Some(self.etag("first").await);
        request.value = Bytes::from_static(b"2");
        self.store.set(&context(), &request).await.unwrap();
        assert_eq!(self.value("first").await.as_deref(), Some("2"));
    }

    async fn bulk_failures_name_their_keys_and_spare_the_others(&self) {
        self.set("pair-good", "1").await;
        self.set("pair-bad", "1").await;
        let stale = self.etag("pair-bad").await;
        self.set("pair-bad", "2").await;
        let writes = [
            SetRequest { etag: Some(stale.clone()), ..self.write("pair-bad", "3") },
            SetRequest { etag: Some(self.etag("pair-good").await), ..self.write("pair-good", "3") },
        ];
        let error = self.store.bulk_set(&context(), &writes, BulkOptions::default()).await.unwrap_err();
        self.assert_only(&error, "pair-bad");
        assert_eq!(self.value("pair-good").await.as_deref(), Some("3"));
        assert_eq!(self.value("pair-bad").await.as_deref(), Some("2"));

        let removals = [DeleteRequest { etag: Some(stale), ..self.removal("pair-bad") }, self.removal("pair-good")];
        let error = self.store.bulk_delete(&context(), &removals, BulkOptions::default()).await.unwrap_err();
        self.assert_only(&error, "pair-bad");
        assert_eq!(self.get("pair-good").await, None);
    }

    fn assert_only(&self, error: &BulkError, name: &str) {
        let BulkError::Items(items) = error else { panic!("{error} does not name its items") };
        let keys: Vec<_> = items.iter().map(|(key, error)| (key.clone(), error.kind())).collect();
        assert_eq!(keys, [(self.key(name), ErrorKind::EtagMismatch)]);
    }

    async fn of_many_writers_with_one_etag_one_wins(&self) {
        self.set("contested", "0").await;
        let etag = self.etag("contested").await;
        let mut wins = 0;
        for writer in 0..8 {
            let request = SetRequest { etag: Some(etag.clone()), ..self.write("contested", &writer.to_string()) };
            wins += i32::from(self.store.set(&context(), &request).await.is_ok());
        }
        assert_eq!(wins, 1);
        assert_eq!(self.value("contested").await.as_deref(), Some("0"));
    }

    async fn a_value_ends_after_its_time_and_not_before(&self) {
        self.store.set(&context(), &with_ttl(self.write("brief", "1"), "1")).await.unwrap();
        self.store.set(&context(), &with_ttl(self.write("kept", "1"), "1")).await.unwrap();
        self.store.set(&context(), &with_ttl(self.write("kept", "2"), "-1")).await.unwrap();
        self.store.set(&context(), &with_ttl(self.write("long", "1"), "1000")).await.unwrap();
        let stored = self.get("brief").await.unwrap();
        let end = stored.metadata.get(component::state::TTL_EXPIRE_TIME).unwrap();
        assert!(end.ends_with('Z'), "{end}");
        let items = self.store.bulk_get(&context(), &[self.read("brief")], BulkOptions::default()).await.unwrap();
        let item = items.into_iter().next().unwrap().result.unwrap().unwrap();
        assert_eq!(item.metadata, stored.metadata);

        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(self.get("brief").await, None);
        assert_eq!(self.get("kept").await.unwrap().metadata, Metadata::new());
        assert!(self.get("long").await.is_some());
        let anew = SetRequest { options: FIRST_WRITE, ..self.write("brief", "2") };
        self.store.set(&context(), &anew).await.unwrap();
    }

    async fn a_bad_time_to_live_is_refused(&self) {
        let error = self.store.set(&context(), &with_ttl(self.write("bad", "1"), "soon")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(self.get("bad").await, None);
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), component::Error> {
        let transaction = Transaction { operations, metadata: Metadata::new() };
        self.store.transactional().unwrap().transact(&context(), &transaction).await
    }

    async fn a_transaction_does_its_operations_in_order(&self) {
        self.set("order-old", "1").await;
        self.transact(vec![
            Operation::Upsert(self.write("order-a", "1")),
            Operation::Upsert(self.write("order-a", "2")),
            Operation::Delete(self.removal("order-old")),
            Operation::Upsert(self.write("order-b", "1")),
            Operation::Delete(self.removal("order-b")),
            Operation::Delete(self.removal("order-c")),
            Operation::Upsert(self.write("order-c", "3")),
        ])
        .await
        .unwrap();
        assert_eq!(self.value("order-a").await.as_deref(), Some("2"));
        assert_eq!(self.value("order-c").await.as_deref(), Some("3"));
        assert_eq!((self.get("order-old").await, self.get("order-b").await), (None, None));
        self.transact(vec![]).await.unwrap();
    }

    async fn a_refused_operation_undoes_the_whole_transaction(&self) {
        self.set("whole-a", "1").await;
        self.store.delete(&context(), &self.removal("whole-b")).await.unwrap();
        let first = || Operation::Upsert(self.write("whole-b", "2"));
        let mut refused = vec![Operation::Upsert(with_ttl(self.write("whole-a", "3"), "soon"))];
        if self.store.etag() {
            let stale = Some("00000000-0000-0000-0000-000000000000".to_owned());
            refused.push(Operation::Upsert(SetRequest { etag: stale.clone(), ..self.write("whole-a", "3") }));
            refused.push(Operation::Delete(DeleteRequest { etag: stale, ..self.removal("whole-a") }));
        }
        for operation in refused {
            assert!(self.transact(vec![first(), operation]).await.is_err());
            assert_eq!(self.get("whole-b").await, None);
            assert_eq!(self.value("whole-a").await.as_deref(), Some("1"));
        }
    }

    async fn removal_by_prefix_spares_deeper_and_other_keys(&self) {
        let removal = self.store.prefix_removal().unwrap();
        for name in ["actor||1||a", "actor||1||b", "actor||1||deep||c", "actor||10||a", "actor||1"] {
            self.set(name, "1").await;
        }
        let prefix = self.key("actor||1");
        assert_eq!(removal.delete_with_prefix(&context(), &prefix).await.unwrap(), 2);
        assert_eq!(removal.delete_with_prefix(&context(), &format!("{prefix}||")).await.unwrap(), 0);
        for name in ["actor||1||deep||c", "actor||10||a", "actor||1"] {
            assert!(self.get(name).await.is_some(), "{name}");
        }
        for prefix in ["", "||"] {
            let error = removal.delete_with_prefix(&context(), prefix).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
    }

    async fn keys_are_listed_by_pattern_and_page(&self) {
        let listing = self.store.key_listing().unwrap();
        let names = ["like||1", "like||2", "like||3", "like||33", "like||a_b", "like||a%b", "like||axb"];
        for name in names {
            self.set(name, "1").await;
        }
        let page = async |pattern: &str, page_size, continuation_token| {
            let request = KeysRequest { pattern: self.key(pattern), page_size, continuation_token };
            listing.keys_like(&context(), &request).await.unwrap()
        };
        let all = page("like||%", None, None).await;
        assert_eq!(
            (sorted(all.keys), all.continuation_token),
            (sorted(names.map(|name| self.key(name)).to_vec()), None)
        );
        assert_eq!(
            sorted(page("like||_", None, None).await.keys),
            ["1", "2", "3"].map(|tail| self.key("like||") + tail)
        );
        assert_eq!(page(r"like||a\_b", None, None).await.keys, [self.key("like||a_b")]);
        assert_eq!(page(r"like||a\%b", None, None).await.keys, [self.key("like||a%b")]);

        let (mut found, mut token) = (Vec::new(), None);
        for expected in [3, 3, 1] {
            let part = page("like||%", Some(3), token).await;
            assert_eq!(part.keys.len(), expected);
            found.extend(part.keys);
            token = part.continuation_token;
        }
        assert_eq!((sorted(found), token), (sorted(names.map(|name| self.key(name)).to_vec()), None));
        assert!(listing.keys_like(&context(), &KeysRequest::default()).await.is_err());
    }
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}

/// A store of this crate, made the way the loader makes it.
async fn make(component_type: &str) -> Arc<dyn StateStore> {
    let row = trilby_component_local::REGISTRATIONS.iter().find(|row| row.component_type == component_type).unwrap();
    let Constructor::StateStore(construct) = row.constructor else { panic!("{component_type} is no state store") };
    let tracker = TaskTracker::new();
    let tasks = Tasks::new(move |_, work| drop(tracker.spawn(work)));
    let host = Host::new("app", "", tasks);
    construct(Setup { name: "store".to_owned(), properties: Properties::default(), host }).await.unwrap()
}

#[tokio::test]
async fn the_in_memory_store_conforms() {
    let store = make("state.in-memory").await;
    conforms(&*store, "conformance").await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_in_memory_store_can_do_what_the_targets_can() {
    let expected = ["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE", "ACTOR"];
    assert_eq!(make("state.in-memory").await.capabilities(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_counters_on_the_in_memory_store_lose_nothing() {
    let store = make("state.in-memory").await;
    let writers = TaskTracker::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..50 {
                while !increment(&*store).await {}
            }
        });
    }
    writers.close();
    writers.wait().await;
    let subject = Subject { store: &*store, scope: "count" };
    assert_eq!(subject.value("er").await.as_deref(), Some("400"));
}

/// Adds one by ETag; false if another writer was first.
async fn increment(store: &dyn StateStore) -> bool {
    let subject = Subject { store, scope: "count" };
    let stored = subject.get("er").await;
    let value = stored.as_ref().map_or(0, |stored| std::str::from_utf8(&stored.data).unwrap().parse::<u32>().unwrap());
    let etag = stored.and_then(|stored| stored.etag).map(|etag| etag.to_string());
    let request = SetRequest { etag, options: FIRST_WRITE, ..subject.write("er", &(value + 1).to_string()) };
    store.set(&context(), &request).await.is_ok()
}
