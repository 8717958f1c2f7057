//! What `state.sqlite` promises, on real files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use component::state::{Concurrency, Operation, Options, TTL_EXPIRE_TIME};
use component::{Host, Metadata, Properties, Tasks};
use tempfile::TempDir;

use super::*;

mod crowd;
mod others;

fn host() -> Host {
    #[expect(clippy::disallowed_methods, reason = "a test has no tracker; the store ends its task when it closes")]
    let tasks = Tasks::new(|_, work| drop(tokio::spawn(work)));
    Host::new("app", "", tasks)
}

async fn opened(pairs: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    construct(Setup { name: "store".into(), properties: Properties::from_iter(pairs.iter().copied()), host: host() })
        .await
}

async fn store_on(path: &Path) -> Arc<dyn StateStore> {
    opened(&[("connectionString", path.to_str().unwrap())]).await.unwrap()
}

fn new_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

fn context() -> CallContext {
    CallContext::default()
}

fn write(key: &str, value: &str) -> SetRequest {
    SetRequest { key: key.to_owned(), value: Bytes::from(value.to_owned()), ..SetRequest::default() }
}

fn living(key: &str, value: &str, seconds: &str) -> SetRequest {
    let metadata = Metadata::from([("ttlInSeconds".to_owned(), seconds.to_owned())]);
    SetRequest { metadata, ..write(key, value) }
}

fn removal(key: &str) -> DeleteRequest {
    DeleteRequest { key: key.to_owned(), ..DeleteRequest::default() }
}

async fn set(store: &dyn StateStore, key: &str, value: &str) {
    store.set(&context(), &write(key, value)).await.unwrap();
}

async fn get(store: &dyn StateStore, key: &str) -> Option<Stored> {
    store.get(&context(), &GetRequest { key: key.to_owned(), ..GetRequest::default() }).await.unwrap()
}

async fn value(store: &dyn StateStore, key: &str) -> Option<String> {
    get(store, key).await.map(|stored| String::from_utf8(stored.data.to_vec()).unwrap())
}

async fn etag(store: &dyn StateStore, key: &str) -> Option<String> {
    get(store, key).await.and_then(|stored| stored.etag).map(|etag| etag.to_string())
}

async fn transact(store: &dyn StateStore, operations: Vec<Operation>) -> Result<(), Error> {
    let transaction = Transaction { operations, metadata: Metadata::new() };
    store.transactional().unwrap().transact(&context(), &transaction).await
}

async fn keys(store: &dyn StateStore, pattern: &str) -> Vec<String> {
    let request = KeysRequest { pattern: pattern.to_owned(), ..KeysRequest::default() };
    store.key_listing().unwrap().keys_like(&context(), &request).await.unwrap().keys
}

const REFERENCE: &str = include_str!("vectors/reference.sql");

fn schema(path: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(path).unwrap();
    let mut tables =
        connection.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").unwrap();
    tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn what_the_reference_wrote_is_read() {
    let (_folder, path) = new_file();
    Connection::open(&path).unwrap().execute_batch(REFERENCE).unwrap();
    let store = store_on(&path).await;
    for (key, expected) in [
        ("json", &br#"{"a":[1.5,"\u003cx\u003e"],"b":1}"#[..]),
        ("text", "\"grüß\"".as_bytes()),
        ("null", b"null"),
        ("bytes", &[0, 255, 1]),
        ("plain", b"hello"),
        ("empty", b""),
        ("grpc-json", br#"{"y":[2],"z":1}"#),
        ("tx", br#"{"t":1}"#),
        ("http-tx", br#"{"q":[1]}"#),
    ] {
        assert_eq!(&get(&*store, &format!("ref||{key}")).await.unwrap().data[..], expected, "{key}");
    }
    let stored = get(&*store, "ref||ttl").await.unwrap();
    assert_eq!(stored.metadata[TTL_EXPIRE_TIME], "2090-04-12T00:58:54Z");
    assert_eq!(stored.etag.as_deref(), Some("210966dc-f798-4895-9f71-93ae07220867"));
    let next = SetRequest { etag: Some(stored.etag.unwrap().to_string()), ..write("ref||ttl", "2") };
    store.set(&context(), &next).await.unwrap();
}

#[tokio::test]
async fn the_file_is_what_the_reference_would_have_made_of_it() {
    let (folder, path) = new_file();
    let recorded = folder.path().join("recorded.db");
    Connection::open(&recorded).unwrap().execute_batch(REFERENCE).unwrap();
    let store = store_on(&path).await;
    let json = |key, text| SetRequest { json: true, ..write(key, text) };
    store.set(&context(), &json("ref||text", "\"grüß\"")).await.unwrap();
    store.set(&context(), &json("ref||null", "null")).await.unwrap();
    set(&*store, "ref||plain", "hello").await;
    set(&*store, "ref||empty", "").await;
    let bytes = SetRequest { value: Bytes::from_static(&[0, 255, 1]), ..write("ref||bytes", "") };
    store.set(&context(), &bytes).await.unwrap();
    transact(&*store, vec![Operation::Upsert(write("ref||tx", r#"{"t":1}"#))]).await.unwrap();
    transact(&*store, vec![Operation::Upsert(json("ref||http-tx", r#"{"q":[1]}"#))]).await.unwrap();
    store.close().await.unwrap();

    assert_eq!(schema(&path), schema(&recorded));
    let rows = |path: &Path| -> Vec<(String, String, bool, Option<String>)> {
        let connection = Connection::open(path).unwrap();
        let select = "SELECT key, value, is_binary, expiration_time FROM state WHERE key NOT IN \
                      ('ref||json', 'ref||ttl', 'ref||grpc-json', 'ref||tx-ttl', 'ref||http-text') ORDER BY key";
        let mut rows = connection.prepare(select).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        rows.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(rows(&path), rows(&recorded));
    let version = |path: &Path| -> String {
        Connection::open(path)
            .unwrap()
            .query_row("SELECT value FROM metadata WHERE key = 'migrations'", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(version(&path), version(&recorded));
}

#[tokio::test]
async fn a_file_of_a_newer_migration_is_used_and_one_of_no_number_refused() {
    let (_folder, path) = new_file();
    store_on(&path).await.close().await.unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute("UPDATE metadata SET value = 'x' WHERE key = 'migrations'", []).unwrap();
    let error = opened(&[("url", path.to_str().unwrap())]).await.err().unwrap().to_string();
    assert!(error.contains("invalid migration level found in metadata table: x"), "{error}");
}

#[tokio::test]
async fn a_refused_step_undoes_its_own_request_and_no_other_of_the_same_commit() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    set(&*store, "a", "1").await;
    let blocker = Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stale = Operation::Upsert(SetRequest { etag: Some("stale".into()), ..write("a", "2") });
    let refused = transact(&*store, vec![Operation::Upsert(write("b", "2")), stale]);
    let done = transact(&*store, vec![Operation::Upsert(write("c", "1")), Operation::Delete(removal("nothing"))]);
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        blocker.execute_batch("COMMIT").unwrap();
    };
    let (refused, done, ()) = tokio::join!(refused, done, release);
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string()),
        (ErrorKind::EtagMismatch, "possible etag mismatch. error from state store".into())
    );
    done.unwrap();
    assert_eq!((value(&*store, "a").await.as_deref(), value(&*store, "b").await), (Some("1"), None));
    assert_eq!(value(&*store, "c").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn the_store_can_do_what_the_targets_can() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    assert_eq!(store.capabilities(), ["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE", "ACTOR"]);
}

#[tokio::test]
async fn first_write_takes_the_place_of_a_value_whose_time_is_over() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let first = Options { concurrency: Concurrency::FirstWrite, ..Options::default() };
    let request = SetRequest { options: first, ..living("k", "1", "1") };
    store.set(&context(), &request).await.unwrap();
    assert_eq!(store.set(&context(), &request).await.unwrap_err().kind(), ErrorKind::EtagMismatch);
    let old = etag(&*store, "k").await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(value(&*store, "k").await, None);
    let late = SetRequest { etag: old, ..write("k", "2") };
    assert_eq!(store.set(&context(), &late).await.unwrap_err().kind(), ErrorKind::EtagMismatch);
    store.set(&context(), &request).await.unwrap();
    assert_eq!(value(&*store, "k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_life_that_sqlite_cannot_count_is_refused() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let error = store.set(&context(), &living("k", "1", "2147483648")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    store.set(&context(), &living("k", "1", "2147483647")).await.unwrap();
    assert!(get(&*store, "k").await.unwrap().metadata[TTL_EXPIRE_TIME].starts_with("20"));
}

#[tokio::test]
async fn ended_values_are_deleted_by_one_of_the_processes_on_a_file() {
    let (_folder, path) = new_file();
    let pairs = [("url", path.to_str().unwrap()), ("cleanupInterval", "1s")];
    let (one, two) = (opened(&pairs).await.unwrap(), opened(&pairs).await.unwrap());
    let many: Vec<_> = (0..2500).map(|index| living(&format!("brief-{index}"), "1", "1")).collect();
    one.bulk_set(&context(), &many, BulkOptions::default()).await.unwrap();
    two.set(&context(), &living("long", "1", "1000")).await.unwrap();
    set(&*two, "kept", "1").await;
    let count = || -> i64 {
        Connection::open(&path).unwrap().query_row("SELECT count(*) FROM state", [], |row| row.get(0)).unwrap()
    };
    for _ in 0..100 {
        if count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(count(), 2);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test]
async fn names_and_values_are_never_read_as_sql() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let odd = ["'; DROP TABLE state; --", "\" OR 1=1", "a\0b", "%", "_", "*", "[a]", "\\", "key||with||bars", "ключ"];
    for key in odd {
        set(&*store, key, key).await;
    }
    for key in odd {
        assert_eq!(value(&*store, key).await.as_deref(), Some(key));
        let escaped = key.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
        assert_eq!(keys(&*store, &escaped).await, [key]);
    }
    let wrong = SetRequest { etag: Some("' OR '1'='1".into()), ..write("%", "2") };
    assert_eq!(store.set(&context(), &wrong).await.unwrap_err().kind(), ErrorKind::EtagMismatch);
    store.delete(&context(), &removal("'; DROP TABLE state; --")).await.unwrap();
    assert_eq!(keys(&*store, "%").await.len(), odd.len() - 1);
}

#[tokio::test]
async fn the_keys_of_one_app_are_not_those_of_another_that_differs_in_case() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    set(&*store, "App||k", "1").await;
    set(&*store, "app||k", "1").await;
    assert_eq!(keys(&*store, "app||%").await, ["app||k"]);
    let token = Some("1; DELETE".to_owned());
    let request = KeysRequest { pattern: "%".into(), continuation_token: token, page_size: None };
    let error = store.key_listing().unwrap().keys_like(&context(), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn large_values_and_many_keys_come_back() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let large = Bytes::from((0..10_000_000_u32).map(|index| index.to_le_bytes()[0] ^ 0x5a).collect::<Vec<u8>>());
    let request = SetRequest { value: large.clone(), ..write("large", "") };
    store.set(&context(), &request).await.unwrap();
    assert_eq!(get(&*store, "large").await.unwrap().data, large);
    let many: Vec<_> = (0..2000).map(|index| GetRequest { key: index.to_string(), ..GetRequest::default() }).collect();
    set(&*store, "1999", "last").await;
    let items = store.bulk_get(&context(), &many, BulkOptions::default()).await.unwrap();
    assert_eq!(items.len(), 2000);
    assert_eq!(&items[1999].result.as_ref().unwrap().as_ref().unwrap().data[..], b"last");
    assert!(items[..1999].iter().all(|item| item.result.as_ref().unwrap().is_none()));
}

#[tokio::test]
async fn a_database_in_memory_is_one_for_all_components_of_the_process() {
    let one = opened(&[("url", ":memory:"), ("tableName", "shared")]).await.unwrap();
    let two = opened(&[("url", "file::memory:"), ("tableName", "shared")]).await.unwrap();
    let write_both = async |index: i32| {
        let (first, second) = (format!("one-{index}"), format!("two-{index}"));
        tokio::join!(set(&*one, &first, "1"), set(&*two, &second, "2"));
    };
    for index in 0..100 {
        write_both(index).await;
    }
    assert_eq!(value(&*two, "one-5").await.as_deref(), Some("1"));
    assert_eq!(keys(&*one, "%").await.len(), 200);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test]
async fn a_read_only_file_is_read_and_its_writers_are_told() {
    for (without_log, option) in [("false", "mode=ro"), ("true", "mode=ro"), ("true", "immutable=1")] {
        let (_folder, path) = new_file();
        let store = opened(&[("url", path.to_str().unwrap()), ("disableWAL", without_log)]).await.unwrap();
        set(&*store, "k", "1").await;
        store.close().await.unwrap();
        let address = format!("file:{}?{option}", path.display());
        let store = opened(&[("url", &address)]).await.unwrap();
        assert_eq!(value(&*store, "k").await.as_deref(), Some("1"));
        let error = store.set(&context(), &write("k", "2")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("readonly database"), "{error}");
        assert_eq!(value(&*store, "k").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn who_does_not_fit_on_the_disk_is_told_and_spares_the_others() {
    let (_folder, path) = new_file();
    let address = format!("{}?_pragma=max_page_count(40)", path.display());
    let store = opened(&[("url", &address)]).await.unwrap();
    let blocker = Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = "x".repeat(1 << 20);
    let half = vec![Operation::Upsert(write("half", "1")), Operation::Upsert(write("large", &large))];
    let release = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        blocker.execute_batch("COMMIT").unwrap();
    };
    let (before, refused, after, ()) =
        tokio::join!(set(&*store, "before", "1"), transact(&*store, half), set(&*store, "after", "1"), release);
    let ((), error, ()) = (before, refused.unwrap_err(), after);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("full"), "{error}");
    let mut found = keys(&*store, "%").await;
    found.sort();
    assert_eq!(found, ["after", "before"]);
    set(&*store, "later", "1").await;
}

#[tokio::test]
async fn the_log_is_brought_into_the_file_in_time() {
    let (_folder, path) = new_file();
    let address = format!("{}?_pragma=wal_autocheckpoint(20)", path.display());
    let store = opened(&[("url", &address)]).await.unwrap();
    let value = "x".repeat(10_000);
    for index in 0..200 {
        set(&*store, &format!("k{}", index % 10), &value).await;
    }
    let log = std::fs::metadata(path.with_file_name("state.db-wal")).unwrap().len();
    assert!(log < 1 << 20, "the log has {log} bytes");
}

#[tokio::test]
async fn without_a_write_ahead_log_everything_works_as_well() {
    let (_folder, path) = new_file();
    let store = opened(&[("url", path.to_str().unwrap()), ("disableWAL", "true")]).await.unwrap();
    let ((), seen) = tokio::join!(
        async {
            for index in 0..20 {
                set(&*store, "k", &index.to_string()).await;
            }
        },
        async {
            let mut seen = 0;
            for _ in 0..200 {
                seen += usize::from(get(&*store, "k").await.is_some());
            }
            seen
        }
    );
    assert!(seen > 0);
    assert_eq!(value(&*store, "k").await.as_deref(), Some("19"));
    assert!(!path.with_file_name("state.db-wal").exists());
}
