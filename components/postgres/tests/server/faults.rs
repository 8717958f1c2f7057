//! Faults: a cut network, a changed password, connections that end, calls that are dropped.

use std::sync::Arc;
use std::time::Duration;

use component::ErrorKind;
use servers::{Counters, Postgres, Proxy, cut_time};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::ground::{VERSIONS, get, json, open, set, start, transact, try_open, value, within, write};

const BACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_network_loses_nothing_acknowledged_and_work_goes_on_after_it() {
    let Some(server) = start(Postgres::alone()).await else { return };
    for is_silent in [true, false] {
        let proxy = Proxy::to(server.port());
        let string = server.connection_string_through(proxy.port());
        let store = open("v2", &[("connectionString", &string), ("timeout", "2s")]).await;
        let counters = Counters::start(&store).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        if is_silent {
            proxy.silence()
        } else {
            proxy.cut()
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = Instant::now();
        let error = get(&*store, "counter-0").await.unwrap_err();
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
        assert!(!error.to_string().contains(server.password()), "{error}");
        tokio::time::sleep(cut_time(Duration::from_secs(6))).await;
        proxy.mend();
        within(BACK, "working again", || async { set(&*store, &json("again", "1")).await.is_ok() }).await;
        counters.stop_and_judge().await;
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_password_is_told_and_mended() {
    let Some(mut server) = start(Postgres::alone()).await else { return };
    let string = server.connection_string();
    let store = open("v2", &[("connectionString", &string)]).await;
    set(&*store, &json("a", "1")).await.unwrap();
    let right = server.password().to_owned();
    server.sql("ALTER USER postgres PASSWORD 'another'").unwrap();
    server.log_in_with("another");
    // What is connected stays so.
    set(&*store, &json("a", "2")).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    server.sql(end).unwrap();
    let refused = || async {
        set(&*store, &json("a", "3")).await.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    within(BACK, "the wrong password is told", refused).await;
    let error = try_open("v2", &[("connectionString", &string)]).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let said = error.to_string();
    assert!(said.starts_with("failed to connect to the database: FATAL: password authentication failed"), "{said}");
    assert!(!said.contains(&right), "{said}");
    server.sql(&format!("ALTER USER postgres PASSWORD '{right}'")).unwrap();
    within(BACK, "working again", || async { set(&*store, &json("a", "4")).await.is_ok() }).await;
    assert_eq!(value(&*store, "a").await.as_deref(), Some(&b"4"[..]));
}

#[tokio::test]
async fn a_server_that_is_away_is_told_at_start() {
    let asked = Instant::now();
    let string = "host=127.0.0.1 port=1 user=u password=s3cret dbname=d";
    let error = try_open("v1", &[("connectionString", string)]).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let said = error.to_string();
    assert!(said.starts_with("failed to connect to the database") && !said.contains("s3cret"), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_leaves_none_open() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let string = server.connection_string();
    for version in VERSIONS {
        let metadata = [("connectionString", &*string), ("maxConns", "2"), ("tablePrefix", "d_")];
        let store = open(version, &metadata).await;
        // Somebody holds a row, so that the transaction waits half way.
        let table = if version == "v1" { "state" } else { "d_state" };
        set(&*store, &json("held", "0")).await.unwrap();
        let other = open(version, &metadata).await;
        let held = format!("BEGIN; SELECT 1 FROM {table} WHERE key = 'held' FOR UPDATE; SELECT pg_sleep(3); COMMIT");
        let holding = tokio::task::spawn_blocking({
            let statement = held.clone();
            let psql = server.connection_string();
            move || std::process::Command::new("psql").args(["-X", "-q", "-c", &statement, &psql]).output()
        });
        let is_held = || async {
            server.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND state = 'active' AND pid <> pg_backend_pid()").unwrap() == "1"
        };
        within(BACK, "the row is held", is_held).await;
        for _ in 0..4 {
            let operations = vec![write("first", "1"), write("held", "1"), write("last", "1")];
            let dropped = tokio::time::timeout(Duration::from_millis(200), transact(&*store, operations)).await;
            assert!(dropped.is_err(), "it waits for the row");
        }
        // The pool has two places only: they are free again, and no transaction hangs on them.
        tokio::time::timeout(Duration::from_secs(2), set(&*store, &json("free", "1"))).await.unwrap().unwrap();
        assert_eq!(value(&*store, "first").await, None);
        let output = holding.await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let open_ones = || async {
            server.sql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'").unwrap() == "0"
        };
        within(BACK, "no transaction is open", open_ones).await;
        assert_eq!(value(&*other, "held").await.as_deref(), Some(&b"0"[..]), "a dropped transaction was done");
        transact(&*store, vec![write("first", "2"), write("held", "2")]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_lock_each_other_out_are_done_all_the_same() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let store = open("v2", &[("connectionString", &server.connection_string()), ("maxConns", "8")]).await;
    let writers = TaskTracker::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..30 {
                let mut writes: Vec<_> = (0..6).map(|key| write(&format!("key-{key}"), "1")).collect();
                if number % 2 == 0 {
                    writes.reverse();
                }
                transact(&*store, writes).await.unwrap();
            }
        });
    }
    writers.close();
    writers.wait().await;
}
