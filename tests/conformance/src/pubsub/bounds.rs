//! Work in flight is bounded, and one subscription's backlog is its own.

use std::time::Duration;

use super::Subject;
use super::hearing::{handled, numbered, text};

pub(super) async fn what_nobody_settles_is_bounded(subject: Subject) {
    let mut hearing = subject.subscribe("flood").await;
    let texts = numbered("flood", 500);
    for text in &texts {
        subject.publish("flood", text).await;
    }
    let mut held = vec![hearing.next().await];
    while let Some(delivery) = hearing.next_within(Duration::from_secs(1)).await {
        held.push(delivery);
        assert!(held.len() <= subject.backend.profile.in_flight, "more is handed out than it promises");
    }
    let mut done = Vec::new();
    for delivery in held {
        done.push(handled(delivery).await);
    }
    let rest: Vec<String> = texts.into_iter().filter(|text| !done.contains(text)).collect();
    hearing.handles(&rest).await;
}

pub(super) async fn a_slow_subscription_does_not_slow_others_down(subject: Subject) {
    let mut slow = subject.subscribe("slow").await;
    let mut quick = subject.subscribe("quick").await;
    for text in numbered("slow", 100) {
        subject.publish("slow", &text).await;
    }
    let held = slow.next().await;
    for said in numbered("quick", 50) {
        subject.publish("quick", &said).await;
        let delivery = quick.next().await;
        assert_eq!(text(&delivery), said);
        handled(delivery).await;
    }
    handled(held).await;
}
