//! The target's layout, both ways. Recorded from its sidecar (dapr/dapr at d8450742, components-contrib 1.18.4, Redis 7.0):
//! `POST /v1.0/publish/p/...` as told below, then `XRANGE` of each stream and `XINFO` with redis-cli.

use bytes::Bytes;
use component::pubsub::{BulkPublishEntry, BulkPublishRequest, PublishRequest};
use component::{ErrorKind, Metadata};
use servers::Redis;

use super::subject::{TOPIC, ack, next, nothing, pending, publish, quick, subscribe, subscribe_to};
use crate::making::{context, pubsub};

/// What the target put into streams: topic, and the fields in the order of one of its runs, which is by chance.
const RECORDED: &[(&str, &[&str])] = &[
    // application/json {"a":1}
    ("plain", &["data", "{\"data\":{\"a\":1},\"id\":\"567ebfcc\",\"specversion\":\"1.0\"}", "metadata", "{}"]),
    // text/plain hello with metadata.rawPayload=true
    ("raw", &["metadata", "{\"rawPayload\":\"true\"}", "data", "hello"]),
    // text/plain hello with metadata.ttlInSeconds=100&metadata.a=<b>
    ("meta", &["data", "hello", "metadata", "{\"a\":\"\\u003cb\\u003e\",\"ttlInSeconds\":\"100\"}"]),
    // in bulk, without metadata of its own
    ("bulk", &["data", "y"]),
];

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn what_the_target_published_is_delivered() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    for (topic, fields) in RECORDED {
        redis.command(&[&["XADD", topic, "*"], *fields].concat()).unwrap();
    }
    let expected = [
        ("plain", RECORDED[0].1[1], metadata(&[])),
        ("raw", "hello", metadata(&[("rawPayload", "true")])),
        ("meta", "hello", metadata(&[("a", "<b>"), ("ttlInSeconds", "100")])),
        ("bulk", "y", metadata(&[])),
    ];
    for (topic, data, metadata) in expected {
        let delivery = next(&mut subscribe_to(&*broker, topic).await).await;
        let message = &delivery.message;
        assert_eq!((&message.topic[..], &message.data[..]), (topic, data.as_bytes()));
        assert_eq!((&message.metadata, &message.content_type), (&metadata, &None));
        ack(delivery).await;
    }
}

#[tokio::test]
async fn what_is_published_lies_as_the_target_puts_it() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let publish = |pairs: &[(&str, &str)]| PublishRequest {
        topic: TOPIC.to_owned(),
        data: Bytes::from_static(b"hello"),
        content_type: Some("text/plain".to_owned()),
        metadata: metadata(pairs),
    };
    broker.publish(&context(), &publish(&[])).await.unwrap();
    broker.publish(&context(), &publish(&[("rawPayload", "true"), ("a", "b")])).await.unwrap();
    let stored = redis.command(&["XRANGE", TOPIC, "-", "+"]).unwrap();
    let lines: Vec<&str> = stored.lines().collect();
    assert_eq!(lines[1..5], ["data", "hello", "metadata", "{}"]);
    assert_eq!(lines[6..10], ["data", "hello", "metadata", "{\"a\":\"b\",\"rawPayload\":\"true\"}"]);
    assert_eq!(lines.len(), 10);
}

#[tokio::test]
async fn the_group_and_its_one_consumer_have_the_consumer_id_and_begin_at_the_first_message() {
    let Some(redis) = Redis::alone().start() else { return };
    let groups = [(&[][..], "app", 1), (&[("consumerID", "group")][..], "group", 2)];
    for (given, name, messages) in groups {
        let broker = quick(&redis.address(), given).await;
        publish(&*broker, name).await.unwrap();
        let mut deliveries = subscribe(&*broker).await;
        let delivery = next(&mut deliveries).await;
        assert_eq!(pending(&redis, name), messages);
        let consumers = redis.command(&["XINFO", "CONSUMERS", TOPIC, name]).unwrap();
        assert_eq!(consumers.lines().filter(|line| *line == "name").count(), 1, "{consumers}");
        assert!(consumers.lines().any(|line| line == name), "{consumers}");
        // Another group has every message from the first.
        assert_eq!(ack(delivery).await, "app");
    }
    // A subscription to a topic that is not there makes it, as the target does.
    let broker = quick(&redis.address(), &[]).await;
    let _deliveries = subscribe_to(&*broker, "new").await;
    assert_eq!(redis.command(&["TYPE", "new"]).unwrap(), "stream");
}

#[tokio::test]
async fn a_message_that_is_not_as_it_should_be_is_delivered_with_what_it_has() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    for fields in [&["x", "y"][..], &["data", "a", "metadata", "{"], &["metadata", "[1]", "data", "b"]] {
        redis.command(&[&["XADD", TOPIC, "*"], fields].concat()).unwrap();
    }
    for data in ["", "a", "b"] {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.message.metadata.is_empty());
        assert_eq!(ack(delivery).await, data);
    }
}

#[tokio::test]
async fn many_messages_are_published_in_one_go_and_each_error_is_told() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    assert_eq!(broker.capabilities(), ["BULK_PUBSUB"]);
    let entry = |number: usize| BulkPublishEntry {
        id: number.to_string(),
        data: number.to_string().into(),
        content_type: "text/plain".to_owned(),
        metadata: metadata(&[("k", "v")]),
    };
    let request = |topic: &str| BulkPublishRequest {
        topic: topic.to_owned(),
        entries: (0..250).map(entry).collect(),
        metadata: metadata(&[("rawPayload", "true")]),
    };
    let bulk = broker.bulk_publisher().unwrap();
    bulk.bulk_publish(&context(), &request(TOPIC)).await.unwrap();
    let stored = redis.command(&["XRANGE", TOPIC, "-", "+"]).unwrap();
    let data: Vec<&str> = stored.lines().skip(2).step_by(5).collect();
    assert_eq!(data, (0..250).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(stored.lines().nth(4), Some("{\"k\":\"v\",\"rawPayload\":\"true\"}"));
    redis.command(&["SET", "text", "x"]).unwrap();
    let failure = bulk.bulk_publish(&context(), &request("text")).await.unwrap_err();
    assert_eq!(failure.entries.len(), 250);
    assert!(failure.entries.iter().all(|(_, error)| error.to_string().contains("WRONGTYPE")));
}

#[tokio::test]
async fn a_stream_is_trimmed_by_length_or_by_age() {
    let Some(redis) = Redis::alone().setting("stream-node-max-entries 10").start() else { return };
    let length = || redis.command(&["XLEN", TOPIC]).unwrap().parse::<u32>().unwrap();
    let short = quick(&redis.address(), &[("maxLenApprox", "20")]).await;
    for number in 0..100 {
        publish(&*short, &number.to_string()).await.unwrap();
    }
    assert!((20..=30).contains(&length()), "{}", length());
    let young = quick(&redis.address(), &[("streamTTL", "300ms")]).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    for number in 0..10 {
        publish(&*young, &number.to_string()).await.unwrap();
    }
    assert!((10..20).contains(&length()), "{}", length());
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_a_sentence() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    redis.command(&["SET", "text", "x"]).unwrap();
    let request = component::pubsub::SubscribeRequest { topic: "text".to_owned(), ..Default::default() };
    let error = broker.subscribe(&context(), &request).await.unwrap_err();
    assert!(error.to_string().contains("make a consumer group"), "{error}");
    let refused = |name: &'static str, value: &'static str| {
        let address = redis.address();
        async move { pubsub(&[("redisHost", &*address), (name, value)]).await.err().unwrap() }
    };
    let fields = [("queueDepth", "0"), ("concurrency", "0"), ("processingTimeout", "soon"), ("streamTTL", "-1s")];
    for (name, value) in fields {
        let error = refused(name, value).await;
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(refused("useEntraID", "true").await.kind(), ErrorKind::NotSupported);
    let mut deliveries = subscribe(&*broker).await;
    broker.close().await.unwrap();
    assert!(deliveries.recv().await.is_none(), "closing ends subscriptions");
    assert!(publish(&*broker, "a").await.unwrap_err().to_string().contains("closed"));
    assert!(broker.subscribe(&context(), &request).await.unwrap_err().to_string().contains("closed"));
    nothing(&mut subscribe(&*quick(&redis.address(), &[]).await).await, std::time::Duration::from_millis(200)).await;
}
