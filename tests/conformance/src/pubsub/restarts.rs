//! A server that is killed and comes back. Each check has a server of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use component::pubsub::Settlement;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::Subject;
use super::hearing::{Hearing, numbered, text};

const PUBLISHERS: usize = 4;
/// How long publishing may take to work again, on a machine that is busy with other servers.
const PUBLISHES: Duration = Duration::from_secs(60);
/// How long subscriptions may take to hear again there.
const HEARS: Duration = Duration::from_secs(60);
/// Longer than any check.
const LONGEST: Duration = Duration::from_secs(600);

async fn publishes_again(subject: &Subject, said: &str) {
    let end = Instant::now() + PUBLISHES;
    while let Err(error) = subject.try_publish(&subject.message("flow", said.to_owned())).await {
        assert!(Instant::now() < end, "not publishing {PUBLISHES:?} after the server is back: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Handles until one message has come. A settlement may fail: then the message comes again.
async fn handles_until(hearing: &mut Hearing, last: &str) -> Vec<String> {
    let (end, mut heard) = (Instant::now() + HEARS, Vec::new());
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let Some(delivery) = hearing.next_within(left).await else {
            panic!("{last:?} did not come within {HEARS:?}; before it came {heard:?}")
        };
        let said = text(&delivery);
        let done = delivery.settle(Settlement::Ack).await;
        heard.push(said.clone());
        if said == last && done.is_ok() {
            return heard;
        }
    }
}

pub(super) async fn a_subscription_goes_on_after_a_restart(subject: Subject) {
    let mut hearing = subject.subscribe("flow").await;
    subject.publish("flow", "before").await;
    handles_until(&mut hearing, "before").await;
    for round in 0..2 {
        subject.ground.restart().await;
        let said = format!("after {round}");
        publishes_again(&subject, &said).await;
        handles_until(&mut hearing, &said).await;
    }
}

/// Publishes until it is told to stop; what was acknowledged.
async fn publish_until(subject: Subject, number: usize, over: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for said in numbered(&format!("of {number}:"), 100_000) {
        if over.load(Ordering::SeqCst) {
            break;
        }
        match subject.try_publish(&subject.message("flow", said.clone())).await {
            Ok(()) => acknowledged.push(said),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    acknowledged
}

/// Handles everything, and notes it.
async fn hear_all(mut hearing: Hearing, heard: watch::Sender<HashSet<String>>) {
    loop {
        let delivery = hearing.next_within(LONGEST).await.expect("the subscription goes on");
        heard.send_modify(|heard| {
            heard.insert(text(&delivery));
        });
        // If it cannot be told, it comes again.
        let _ = delivery.settle(Settlement::Ack).await;
    }
}

pub(super) async fn nothing_acknowledged_is_lost_in_a_restart(subject: Subject) {
    let over = Arc::new(AtomicBool::new(false));
    let (heard, mut hearing) = watch::channel(HashSet::new());
    let other = subject.another().await;
    let (mut publishers, mut hearings) = (JoinSet::new(), JoinSet::new());
    for own in [&subject, &other] {
        hearings.spawn(hear_all(own.subscribe("flow").await, heard.clone()));
    }
    for number in 0..PUBLISHERS {
        publishers.spawn(publish_until(subject.clone(), number, Arc::clone(&over)));
    }
    for round in 0..2 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        subject.ground.restart().await;
        publishes_again(&subject, &format!("again {round}")).await;
    }
    over.store(true, Ordering::SeqCst);
    let acknowledged: Vec<String> = publishers.join_all().await.into_iter().flatten().collect();
    let complete = hearing.wait_for(|heard| acknowledged.iter().all(|said| heard.contains(said)));
    if timeout(HEARS, complete).await.is_err() {
        let heard = heard.borrow();
        let lost: Vec<_> = acknowledged.iter().filter(|said| !heard.contains(*said)).collect();
        panic!("{} of {} are not heard {HEARS:?} after the end: {lost:?}", lost.len(), acknowledged.len());
    }
    assert!(acknowledged.len() > PUBLISHERS, "only {} were acknowledged", acknowledged.len());
}

pub(super) async fn what_was_in_flight_in_a_restart_comes_again_or_was_settled(subject: Subject) {
    let mut hearing = subject.subscribe("flow").await;
    subject.publish("flow", "in flight").await;
    let delivery = hearing.next().await;
    subject.ground.restart().await;
    publishes_again(&subject, "last").await;
    let told = timeout(Duration::from_secs(5), delivery.settle(Settlement::Ack)).await;
    let heard = handles_until(&mut hearing, "last").await;
    if !matches!(told, Ok(Ok(()))) && !heard.contains(&"in flight".to_owned()) {
        handles_until(&mut hearing, "in flight").await;
    }
}
