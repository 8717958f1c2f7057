//! Several consumers of one topic: those of one id share its messages, those of different ids each get all.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Subject;
use super::hearing::{Hearing, handled, numbered};

/// Handles what comes until nothing has come for a while, `pace` each.
async fn work(mut hearing: Hearing, pace: Duration) -> Vec<String> {
    let mut done = Vec::new();
    while let Some(delivery) = hearing.next_within(Duration::from_secs(3)).await {
        tokio::time::sleep(pace).await;
        done.push(handled(delivery).await);
    }
    done
}

pub(super) async fn consumers_with_one_id_share_the_messages(subject: Subject) {
    let mut workers = JoinSet::new();
    // Two components, and two subscriptions of one component.
    let other = subject.another().await;
    for own in [&subject, &subject, &other] {
        workers.spawn(work(own.subscribe("shared").await, Duration::from_millis(10)));
    }
    let texts = numbered("shared", 120);
    for text in &texts {
        subject.publish("shared", text).await;
    }
    let shares = workers.join_all().await;
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    for text in shares.iter().flatten() {
        *heard.entry(text.clone()).or_default() += 1;
    }
    assert_eq!(heard, texts.into_iter().map(|text| (text, 1)).collect());
    let sizes: Vec<usize> = shares.iter().map(Vec::len).collect();
    assert!(sizes.iter().filter(|size| **size > 0).count() > 1, "one got everything: {sizes:?}");
}

pub(super) async fn each_consumer_id_gets_all_messages(subject: Subject) {
    let other = subject.consumer("other").await;
    let (mut own_hearing, mut other_hearing) = (subject.subscribe("all").await, other.subscribe("all").await);
    let texts = numbered("all", 30);
    for text in &texts {
        subject.publish("all", text).await;
    }
    for hearing in [&mut own_hearing, &mut other_hearing] {
        let heard = hearing.handles(&texts).await;
        assert!(heard.values().all(|times| *times == 1) && heard.len() == texts.len(), "{heard:?}");
    }
}

pub(super) async fn what_a_closed_consumer_had_not_settled_goes_to_another(subject: Subject) {
    let closing = subject.another().await;
    let mut hearing = closing.subscribe("left").await;
    let texts = numbered("left", 5);
    for text in &texts {
        subject.publish("left", text).await;
    }
    let held = hearing.next().await;
    let mut other = subject.subscribe("left").await;
    closing.close_alone().await;
    drop((held, hearing));
    other.handles(&texts).await;
}

pub(super) async fn consumers_that_come_and_go_lose_nothing(subject: Subject) {
    drop(subject.subscribe("flow").await);
    let mut publishing = tokio::task::JoinSet::new();
    publishing.spawn({
        let subject = subject.clone();
        async move {
            for text in numbered("flow", 300) {
                subject.publish("flow", &text).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    let mut heard = Vec::new();
    for _ in 0..8 {
        let own = subject.another().await;
        let mut hearing = own.subscribe("flow").await;
        for _ in 0..20 {
            if let Some(delivery) = hearing.next_within(Duration::from_millis(500)).await {
                heard.push(handled(delivery).await);
            }
        }
        // It leaves while more is on its way to it.
        own.close_alone().await;
    }
    let mut rest = subject.subscribe("flow").await;
    let missing: Vec<String> = numbered("flow", 300).into_iter().filter(|text| !heard.contains(text)).collect();
    rest.handles(&missing).await;
    publishing.join_next().await.expect("one publishes").expect("all were published");
}
