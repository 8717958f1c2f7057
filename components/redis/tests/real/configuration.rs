//! Configuration: reading, subscribing, and going on after interruptions.

use std::time::Duration;

use component::ErrorKind;
use component::configuration::{Changes, ConfigurationStore, Items, Request};
use servers::{Proxy, Redis, RedisCluster};

use crate::making::{configuration, context};

fn keys(keys: &[&str]) -> Request {
    Request { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Request::default() }
}

fn flat(items: Items) -> Vec<(String, String, String)> {
    items.into_iter().map(|(key, item)| (key, item.value, item.version)).collect()
}

fn row(key: &str, value: &str, version: &str) -> (String, String, String) {
    (key.to_owned(), value.to_owned(), version.to_owned())
}

async fn next(changes: &mut Changes) -> Vec<(String, String, String)> {
    let waiting = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await;
    flat(waiting.expect("a change is told within ten seconds").expect("the subscription goes on"))
}

async fn nothing(changes: &mut Changes) {
    let waiting = tokio::time::timeout(Duration::from_millis(500), changes.recv()).await;
    assert!(waiting.is_err(), "{waiting:?}");
}

async fn on(redis: &Redis) -> std::sync::Arc<dyn ConfigurationStore> {
    configuration(&[("redisHost", &redis.address())]).await.unwrap()
}

#[tokio::test]
async fn values_and_versions_are_read() {
    let Some(redis) = Redis::alone().start() else { return };
    for (key, value) in [("a", "1||v1"), ("b", "2"), ("c", "x||y||z"), ("empty", ""), ("void", "||v1")] {
        redis.command(&["SET", key, value]).unwrap();
    }
    redis.command(&["HSET", "hash", "a", "1"]).unwrap();
    let store = on(&redis).await;
    let all =
        vec![row("a", "1", "v1"), row("b", "2", ""), row("c", "x", "y"), row("empty", "", ""), row("void", "", "v1")];
    assert_eq!(flat(store.get(&context(), &keys(&[])).await.unwrap()), all);
    let some = keys(&["b", "missing", "hash", "empty", "void"]);
    assert_eq!(
        flat(store.get(&context(), &some).await.unwrap()),
        [row("b", "2", ""), row("empty", "", ""), row("void", "", "v1")]
    );
}

#[tokio::test]
async fn changes_of_the_keys_are_told_and_no_others() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = on(&redis).await;
    let mut changes = store.subscribe(&context(), &keys(&["a", "b*"])).await.unwrap();
    let mut all = store.subscribe(&context(), &keys(&[])).await.unwrap();
    redis.command(&["SET", "other", "0"]).unwrap();
    redis.command(&["SET", "a", "1||v1"]).unwrap();
    assert_eq!(next(&mut changes).await, [row("a", "1", "v1")]);
    redis.command(&["SET", "bc", "0"]).unwrap();
    redis.command(&["SET", "b*", "2"]).unwrap();
    assert_eq!(next(&mut changes).await, [row("b*", "2", "")]);
    redis.command(&["DEL", "a"]).unwrap();
    assert_eq!(next(&mut changes).await, [row("a", "", "")]);
    nothing(&mut changes).await;
    let mut told: Vec<String> = Vec::new();
    for _ in 0..4 {
        told.extend(next(&mut all).await.into_iter().map(|(key, ..)| key));
    }
    told.sort();
    told.dedup();
    assert_eq!(told, ["a", "b*", "bc", "other"]);
}

#[tokio::test]
async fn a_subscription_ends_with_its_subscriber_and_with_the_component() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = on(&redis).await;
    let subscribers = || redis.command(&["PUBSUB", "NUMPAT"]).unwrap();
    let changes = store.subscribe(&context(), &keys(&[])).await.unwrap();
    let mut others = store.subscribe(&context(), &keys(&[])).await.unwrap();
    assert_eq!(redis.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap().trim().lines().count(), 2);
    drop(changes);
    let end = tokio::time::Instant::now() + Duration::from_secs(5);
    while redis.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap().trim().lines().count() != 1 {
        assert!(tokio::time::Instant::now() < end, "the connection of a subscription that ended is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(subscribers(), "1");
    store.close().await.unwrap();
    assert_eq!(others.recv().await, None);
}

#[tokio::test]
async fn what_changed_while_the_server_was_away_is_told_when_it_is_back() {
    let Some(mut redis) = Redis::alone().durable().start() else { return };
    for (key, value) in [("changed", "1"), ("removed", "1"), ("same", "1")] {
        redis.command(&["SET", key, value]).unwrap();
    }
    let store = on(&redis).await;
    let mut changes = store.subscribe(&context(), &keys(&["changed", "removed", "same", "new"])).await.unwrap();
    let mut all = store.subscribe(&context(), &keys(&[])).await.unwrap();
    redis.kill();
    redis.restart();
    // Nobody told the server anew that it is to tell of changes: these may come as messages or as what was missed.
    redis.command(&["SET", "changed", "2||v2"]).unwrap();
    redis.command(&["DEL", "removed"]).unwrap();
    redis.command(&["SET", "new", "1"]).unwrap();
    let expected = vec![row("changed", "2", "v2"), row("new", "1", ""), row("removed", "", "")];
    for stream in [&mut changes, &mut all] {
        let mut told = Vec::new();
        for _ in 0..3 {
            told.extend(next(stream).await);
        }
        told.sort();
        assert_eq!(told, expected);
    }
    redis.command(&["SET", "same", "2"]).unwrap();
    assert_eq!(next(&mut changes).await, [row("same", "2", "")]);
}

#[tokio::test]
async fn a_cut_connection_is_made_again() {
    let Some(redis) = Redis::alone().start() else { return };
    let proxy = Proxy::to(redis.port());
    let store = configuration(&[("redisHost", &proxy.address())]).await.unwrap();
    let mut changes = store.subscribe(&context(), &keys(&["a"])).await.unwrap();
    proxy.cut();
    redis.command(&["SET", "a", "1"]).unwrap();
    redis.command(&["SET", "a", "2"]).unwrap();
    nothing(&mut changes).await;
    proxy.mend();
    let mended = tokio::time::Instant::now();
    assert_eq!(next(&mut changes).await, [row("a", "2", "")]);
    assert!(mended.elapsed() < Duration::from_secs(5), "{:?}", mended.elapsed());
    nothing(&mut changes).await;
    redis.command(&["SET", "a", "3"]).unwrap();
    assert_eq!(next(&mut changes).await, [row("a", "3", "")]);
}

#[tokio::test]
async fn a_slow_subscriber_gets_every_last_value() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = on(&redis).await;
    let mut changes = store.subscribe(&context(), &keys(&[])).await.unwrap();
    for round in 0..3 {
        for key in 0..200 {
            redis.command(&["SET", &format!("key-{key}"), &format!("{round}")]).unwrap();
        }
    }
    let mut last = std::collections::BTreeMap::new();
    while last.len() < 200 || last.values().any(|value| value != "2") {
        last.extend(next(&mut changes).await.into_iter().map(|(key, value, _)| (key, value)));
    }
}

#[tokio::test]
async fn a_cluster_is_read_but_not_subscribed_to() {
    let Some(cluster) = RedisCluster::start() else { return };
    let nodes = cluster.addresses().join(",");
    let properties = [("redisHost", &*nodes), ("redisType", "cluster")];
    let state = crate::making::state(&properties).await.unwrap();
    let names: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    for name in &names {
        let answers = cluster.nodes.iter().map(|node| node.command(&["SET", name, "1||v"]));
        assert_eq!(answers.filter(Result::is_ok).count(), 1);
    }
    let store = configuration(&properties).await.unwrap();
    assert_eq!(store.get(&context(), &keys(&[])).await.unwrap().len(), names.len());
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(store.get(&context(), &keys(&borrowed)).await.unwrap().len(), names.len());
    let error = store.subscribe(&context(), &keys(&[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    state.close().await.unwrap();
}
