//! Locks: who gets one, and which servers are refused.

use std::time::Duration;

use component::ErrorKind;
use component::lock::{LockRequest, LockStore, UnlockRequest, Unlocked};
use servers::{Redis, RedisCluster, RedisSentinels};
use tokio::task::JoinSet;

use crate::making::{context, lock};

async fn take(store: &dyn LockStore, owner: &str, expiry: Duration) -> bool {
    let request = LockRequest { resource: "lock||app||r".to_owned(), owner: owner.to_owned(), expiry };
    store.try_lock(&context(), &request).await.unwrap()
}

async fn give_back(store: &dyn LockStore, owner: &str) -> Unlocked {
    let request = UnlockRequest { resource: "lock||app||r".to_owned(), owner: owner.to_owned() };
    store.unlock(&context(), &request).await.unwrap()
}

const LONG: Duration = Duration::from_secs(100);

#[tokio::test]
async fn a_lock_has_one_holder_until_it_is_given_back_or_ends() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = lock(&[("redisHost", &redis.address())]).await.unwrap();
    assert_eq!(give_back(&*store, "a").await, Unlocked::DoesNotExist);
    assert!(take(&*store, "a", LONG).await);
    assert!(!take(&*store, "a", LONG).await && !take(&*store, "b", LONG).await);
    assert_eq!(redis.command(&["GET", "lock||app||r"]).unwrap(), "a");
    assert_eq!(give_back(&*store, "b").await, Unlocked::BelongsToOthers);
    assert_eq!(give_back(&*store, "a").await, Unlocked::Success);
    assert!(take(&*store, "b", Duration::from_millis(300)).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(give_back(&*store, "b").await, Unlocked::DoesNotExist);
    assert!(take(&*store, "c", LONG).await);
    let endless = LockRequest { resource: "x".to_owned(), owner: "a".to_owned(), expiry: Duration::ZERO };
    assert_eq!(store.try_lock(&context(), &endless).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_gets_it() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = lock(&[("redisHost", &redis.address())]).await.unwrap();
    for _ in 0..20 {
        let mut takers = JoinSet::new();
        for owner in 0..8 {
            let store = store.clone();
            takers.spawn(async move { take(&*store, &owner.to_string(), LONG).await.then_some(owner) });
        }
        let winners: Vec<i32> = takers.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(give_back(&*store, &winners[0].to_string()).await, Unlocked::Success);
    }
}

#[tokio::test]
async fn clusters_and_replicas_are_refused_but_sentinels_are_not() {
    let Some(set) = RedisSentinels::start() else { return };
    let refused = async |properties: &[(&str, &str)]| lock(properties).await.err().unwrap().to_string();
    assert_eq!(refused(&[("redisHost", &set.servers[0].address())]).await, "replication is not supported");
    let sentinels = set.addresses().join(",");
    let watched = [("redisHost", &*sentinels), ("failover", "true"), ("sentinelMasterName", set.master_name())];
    assert!(take(&*lock(&watched).await.unwrap(), "a", LONG).await);
    let Some(cluster) = RedisCluster::start() else { return };
    let nodes = cluster.addresses().join(",");
    let text = refused(&[("redisHost", &nodes), ("redisType", "cluster")]).await;
    assert_eq!(text, "this component does not support connecting to Redis Cluster");
}
