//! The same over TLS, in a cluster, and in a set that sentinels watch.

use std::time::Duration;

use component::pubsub::{BulkPublishEntry, BulkPublishRequest};
use servers::{Redis, RedisCluster, RedisSentinels};
use tokio::time::Instant;

use super::subject::{Handled, Publishing, SOON, ack, next, publish, publish_to, quick, subscribe, subscribe_to};
use crate::making::context;

const TOPICS: &[&str] = &["one", "two", "three", "four", "five", "six"];

#[tokio::test]
async fn messages_flow_over_tls() {
    let Some(redis) = Redis::alone().tls(true).start() else { return };
    let tls = redis.tls().unwrap();
    let more = [
        ("enableTLS", "true"),
        ("insecureSkipTLSVerify", "true"),
        ("clientCert", &*tls.client_certificate),
        ("clientKey", &*tls.client_key),
    ];
    let broker = quick(&redis.address(), &more).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "a").await.unwrap();
    assert_eq!(ack(next(&mut deliveries).await).await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_on_all_nodes_of_a_cluster_outlive_the_nodes() {
    let Some(mut cluster) = RedisCluster::start_with(&Redis::alone().durable()) else { return };
    let nodes = cluster.addresses().join(",");
    let cluster_of = [("redisType", "cluster")];
    let (publisher, subscriber) = (quick(&nodes, &cluster_of).await, quick(&nodes, &cluster_of).await);
    let handled = Handled::default();
    let mut all = Vec::new();
    for topic in TOPICS {
        all.push(subscribe_to(&*subscriber, topic).await);
    }
    let working =
        futures_util::future::join_all(all.into_iter().map(|one| handled.work(one, Duration::from_millis(5))));
    let done = async {
        for topic in TOPICS {
            let entries = (0..20)
                .map(|number| BulkPublishEntry {
                    id: number.to_string(),
                    data: format!("{topic} in bulk {number}").into(),
                    ..BulkPublishEntry::default()
                })
                .collect();
            let request = BulkPublishRequest { topic: (*topic).to_owned(), entries, ..BulkPublishRequest::default() };
            publisher.bulk_publisher().unwrap().bulk_publish(&context(), &request).await.unwrap();
        }
        let publishing = Publishing::start(&publisher, TOPICS);
        for node in 0..3 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            tokio::task::block_in_place(|| {
                cluster.nodes[node].kill();
                std::thread::sleep(Duration::from_millis(300));
                cluster.nodes[node].restart();
                while !cluster.is_whole() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let published = publishing.stop().await;
        assert!(published.len() > 50, "{} were published", published.len());
        handled.has_all(&published, SOON * 4).await;
        assert!(handled.count() >= published.len() + TOPICS.len() * 20, "{}", handled.count());
        subscriber.close().await.unwrap();
    };
    tokio::join!(working, done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_flow_again_when_a_replica_has_become_the_master() {
    let Some(mut watched) = RedisSentinels::start_with(1, Some("secret")) else { return };
    let sentinels = watched.addresses().join(",");
    let more = [
        ("failover", "true"),
        ("sentinelMasterName", watched.master_name()),
        ("redisPassword", "secret"),
        ("sentinelPassword", "secret"),
    ];
    let broker = quick(&sentinels, &more).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "a").await.unwrap();
    assert_eq!(ack(next(&mut deliveries).await).await, "a");
    watched.kill_master();
    let new = &watched.servers[1];
    while !new.command(&["ROLE"]).unwrap().starts_with("master") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let promoted = Instant::now();
    while let Err(error) = publish_to(&*broker, "orders", "b").await {
        assert!(promoted.elapsed() < SOON, "{error}");
    }
    // The acknowledgement of the first may not have come to the replica.
    while ack(next(&mut deliveries).await).await != "b" {}
    assert!(promoted.elapsed() < SOON * 2, "{:?}", promoted.elapsed());
}
