//! Ways to connect: TLS, modes for proxies, names of tables, small pools.

use std::io::Write;

use component::ErrorKind;
use servers::Postgres;

use crate::ground::{VERSIONS, get, json, open, set, start, transact, try_open, value, write};

#[tokio::test]
async fn tls_is_held_to_its_mode() {
    let Some(server) = start(Postgres::alone().tls()).await else { return };
    let Some(other) = start(Postgres::alone().tls()).await else { return };
    let file = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    let root = file(&server.tls().unwrap().authority);
    let wrong = file(&other.tls().unwrap().authority);
    let (root, wrong) = (root.path().to_str().unwrap(), wrong.path().to_str().unwrap());
    let encrypted = "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'tried'";
    for (options, accepted) in [
        ("sslmode=prefer".to_owned(), true),
        ("sslmode=require".to_owned(), true),
        (format!("sslmode=verify-ca sslrootcert={root}"), true),
        (format!("sslmode=verify-full sslrootcert={root}"), true),
        (format!("sslmode=require sslrootcert={wrong}"), false),
        (format!("sslmode=verify-ca sslrootcert={wrong}"), false),
        (format!("sslmode=verify-full sslrootcert={wrong}"), false),
        ("sslmode=verify-full".to_owned(), false),
    ] {
        let string = format!("{} application_name=tried {options}", server.connection_string());
        let opened = try_open("v2", &[("connectionString", &string)]).await;
        assert_eq!(opened.is_ok(), accepted, "{options}");
        if let Ok(store) = opened {
            assert_eq!(server.sql(encrypted).unwrap(), "t", "{options}");
            store.close().await.unwrap();
        }
    }
    let plain = format!("{} sslmode=disable application_name=plain", server.connection_string());
    let store = open("v2", &[("connectionString", &plain)]).await;
    let unencrypted = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'plain'";
    assert_eq!(server.sql(unencrypted).unwrap(), "f");
    drop(store);
}

#[tokio::test]
async fn urls_and_fields_name_the_server_too() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let (port, password) = (server.port().to_string(), server.password());
    let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?search_path=public&connect_timeout=5");
    open("v2", &[("url", &url)]).await;
    let fields = [("host", "127.0.0.1"), ("port", &*port), ("user", "postgres"), ("password", password)];
    open("v2", &[&fields[..], &[("database", "postgres")]].concat()).await;
    // The first of several hosts that answers is taken.
    let several = format!("host=127.0.0.1,127.0.0.1 port=1,{port} user=postgres password={password} dbname=postgres");
    open("v2", &[("connectionString", &several)]).await;
}

#[tokio::test]
async fn a_proxys_mode_and_a_pool_of_one_are_enough_for_everything() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let string = server.connection_string();
    for version in VERSIONS {
        let metadata =
            [("connectionString", &*string), ("queryExecMode", "exec"), ("maxConns", "1"), ("tablePrefix", "x_")];
        let store = open(version, &metadata).await;
        set(&*store, &json("a", "1")).await.unwrap();
        transact(&*store, vec![write("a", "2"), write("b", "3")]).await.unwrap();
        assert_eq!(value(&*store, "a").await.as_deref(), Some(&b"2"[..]));
        let connections =
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        assert_eq!(server.sql(connections).unwrap(), "1");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn quoted_names_and_schemas_are_kept_and_nothing_else_is_taken() {
    let Some(server) = start(Postgres::alone()).await else { return };
    server.sql("CREATE SCHEMA \"O'dd; DROP\"").unwrap();
    let string = server.connection_string();
    let table = "\"O'dd; DROP\".\"Ta\"\"ble\"";
    let v1 = open("v1", &[("connectionString", &string), ("tableName", table)]).await;
    set(&*v1, &json("a", "1")).await.unwrap();
    assert_eq!(server.sql(&format!("SELECT key, row_id FROM {table}")).unwrap(), "a|1");
    let v2 = open("v2", &[("connectionString", &string), ("tablePrefix", "\"O'dd; DROP\".")]).await;
    set(&*v2, &json("b", "1")).await.unwrap();
    assert_eq!(server.sql("SELECT key FROM \"O'dd; DROP\".state").unwrap(), "b");
    let refused = try_open("v1", &[("connectionString", &string), ("tableName", "state; DROP TABLE state")]).await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn what_is_not_json_is_one_clear_error_and_spoils_nothing() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let store = open("v1", &[("connectionString", &server.connection_string())]).await;
    for wrong in ["{", "", "\"\\u0000\"", "nul"] {
        let error = set(&*store, &json("a", wrong)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}: {error}");
    }
    let refused = transact(&*store, vec![json("a", "1"), json("b", "{")]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
    assert_eq!((get(&*store, "a").await.unwrap(), get(&*store, "b").await.unwrap()), (None, None));
    set(&*store, &json("a", "1")).await.unwrap();
}
