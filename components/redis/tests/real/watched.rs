//! A set that sentinels watch, and replicas.

use std::time::{Duration, Instant};

use component::ErrorKind;
use component::configuration::Request;
use component::state::{Consistency, SetRequest};
use servers::{Redis, RedisSentinels};

use crate::making::{configuration, context, get, set, state, write};

fn strong(key: &str, value: &str) -> SetRequest {
    let mut request = write(key, value);
    request.options.consistency = Consistency::Strong;
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strong_write_survives_the_death_of_the_master() {
    let Some(mut set_of_servers) = RedisSentinels::start_with(1, Some("secret")) else { return };
    let sentinels = set_of_servers.addresses().join(",");
    let properties = [
        ("redisHost", &*sentinels),
        ("failover", "true"),
        ("sentinelMasterName", set_of_servers.master_name()),
        ("redisPassword", "secret"),
        ("sentinelPassword", "secret"),
    ];
    let store = state(&properties).await.unwrap();
    for number in 1..=50 {
        store.set(&context(), &strong("counted", &number.to_string())).await.unwrap();
    }
    set_of_servers.kill_sentinel(0);
    set_of_servers.kill_master();
    let error = set(&*store, "x", "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let new = &set_of_servers.servers[1];
    while !new.command(&["ROLE"]).unwrap().starts_with("master") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let promoted = Instant::now();
    while set(&*store, "x", "1").await.is_err() {
        assert!(promoted.elapsed() < Duration::from_secs(5), "{:?}", promoted.elapsed());
    }
    assert_eq!(get(&*store, "counted").await.unwrap().unwrap().0, "50");
    // What was the master comes back as a replica, and nobody writes to it.
    set_of_servers.servers[0].restart();
    set(&*store, "x", "2").await.unwrap();
}

#[tokio::test]
async fn a_subscription_follows_the_master() {
    let Some(mut set_of_servers) = RedisSentinels::start() else { return };
    let sentinels = set_of_servers.addresses().join(",");
    let name = set_of_servers.master_name();
    let properties = [("redisHost", &*sentinels), ("failover", "true"), ("sentinelMasterName", name)];
    let store = configuration(&properties).await.unwrap();
    let request = Request { keys: vec!["a".to_owned()], ..Request::default() };
    let mut changes = store.subscribe(&context(), &request).await.unwrap();
    let dead = set_of_servers.kill_master();
    let new = &set_of_servers.servers[1 - dead];
    while !new.command(&["ROLE"]).unwrap().starts_with("master") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    new.command(&["SET", "a", "1||v"]).unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await.unwrap().unwrap();
    assert_eq!((&*told["a"].value, &*told["a"].version), ("1", "v"));
}

#[tokio::test]
async fn a_strong_write_waits_a_second_for_a_replica_and_disturbs_nobody() {
    let Some(master) = Redis::alone().start() else { return };
    let follow = format!("replicaof 127.0.0.1 {}", master.port());
    let Some(mut replica) = Redis::alone().setting(&follow).setting("repl-diskless-sync-delay 0").start() else {
        return;
    };
    while !replica.command(&["INFO", "replication"]).unwrap().contains("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = state(&[("redisHost", &master.address())]).await.unwrap();
    store.set(&context(), &strong("a", "1")).await.unwrap();
    assert_eq!(replica.command(&["HGET", "a", "data"]).unwrap(), "1");
    replica.pause();
    let started = Instant::now();
    let (slow, waiting) = (store.clone(), strong("a", "2"));
    let mut behind = tokio::task::JoinSet::new();
    behind.spawn(async move { slow.set(&context(), &waiting).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    set(&*store, "b", "1").await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(900), "a write waited for another: {:?}", started.elapsed());
    behind.join_next().await.unwrap().unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    replica.go_on();
    replica.kill();
}
