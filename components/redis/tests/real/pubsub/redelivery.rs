//! What is not settled comes again: after a failure, after a crash, and at once when it was given back.

use std::time::Duration;

use component::pubsub::Settlement;
use servers::Redis;
use tokio::time::Instant;

use super::subject::{
    Handled, SOON, TOPIC, ack, data, next, nothing, pending, publish, publish_to, quick, subscribe, subscribe_to,
};
use crate::making::pubsub;

#[tokio::test]
async fn what_was_published_before_and_after_subscribing_comes_once_and_in_order() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[("concurrency", "1")]).await;
    for number in 0..20 {
        publish(&*broker, &number.to_string()).await.unwrap();
    }
    let mut deliveries = subscribe(&*broker).await;
    for number in 20..40 {
        publish(&*broker, &number.to_string()).await.unwrap();
    }
    for number in 0..40 {
        assert_eq!(ack(next(&mut deliveries).await).await, number.to_string());
    }
    nothing(&mut deliveries, Duration::from_millis(1500)).await;
    assert_eq!(pending(&redis, "app"), 0);
}

#[tokio::test]
async fn what_fails_comes_again_after_a_rest_until_it_is_handled() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "a").await.unwrap();
    // 200 ms, then 400, then 800.
    for rest in [200, 400, 800] {
        next(&mut deliveries).await.settle(Settlement::Retry).await.unwrap();
        assert_eq!(pending(&redis, "app"), 1);
        let rested = Instant::now();
        let again = next(&mut deliveries).await;
        assert!(rested.elapsed() >= Duration::from_millis(rest - 50), "{rest}: {:?}", rested.elapsed());
        drop(again);
        // What is dropped comes at once, and counts as not delivered.
        let rested = Instant::now();
        let again = next(&mut deliveries).await;
        assert!(rested.elapsed() < Duration::from_secs(3), "{:?}", rested.elapsed());
        let count = redis.command(&["XPENDING", TOPIC, "app", "-", "+", "1"]).unwrap();
        assert_ne!(count.lines().last().unwrap(), "1", "{count}");
        again.settle(Settlement::Retry).await.unwrap();
        let again = next(&mut deliveries).await;
        if rest == 800 {
            assert_eq!(ack(again).await, "a");
            break;
        }
        drop(again);
    }
    nothing(&mut deliveries, Duration::from_millis(1500)).await;
    assert_eq!(pending(&redis, "app"), 0);
}

#[tokio::test]
async fn a_failing_message_does_not_hold_up_others() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[("concurrency", "1")]).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "poison").await.unwrap();
    for number in 0..20 {
        publish(&*broker, &number.to_string()).await.unwrap();
    }
    let mut handled = 0;
    while handled < 20 {
        let delivery = next(&mut deliveries).await;
        if data(&delivery) == "poison" {
            delivery.settle(Settlement::Retry).await.unwrap();
        } else {
            ack(delivery).await;
            handled += 1;
        }
    }
    assert_eq!(ack(next(&mut deliveries).await).await, "poison");
}

#[tokio::test]
async fn what_a_dead_consumer_held_is_taken_at_subscribing() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    for number in 0..30 {
        publish(&*broker, &number.to_string()).await.unwrap();
    }
    assert_eq!(ack(next(&mut deliveries).await).await, "0");
    broker.close().await.unwrap();
    drop(deliveries);
    // Somebody took messages, under the group's one name as the target does or under another, and died.
    let group = ["XREADGROUP", "GROUP", "app"];
    for (consumer, count) in [("app", "5"), ("other", "3")] {
        let read = [&group[..], &[consumer, "COUNT", count, "STREAMS", TOPIC, ">"]].concat();
        redis.command(&read).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let broker = quick(&redis.address(), &[]).await;
    let handled = Handled::default();
    let working = handled.work(subscribe(&*broker).await, Duration::ZERO);
    let all: Vec<String> = (1..30).map(|number| number.to_string()).collect();
    tokio::select! {
        () = working => panic!("it ended"),
        () = handled.has_all(&all, SOON) => {}
    }
}

#[tokio::test]
async fn what_is_worked_on_is_not_taken_by_a_replica() {
    let Some(redis) = Redis::alone().start() else { return };
    let (first, second) = (quick(&redis.address(), &[]).await, quick(&redis.address(), &[]).await);
    let mut slow = subscribe(&*first).await;
    publish(&*first, "a").await.unwrap();
    let held = next(&mut slow).await;
    let mut other = subscribe(&*second).await;
    // Three times as long as a message that nobody has answered for may rest.
    tokio::join!(nothing(&mut slow, Duration::from_secs(3)), nothing(&mut other, Duration::from_secs(3)));
    ack(held).await;
    tokio::join!(nothing(&mut slow, Duration::from_secs(2)), nothing(&mut other, Duration::from_secs(2)));
    assert_eq!(pending(&redis, "app"), 0);
}

#[tokio::test]
async fn an_ended_subscription_gives_everything_back_at_once() {
    let Some(redis) = Redis::alone().start() else { return };
    // By itself nothing would come back within this test.
    let slow = [("redisHost", &*redis.address()), ("processingTimeout", "10m"), ("redeliverInterval", "300ms")];
    let (first, second) = (pubsub(&slow).await.unwrap(), pubsub(&slow).await.unwrap());
    let mut ending = subscribe(&*first).await;
    for number in 0..50 {
        publish(&*first, &number.to_string()).await.unwrap();
    }
    let (kept, dropped) = (next(&mut ending).await, next(&mut ending).await);
    let mut staying = subscribe(&*second).await;
    drop(ending);
    drop(dropped);
    let mut all = Vec::new();
    while all.len() < 49 {
        all.push(ack(next(&mut staying).await).await);
    }
    // What was handed out can be settled after the end.
    all.push(ack(kept).await);
    all.sort_by_key(|number| number.parse::<u32>().unwrap());
    assert_eq!(all, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    nothing(&mut staying, Duration::from_secs(1)).await;
    assert_eq!(pending(&redis, "app"), 0);
}

#[tokio::test]
async fn closing_gives_everything_back_at_once() {
    let Some(redis) = Redis::alone().start() else { return };
    let slow = [("redisHost", &*redis.address()), ("processingTimeout", "10m"), ("redeliverInterval", "300ms")];
    let first = pubsub(&slow).await.unwrap();
    let mut ending = subscribe(&*first).await;
    for number in 0..30 {
        publish(&*first, &number.to_string()).await.unwrap();
    }
    assert_eq!(ack(next(&mut ending).await).await, "0");
    let (closing, held) = (Instant::now(), next(&mut ending).await);
    drop(ending);
    first.close().await.unwrap();
    assert!(closing.elapsed() < Duration::from_secs(2), "{:?}", closing.elapsed());
    let second = pubsub(&slow).await.unwrap();
    let mut staying = subscribe(&*second).await;
    let mut all = Vec::new();
    while all.len() < 29 {
        all.push(ack(next(&mut staying).await).await);
    }
    all.sort_by_key(|number| number.parse::<u32>().unwrap());
    assert_eq!(all, (1..30).map(|number| number.to_string()).collect::<Vec<_>>());
    drop(held);
}

#[tokio::test]
async fn no_more_is_handed_out_than_may_be_worked_on_and_no_more_fetched_than_may_wait() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[("concurrency", "3"), ("queueDepth", "5")]).await;
    for number in 0..50 {
        publish_to(&*broker, TOPIC, &number.to_string()).await.unwrap();
        publish_to(&*broker, "others", &number.to_string()).await.unwrap();
    }
    let mut first = subscribe(&*broker).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut first).await);
    }
    nothing(&mut first, Duration::from_millis(500)).await;
    // Those that wait, one on its way to the subscriber, and those that are worked on.
    assert!(pending(&redis, "app") <= 5 + 1 + 3, "{} are taken", pending(&redis, "app"));
    // Topics share the places, and each has its turn.
    let mut second = subscribe_to(&*broker, "others").await;
    nothing(&mut second, Duration::from_millis(300)).await;
    let (one, two) = (Handled::default(), Handled::default());
    for delivery in held {
        ack(delivery).await;
    }
    tokio::select! {
        () = async { tokio::join!(one.work(first, Duration::from_millis(5)), two.work(second, Duration::from_millis(5))); } => {}
        () = async { while one.count() < 47 || two.count() < 50 { tokio::time::sleep(Duration::from_millis(10)).await } } => {}
        () = tokio::time::sleep(SOON * 2) => panic!("{} and {}", one.count(), two.count()),
    }
    assert_eq!((one.twice(), two.twice()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_message_that_was_trimmed_away_while_it_was_pending_is_forgotten() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    for number in 0..3 {
        publish(&*broker, &number.to_string()).await.unwrap();
    }
    for _ in 0..3 {
        next(&mut deliveries).await.settle(Settlement::Retry).await.unwrap();
    }
    redis.command(&["XTRIM", TOPIC, "MAXLEN", "1"]).unwrap();
    assert_eq!(ack(next(&mut deliveries).await).await, "2");
    let end = Instant::now() + SOON;
    while pending(&redis, "app") > 0 {
        assert!(Instant::now() < end, "{} are still pending", pending(&redis, "app"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nothing(&mut deliveries, Duration::from_millis(500)).await;
}

#[tokio::test]
async fn redelivery_that_is_turned_off_leaves_what_failed_pending() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = pubsub(&[("redisHost", &redis.address()), ("redeliverInterval", "0")]).await.unwrap();
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "a").await.unwrap();
    next(&mut deliveries).await.settle(Settlement::Retry).await.unwrap();
    nothing(&mut deliveries, Duration::from_secs(1)).await;
    assert_eq!(pending(&redis, "app"), 1);
    broker.close().await.unwrap();
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    assert_eq!(ack(next(&mut deliveries).await).await, "a");
}
