//! What was not handled comes again, and what was handled does not.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Subject;
use super::hearing::{ARRIVES, handled, numbered, refused, text};

pub(super) async fn a_message_to_be_tried_again_comes_until_it_is_handled(subject: Subject) {
    let mut hearing = subject.subscribe("again").await;
    subject.publish("again", "stubborn").await;
    for _ in 0..3 {
        assert_eq!(refused(hearing.next().await).await, "stubborn");
    }
    hearing.handles_exactly(&["stubborn"]).await;
}

/// A broker may wait as long as it likes, but must not turn a failing app into a busy loop.
pub(super) async fn tries_have_pauses_between_them(subject: Subject) {
    let mut hearing = subject.subscribe("again").await;
    subject.publish("again", "stubborn").await;
    let (end, mut tries) = (Instant::now() + Duration::from_secs(3), 0);
    while let Some(delivery) = hearing.next_within(end.saturating_duration_since(Instant::now())).await {
        refused(delivery).await;
        tries += 1;
    }
    assert!((1..=30).contains(&tries), "{tries} tries in 3 s");
    hearing.handles(&["stubborn".to_owned()]).await;
}

pub(super) async fn a_message_that_always_fails_does_not_hold_up_the_others(subject: Subject) {
    let mut hearing = subject.subscribe("again").await;
    subject.publish("again", "stubborn").await;
    let good = numbered("good", 30);
    for text in &good {
        subject.publish("again", text).await;
    }
    let (end, mut heard) = (Instant::now() + ARRIVES, BTreeMap::new());
    while heard.len() < good.len() {
        assert!(Instant::now() < end, "only {heard:?} came");
        let delivery = hearing.next().await;
        match text(&delivery) == "stubborn" {
            true => drop(refused(delivery).await),
            false => *heard.entry(handled(delivery).await).or_insert(0) += 1,
        }
    }
    assert!(heard.values().all(|times| *times == 1), "{heard:?}");
    hearing.handles(&["stubborn".to_owned()]).await;
}

pub(super) async fn a_delivery_that_is_dropped_unsettled_comes_again(subject: Subject) {
    let mut hearing = subject.subscribe("dropped").await;
    subject.publish("dropped", "x").await;
    for _ in 0..2 {
        drop(hearing.next().await);
        let began = Instant::now();
        let again = hearing.next().await;
        assert_eq!(text(&again), "x");
        assert!(began.elapsed() < subject.backend.profile.again_within, "it took {:?}", began.elapsed());
    }
    hearing.handles(&["x".to_owned()]).await;
}

pub(super) async fn what_was_handled_does_not_come_again(subject: Subject) {
    let mut hearing = subject.subscribe("final").await;
    let texts = numbered("done", 20);
    for text in &texts {
        subject.publish("final", text).await;
    }
    hearing.handles(&texts).await;
    let patience = subject.backend.profile.again_within;
    assert_eq!(hearing.next_within(patience).await.as_ref().map(text), None);
    drop(hearing);
    let mut hearing = subject.subscribe("final").await;
    subject.publish("final", "new").await;
    hearing.handles_exactly(&["new"]).await;
    let other = subject.another().await;
    drop(hearing);
    let mut hearing = other.subscribe("final").await;
    subject.publish("final", "newer").await;
    hearing.handles_exactly(&["newer"]).await;
}

pub(super) async fn failing_now_and_then_everything_is_handled_in_the_end(subject: Subject) {
    let mut hearing = subject.subscribe("flaky").await;
    let texts = numbered("flaky", 40);
    for text in &texts {
        subject.publish("flaky", text).await;
    }
    let (mut done, mut tries) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    let end = Instant::now() + 2 * ARRIVES;
    for number in 0.. {
        if done.len() == texts.len() {
            break;
        }
        assert!(Instant::now() < end, "only {done:?} are handled");
        let delivery = hearing.next().await;
        let said = text(&delivery);
        let first = *tries.entry(said.clone()).and_modify(|tries| *tries += 1).or_insert(1) == 1;
        match number {
            // The first two and then every fifth fail, in both ways.
            0 | 1 => drop(refused(delivery).await),
            _ if first && number % 10 == 5 => drop(delivery),
            _ if first && number % 5 == 0 => drop(refused(delivery).await),
            _ => *done.entry(handled(delivery).await).or_default() += 1,
        }
    }
    assert!(done.values().all(|times| *times == 1), "handled more than once: {done:?}");
    assert_eq!(hearing.next_within(Duration::from_millis(500)).await.as_ref().map(text), None);
}
