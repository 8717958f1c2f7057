//! Calls that are dropped in the middle, as the runtime does when a caller goes away.

use std::time::Duration;

use component::pubsub::Settlement;
use tokio::time::timeout;

use super::Subject;
use super::hearing::{handled, numbered};

fn moment() -> Duration {
    Duration::from_micros(fastrand::u64(0..2000))
}

pub(super) async fn calls_that_are_dropped_lose_nothing_that_was_acknowledged(subject: Subject) {
    let mut hearing = subject.subscribe("hasty").await;
    let mut acknowledged = Vec::new();
    for said in numbered("hasty", 100) {
        if let Ok(done) = timeout(moment(), subject.try_publish(&subject.message("hasty", said.clone()))).await {
            done.unwrap_or_else(|error| panic!("publish {said}: {error}"));
            acknowledged.push(said);
        }
    }
    subject.publish("hasty", "last").await;
    acknowledged.push("last".to_owned());
    hearing.handles(&acknowledged).await;
}

pub(super) async fn a_dropped_subscribe_call_leaves_nobody_behind(subject: Subject) {
    for _ in 0..20 {
        drop(timeout(moment(), subject.try_subscribe("hasty")).await);
    }
    let mut hearing = subject.subscribe("hasty").await;
    // Nobody that was left behind takes a share of them.
    let texts = numbered("for the living", 60);
    for said in &texts {
        subject.publish("hasty", said).await;
    }
    hearing.handles(&texts).await;
}

pub(super) async fn a_dropped_settlement_leaves_the_subscription_working(subject: Subject) {
    let mut hearing = subject.subscribe("hasty").await;
    let texts = numbered("hasty", 30);
    for said in &texts {
        subject.publish("hasty", said).await;
    }
    for number in 0..texts.len() {
        let delivery = hearing.next().await;
        let settlement = if number % 3 == 0 { Settlement::Retry } else { Settlement::Ack };
        drop(timeout(moment(), delivery.settle(settlement)).await);
    }
    subject.publish("hasty", "last").await;
    while handled(hearing.next().await).await != "last" {}
}
