//! The target's tables, byte for byte: made as it makes them, read when it wrote them, written so that it can read them;
//! and several processes that make them at once.

use std::time::Duration;

use component::ErrorKind;
use servers::Postgres;
use tokio::task::JoinSet;

use crate::ground::{VERSIONS, delete, ending, get, json, open, set, start, value, within, write};

const REFERENCE: &str = include_str!("../vectors/reference.sql");

/// Everything the catalogue says of the tables.
const SHAPE: &str = "
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity, identity_generation
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname;
SELECT * FROM dapr_metadata ORDER BY key;
SELECT conname, contype FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY conname;";

fn prefix(version: &str) -> Vec<(&'static str, &'static str)> {
    if version == "v2" { vec![("tablePrefix", "my_")] } else { Vec::new() }
}

async fn on(server: &Postgres, version: &str) -> std::sync::Arc<dyn component::state::StateStore> {
    let string = server.connection_string();
    let metadata: Vec<_> = [("connectionString", string.as_str())].into_iter().chain(prefix(version)).collect();
    open(version, &metadata).await
}

#[tokio::test]
async fn the_tables_are_made_as_the_target_makes_them() {
    let Some(reference) = start(Postgres::alone()).await else { return };
    let Some(ours) = start(Postgres::alone()).await else { return };
    reference.sql(REFERENCE).unwrap();
    for version in VERSIONS {
        on(&ours, version).await;
    }
    assert_eq!(ours.sql(SHAPE).unwrap(), reference.sql(SHAPE).unwrap());
}

#[tokio::test]
async fn what_the_target_wrote_is_read_and_changed() {
    let Some(server) = start(Postgres::alone()).await else { return };
    server.sql(REFERENCE).unwrap();
    for version in VERSIONS {
        let store = on(&server, version).await;
        let object: &[u8] = if version == "v1" { br#"{"a": [1.5, "x"], "b": 1}"# } else { br#"{"a":[1.5,"x"],"b":1}"# };
        for (key, expected) in
            [("json", object), ("text", b"\"hi\""), ("number", b"3"), ("ends", b"\"t\""), ("bytes", &[0, 255, 1])]
        {
            assert_eq!(value(&*store, key).await.as_deref(), Some(expected), "{version} {key}");
        }
        let ends = get(&*store, "ends").await.unwrap().unwrap();
        assert_eq!(ends.metadata.get("ttlExpireTime").map(String::as_str), Some("2099-01-01T00:00:00Z"));
        let etag = get(&*store, "text").await.unwrap().unwrap().etag.unwrap().to_string();
        let changed = component::state::SetRequest { etag: Some(etag.clone()), ..json("text", "\"again\"") };
        set(&*store, &changed).await.unwrap();
        let stale = delete(&*store, "text", Some(etag)).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::EtagMismatch);
        assert_eq!(stale.to_string(), "possible etag mismatch. error from state store");
    }
    let etag = "5eae5e2d-0a2b-4774-8c25-46e4afd70488".to_owned();
    delete(&*on(&server, "v2").await, "json", Some(etag)).await.unwrap();
}

#[tokio::test]
async fn what_is_written_stands_there_as_the_target_writes_it() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let Some(reference) = start(Postgres::alone()).await else { return };
    reference.sql(REFERENCE).unwrap();
    for version in VERSIONS {
        let store = on(&server, version).await;
        set(&*store, &ending("ends", "1000000")).await.unwrap();
        set(&*store, &json("json", r#"{"a":[1.5,"x"],"b":1}"#)).await.unwrap();
        set(&*store, &json("number", "3")).await.unwrap();
        set(&*store, &json("text", "\"hi\"")).await.unwrap();
        let bytes = component::state::SetRequest { value: vec![0, 255, 1].into(), ..write("bytes", "") };
        set(&*store, &bytes).await.unwrap();
    }
    for rows in [
        "SELECT key, value, isbinary, updatedate IS NULL, expiredate IS NULL FROM state ORDER BY key",
        "SELECT key, value, updated_at IS NULL, expires_at IS NULL FROM my_state ORDER BY key",
    ] {
        assert_eq!(server.sql(rows).unwrap(), reference.sql(rows).unwrap());
    }
    let life = "SELECT expiredate - insertdate FROM state WHERE key = 'ends' \
                UNION ALL SELECT expires_at - created_at FROM my_state WHERE key = 'ends'";
    assert_eq!(server.sql(life).unwrap(), "11 days 13:46:40\n11 days 13:46:40");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_make_the_tables_once() {
    let Some(server) = start(Postgres::alone()).await else { return };
    for round in 0..5 {
        let mut starting = JoinSet::new();
        for version in VERSIONS.into_iter().cycle().take(6) {
            let string = server.connection_string();
            starting.spawn(async move {
                let (table, prefix, metadata) = (format!("s{round}"), format!("p{round}_"), format!("m{round}"));
                let names = [("tableName", &*table), ("tablePrefix", &*prefix), ("metadataTableName", &*metadata)];
                let metadata: Vec<_> = [("connectionString", &*string)].into_iter().chain(names).collect();
                let store = open(version, &metadata).await;
                set(&*store, &json("key", "1")).await.unwrap();
            });
        }
        starting.join_all().await;
        let levels = server.sql(&format!("SELECT key, value FROM m{round} ORDER BY key")).unwrap();
        assert_eq!(levels, format!("lock|lock\nmigrations|3\nmigrations-state-v2-p{round}_|2"));
    }
}

#[tokio::test]
async fn an_older_table_is_brought_up_to_date_with_its_rows() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let older = "CREATE TABLE dapr_metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL);
        INSERT INTO dapr_metadata VALUES ('migrations', '1');
        CREATE TABLE state (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT NULL,
        insertdate TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(), updatedate TIMESTAMP WITH TIME ZONE NULL);
        INSERT INTO state VALUES ('b', '2', false, '2021-01-02'), ('a', '1', false, '2021-01-03'), ('c', '3', false, '2021-01-01')";
    server.sql(older).unwrap();
    let store = on(&server, "v1").await;
    assert_eq!(value(&*store, "a").await.as_deref(), Some(&b"1"[..]));
    set(&*store, &json("d", "4")).await.unwrap();
    assert_eq!(server.sql("SELECT key, row_id FROM state ORDER BY row_id").unwrap(), "c|1\nb|2\na|3\nd|4");
    assert_eq!(server.sql("SELECT value FROM dapr_metadata WHERE key = 'migrations'").unwrap(), "3");
}

#[tokio::test]
async fn expired_rows_are_removed_by_one_process_of_several() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let string = server.connection_string();
    let metadata = [("connectionString", &*string), ("cleanupInterval", "1s")];
    for (version, key) in [("v1", "last-cleanup"), ("v2", "last-cleanup-state-v2-")] {
        let (first, _second) = (open(version, &metadata).await, open(version, &metadata).await);
        set(&*first, &ending("brief", "1")).await.unwrap();
        set(&*first, &ending("long", "1000")).await.unwrap();
        let rows = || async { server.sql("SELECT key FROM state").unwrap() == "long" };
        within(Duration::from_secs(10), "the ended row is removed", rows).await;
        let turn = server.sql(&format!(
            "SELECT value::timestamptz > now() - interval '20 s' FROM dapr_metadata WHERE key = '{key}'"
        ));
        assert_eq!(turn.unwrap(), "t");
        server.sql("DROP TABLE state; DELETE FROM dapr_metadata").unwrap();
    }
}
