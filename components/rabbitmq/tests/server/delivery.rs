//! What becomes of messages: once to each consumer id, again when they failed, never too many, in order where promised.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use component::pubsub::Settlement;

use crate::ground::{control, is_quiet, next, open, shared, take, text, until_line};

#[tokio::test(flavor = "multi_thread")]
async fn of_all_subscribers_with_the_same_consumer_id_one_gets_a_message() {
    let Some(server) = shared().await else { return };
    let connection = server.connection_string();
    let (one, other) = (open(&connection, &[]).await, open(&connection, &[("consumerID", "other")]).await);
    let mut twins = [one.subscribe("shared").await, one.subscribe("shared").await];
    let mut others = other.subscribe("shared").await;
    for number in 0..10 {
        one.publish("shared", &number.to_string()).await;
    }
    let (mut mine, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    let [first, second] = &mut twins;
    for _ in 0..10 {
        theirs.insert(take(&mut others).await);
        let delivery = tokio::select! {
            delivery = next(first) => delivery,
            delivery = next(second) => delivery,
        };
        assert_eq!(delivery.message.topic, "shared");
        assert!(mine.insert(text(&delivery)));
        delivery.settle(Settlement::Ack).await.unwrap();
    }
    assert!(mine == theirs && mine.len() == 10 && is_quiet(first).await && is_quiet(second).await);
    drop((twins, others));
    one.close().await;
    other.close().await;
    until_line(&server, &["list_queues", "--no-table-headers", "name", "messages"], "app-shared\t0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_comes_again_later_and_later_while_others_pass() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[]).await;
    let mut deliveries = bus.subscribe("failing").await;
    bus.publish("failing", "poison").await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        let delivery = next(&mut deliveries).await;
        assert_eq!(text(&delivery), "poison");
        waits.push(start.elapsed());
        delivery.settle(Settlement::Retry).await.unwrap();
        bus.publish("failing", "good").await;
        assert_eq!(take(&mut deliveries).await, "good");
    }
    // Half of 200, 400 and 800 milliseconds at least, less what the good message took.
    assert!(waits.iter().skip(1).sum::<Duration>() > Duration::from_millis(400), "{waits:?}");
    assert_eq!(take(&mut deliveries).await, "poison");
    assert!(is_quiet(&mut deliveries).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_moves_to_the_dead_letter_queue_where_there_is_one() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("enableDeadLetter", "true")]).await;
    let mut deliveries = bus.subscribe("dead").await;
    bus.publish("dead", "one").await;
    next(&mut deliveries).await.settle(Settlement::Retry).await.unwrap();
    let list = ["list_queues", "--no-table-headers", "name", "messages"];
    until_line(&server, &list, "dlq-app-dead\t1").await;
    bus.publish("dead", "two").await;
    drop(next(&mut deliveries).await);
    assert_eq!(take(&mut deliveries).await, "two");
    until_line(&server, &list, "dlq-app-dead\t1").await;
    drop(deliveries);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_lost_only_by_the_users_will() {
    let Some(server) = shared().await else { return };
    for (given, topic) in [(("requeueInFailure", "false"), "dropped"), (("autoAck", "true"), "taken")] {
        let bus = open(&server.connection_string(), &[given]).await;
        let mut deliveries = bus.subscribe(topic).await;
        bus.publish(topic, "one").await;
        next(&mut deliveries).await.settle(Settlement::Retry).await.unwrap();
        assert!(is_quiet(&mut deliveries).await, "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_handed_out_than_the_prefetch_count() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("prefetchCount", "3")]).await;
    let mut deliveries = bus.subscribe("bounded").await;
    for number in 0..8 {
        bus.publish("bounded", &number.to_string()).await;
    }
    let mut held = vec![next(&mut deliveries).await, next(&mut deliveries).await, next(&mut deliveries).await];
    assert!(is_quiet(&mut deliveries).await);
    held.pop().unwrap().settle(Settlement::Retry).await.unwrap();
    held.pop().unwrap().settle(Settlement::Ack).await.unwrap();
    assert_eq!(text(&next(&mut deliveries).await), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other_keeps_the_order_also_over_failures() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("concurrency", "single")]).await;
    let mut deliveries = bus.subscribe("ordered").await;
    for number in 0..20 {
        bus.publish("ordered", &number.to_string()).await;
    }
    for number in 0..20 {
        let mut delivery = next(&mut deliveries).await;
        if number % 5 == 0 {
            assert!(is_quiet(&mut deliveries).await);
            delivery.settle(Settlement::Retry).await.unwrap();
            delivery = next(&mut deliveries).await;
        }
        assert_eq!(text(&delivery), number.to_string());
        delivery.settle(Settlement::Ack).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_subscription_gives_back_what_nobody_was_handed_and_lets_the_rest_finish() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[]).await;
    let mut deliveries = bus.subscribe("draining").await;
    for number in 0..5 {
        bus.publish("draining", &number.to_string()).await;
    }
    let (first, second, third) =
        (next(&mut deliveries).await, next(&mut deliveries).await, next(&mut deliveries).await);
    second.settle(Settlement::Retry).await.unwrap();
    drop(deliveries);
    let mut rest = bus.subscribe("draining").await;
    let mut found = BTreeSet::new();
    for _ in 0..3 {
        found.insert(take(&mut rest).await);
    }
    assert!(is_quiet(&mut rest).await);
    first.settle(Settlement::Ack).await.unwrap();
    drop(third);
    found.insert(take(&mut rest).await);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert!(is_quiet(&mut rest).await);
    drop(rest);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_lives_as_long_as_it_says() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("ttlInSeconds", "1")]).await;
    drop(bus.subscribe("living").await);
    until_line(&server, &["list_queues", "--no-table-headers", "name", "consumers"], "app-living\t0").await;
    bus.publish("living", "short").await;
    bus.publish_with("living", "long", &[("ttlInSeconds", "60")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(take(&mut bus.subscribe("living").await).await, "long");
    assert!(bus.broker.message_ttl());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_higher_priority_come_first() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("concurrency", "single")]).await;
    let ten = [("maxPriority", "10")];
    let mut deliveries = bus.subscribe_with("urgent", &ten).await.unwrap();
    bus.publish("urgent", "first").await;
    let first = next(&mut deliveries).await;
    bus.publish_with("urgent", "low", &[("priority", "1")]).await.unwrap();
    bus.publish_with("urgent", "high", &[("priority", "9")]).await.unwrap();
    first.settle(Settlement::Ack).await.unwrap();
    assert_eq!([take(&mut deliveries).await, take(&mut deliveries).await], ["high", "low"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_counts_failures_and_loses_nothing() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("publishMessagePropertiesToMetadata", "true")]).await;
    let mut deliveries = bus.subscribe_with("voted", &[("queueType", "quorum")]).await.unwrap();
    let given = [("messageID", "m"), ("correlationID", "c"), ("type", "t"), ("contentType", "x/y")];
    bus.publish_with("voted", "one", &given).await.unwrap();
    next(&mut deliveries).await.settle(Settlement::Retry).await.unwrap();
    let again = next(&mut deliveries).await;
    let known = |name: &str| again.message.metadata.get(name).map_or("", String::as_str);
    assert_eq!(known("metadata.x-delivery-count"), "1");
    assert_eq!([known("metadata.messageid"), known("metadata.correlationid")], ["m", "c"]);
    assert_eq!([known("metadata.type"), known("metadata.contenttype")], ["t", "x/y"]);
    again.settle(Settlement::Ack).await.unwrap();
    let kinds = control(&server, &["list_queues", "--no-table-headers", "name", "type"]).await;
    assert!(kinds.lines().any(|line| line.starts_with("app-voted\t") && line.contains("quorum")), "{kinds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_by_topic_sends_only_what_the_routing_keys_ask_for() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("exchangeKind", "topic")]).await;
    let keys = [("routingKey", "a.*,b")];
    let mut deliveries = bus.subscribe_with("routed", &keys).await.unwrap();
    for key in ["a.x", "c", "b"] {
        bus.publish_with("routed", key, &[("routingKey", key)]).await.unwrap();
    }
    assert_eq!([take(&mut deliveries).await, take(&mut deliveries).await], ["a.x", "b"]);
    assert!(is_quiet(&mut deliveries).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publish_at_once_and_those_who_give_up_harm_nobody() {
    let Some(server) = shared().await else { return };
    let bus = std::sync::Arc::new(open(&server.connection_string(), &[]).await);
    let mut deliveries = bus.subscribe("crowd").await;
    let mut publishers = tokio::task::JoinSet::new();
    for number in 0..400 {
        let bus = std::sync::Arc::clone(&bus);
        publishers.spawn(async move {
            let text = number.to_string();
            let publishing = bus.publish("crowd", &text);
            if number % 4 == 0 {
                // Dropped at one await or another.
                let _ = tokio::time::timeout(Duration::from_micros(number * 10), publishing).await;
                return None;
            }
            publishing.await;
            Some(text)
        });
    }
    let acknowledged: BTreeSet<String> = publishers.join_all().await.into_iter().flatten().collect();
    let mut handled = BTreeSet::new();
    while !acknowledged.is_subset(&handled) {
        handled.insert(take(&mut deliveries).await);
    }
    assert_eq!(acknowledged.len(), 300);
}
