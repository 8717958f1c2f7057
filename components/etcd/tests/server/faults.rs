//! Faults: members that go, a cut network, a server that comes later than the store, requests that are too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use component::ErrorKind;
use component::state::StateStore;
use servers::{Etcd, Proxy};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::ground::{get, open, set, start, value, within};

const BACK: Duration = Duration::from_secs(5);

/// How long the network is cut: as long as the promise says in long runs.
fn cut() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test process has no role whose environment it could be given")]
    let is_long = std::env::var_os("TRILBY_LONG").is_some();
    Duration::from_secs(if is_long { 30 } else { 7 })
}

/// Counts up in a key until told to stop; what was acknowledged last is in the number.
fn count(store: Arc<dyn StateStore>, writers: &TaskTracker, number: usize, stop: Arc<AtomicU64>) -> Arc<AtomicU64> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let last = Arc::clone(&acknowledged);
    writers.spawn(async move {
        let mut next = 0;
        while stop.load(Ordering::SeqCst) == 0 {
            next += 1;
            match set(&*store, &format!("counter-{number}"), &next.to_string()).await {
                Ok(()) => last.store(next, Ordering::SeqCst),
                Err(error) => {
                    let kind = error.kind();
                    assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{kind:?}: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_network_loses_nothing_acknowledged_and_work_goes_on_after_it() {
    let Some(server) = start(Etcd::alone()).await else { return };
    for is_silent in [true, false] {
        let proxy = Proxy::to(server.port());
        let store = open("v2", &[("endpoints", &proxy.address())]).await;
        let (writers, stop) = (TaskTracker::new(), Arc::new(AtomicU64::new(0)));
        let counters: Vec<_> =
            (0..8).map(|number| count(Arc::clone(&store), &writers, number, Arc::clone(&stop))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        if is_silent {
            proxy.silence()
        } else {
            proxy.cut()
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = Instant::now();
        let error = get(&*store, "counter-0").await.unwrap_err();
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
        tokio::time::sleep(cut()).await;
        proxy.mend();
        within(BACK, "working again", || async { set(&*store, "again", "1").await.is_ok() }).await;
        stop.store(1, Ordering::SeqCst);
        writers.close();
        writers.wait().await;
        for (number, acknowledged) in counters.iter().enumerate() {
            let found = value(&*store, &format!("counter-{number}")).await.unwrap();
            let found: u64 = String::from_utf8(found).unwrap().parse().unwrap();
            let acknowledged = acknowledged.load(Ordering::SeqCst);
            assert!(acknowledged > 0 && found >= acknowledged, "{number}: {found} is there, {acknowledged} was told");
        }
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_next_member_is_asked_when_one_goes() {
    let Some(server) = start(Etcd::alone()).await else { return };
    // Two ways to one server stand for two members.
    let (first, second) = (Proxy::to(server.port()), Proxy::to(server.port()));
    let endpoints = format!("127.0.0.1:1,{},{}", first.address(), second.address());
    let store = open("v2", &[("endpoints", &endpoints)]).await;
    set(&*store, "a", "1").await.unwrap();
    assert_eq!((first.accepted(), second.accepted()), (1, 0));
    first.cut();
    assert_eq!(value(&*store, "a").await.as_deref(), Some(&b"1"[..]), "a read is asked of the next member");
    set(&*store, "a", "2").await.unwrap();
    assert_eq!(second.accepted(), 1);
    second.cut();
    first.mend();
    within(BACK, "working again", || async { set(&*store, "a", "3").await.is_ok() }).await;
    assert_eq!(value(&*store, "a").await.as_deref(), Some(&b"3"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_can_be_made_before_its_server_and_outlives_it() {
    let Some(mut server) = start(Etcd::alone()).await else { return };
    server.kill();
    let store = open("v1", &[("endpoints", &server.address())]).await;
    let error = set(&*store, "a", "1").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, component::Retry::NotProcessed), "{error}");
    for value in ["2", "3"] {
        tokio::task::block_in_place(|| server.restart());
        within(BACK, "working", || async { set(&*store, "a", value).await.is_ok() }).await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_one_clear_error() {
    let Some(server) = start(Etcd::alone()).await else { return };
    let store = open("v2", &[("endpoints", &server.address())]).await;
    for size in [1_600_000, 5_000_000] {
        let error = set(&*store, "a", &"x".repeat(size)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{size}: {error}");
    }
    set(&*store, "a", "1").await.unwrap();
}
