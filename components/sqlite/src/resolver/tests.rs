//! What the sqlite resolver promises, on real files.

use std::path::Path;

use rusqlite::Connection;

use super::*;

fn configuration(path: &Path) -> Configuration {
    Configuration::from_pairs([("connectionString", path.display().to_string())])
}

fn instance(app_id: &str, port: u16) -> Instance {
    Instance { app_id: app_id.into(), address: "127.0.0.1".into(), internal_port: port, ..Instance::default() }
}

fn request(id: &str) -> ResolveRequest {
    ResolveRequest { id: id.into(), ..ResolveRequest::default() }
}

async fn opened(path: &Path) -> Sqlite {
    Sqlite::open(&configuration(path)).await.unwrap()
}

fn count(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM hosts", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn what_one_registers_another_finds_until_it_closes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let (first, second) = (opened(&path).await, opened(&path).await);
    first.register(&instance("orders", 7001)).await.unwrap();
    second.register(&instance("orders", 7002)).await.unwrap();
    let mut found = second.resolve(&request("orders")).await.unwrap().addresses;
    found.sort();
    assert_eq!(found, ["127.0.0.1:7001", "127.0.0.1:7002"]);
    first.close().await.unwrap();
    assert_eq!(second.resolve(&request("orders")).await.unwrap().addresses, ["127.0.0.1:7002"]);
    let error = first.resolve(&request("orders")).await.unwrap_err();
    assert_eq!(error.to_string(), "component is closed");
}

#[tokio::test]
async fn an_unknown_app_is_told_in_the_words_of_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = opened(&folder.path().join("hosts.db")).await;
    let error = resolver.resolve(&request("nobody")).await.unwrap_err();
    assert_eq!(error, Error::NotFound("no host found with the given ID".into()));
}

#[tokio::test]
async fn the_file_has_the_tables_and_the_version_of_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let resolver = opened(&path).await;
    resolver.register(&instance("orders", 7001)).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let version: String =
        connection.query_row("SELECT value FROM metadata WHERE key = 'nr-migrations'", [], |row| row.get(0)).unwrap();
    assert_eq!(version, "1");
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(journal, "wal");
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('hosts')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(columns, ["registration_id", "address", "app_id", "namespace", "last_update"]);
}

#[tokio::test]
async fn an_entry_that_is_not_renewed_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let resolver = opened(&path).await;
    let insert = "INSERT INTO hosts VALUES (?1, ?1, 'orders', '', unixepoch(CURRENT_TIMESTAMP) - ?2)";
    let connection = Connection::open(&path).unwrap();
    connection.execute(insert, rusqlite::params!["old:1", 5]).unwrap();
    assert!(resolver.resolve(&request("orders")).await.is_err());
    connection.execute(insert, rusqlite::params!["new:1", 3]).unwrap();
    assert_eq!(resolver.resolve(&request("orders")).await.unwrap().addresses, ["new:1"]);
}

#[tokio::test]
async fn an_entry_is_renewed_and_restored_after_somebody_deleted_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let pairs = [("connectionString", path.display().to_string()), ("updateInterval", "2s".to_owned())];
    let resolver = Sqlite::open(&Configuration::from_pairs(pairs)).await.unwrap();
    resolver.register(&instance("orders", 7001)).await.unwrap();
    Connection::open(&path).unwrap().execute("DELETE FROM hosts", []).unwrap();
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(count(&path), 1);
    assert!(resolver.resolve(&request("orders")).await.is_ok());
    resolver.close().await.unwrap();
    assert_eq!(count(&path), 0);
}

#[tokio::test]
async fn an_address_that_another_took_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let (first, second) = (opened(&path).await, opened(&path).await);
    first.register(&instance("orders", 7001)).await.unwrap();
    second.register(&instance("payments", 7001)).await.unwrap();
    assert!(second.resolve(&request("orders")).await.is_err());
    assert_eq!(first.close().await.unwrap_err().to_string(), "failed to unregister host: no row deleted");
    assert_eq!(second.resolve(&request("payments")).await.unwrap().addresses, ["127.0.0.1:7001"]);
}

#[tokio::test]
async fn cleaning_up_deletes_the_dead_and_keeps_the_living() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let pairs = [("connectionString", path.display().to_string()), ("cleanupInterval", "1s".to_owned())];
    let resolver = Sqlite::open(&Configuration::from_pairs(pairs)).await.unwrap();
    resolver.register(&instance("orders", 7001)).await.unwrap();
    let insert = "INSERT INTO hosts VALUES ('old', 'old:1', 'orders', '', unixepoch(CURRENT_TIMESTAMP) - 60)";
    Connection::open(&path).unwrap().execute(insert, []).unwrap();
    assert_eq!(count(&path), 2);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(count(&path), 1);
    assert_eq!(resolver.resolve(&request("orders")).await.unwrap().addresses, ["127.0.0.1:7001"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sidecars_that_start_together_share_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let start = |number: u16| {
        let path = path.clone();
        async move {
            let resolver = opened(&path).await;
            resolver.register(&instance("orders", 7000 + number)).await.unwrap();
            resolver
        }
    };
    let mut starting = tokio::task::JoinSet::new();
    for number in 0..16 {
        starting.spawn(start(number));
    }
    let resolvers = starting.join_all().await;
    assert_eq!(resolvers[0].resolve(&request("orders")).await.unwrap().addresses.len(), 16);
}

#[tokio::test]
async fn a_resolver_that_is_dropped_withdraws_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.db");
    let resolver = opened(&path).await;
    resolver.register(&instance("orders", 7001)).await.unwrap();
    drop(resolver);
    for _ in 0..100 {
        if count(&path) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the entry is still there");
}

#[tokio::test]
async fn ipv6_addresses_are_bracketed_once() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = opened(&folder.path().join("hosts.db")).await;
    for address in ["::1", "[::1]"] {
        let instance = Instance { address: address.into(), ..instance("orders", 7001) };
        resolver.register(&instance).await.unwrap();
        assert_eq!(resolver.resolve(&request("orders")).await.unwrap().addresses, ["[::1]:7001"]);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_told() {
    let error = Sqlite::open(&configuration(Path::new("/nonexistent/folder/hosts.db"))).await.unwrap_err();
    assert!(error.to_string().starts_with("failed to create connection: "), "{error}");
}
