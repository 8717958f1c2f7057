//! Faults: members that go, a cut network, a server that comes later than the store, requests that are too large.

use std::time::Duration;

use component::ErrorKind;
use servers::{Counters, Etcd, Proxy, cut_time};
use tokio::time::Instant;

use crate::ground::{get, open, set, start, value, within};

const BACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_network_loses_nothing_acknowledged_and_work_goes_on_after_it() {
    let Some(server) = start(Etcd::alone()).await else { return };
    for is_silent in [true, false] {
        let proxy = Proxy::to(server.port());
        let store = open("v2", &[("endpoints", &proxy.address())]).await;
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
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
        tokio::time::sleep(cut_time(Duration::from_secs(7))).await;
        proxy.mend();
        within(BACK, "working again", || async { set(&*store, "again", "1").await.is_ok() }).await;
        counters.stop_and_judge().await;
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
