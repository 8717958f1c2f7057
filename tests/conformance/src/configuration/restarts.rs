//! Subscriptions when the server goes and comes back. Each check has a server of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::Subject;

/// How long a store may need after its server is back.
const BACK: Duration = Duration::from_secs(5);

pub(super) async fn a_subscription_outlives_a_restart_of_the_server(subject: Subject) {
    subject.put("a", "before", "1").await;
    let mut some = subject.subscribe(&["a"]).await;
    let mut all = subject.subscribe(&[]).await;
    for round in 0..2 {
        subject.ground.restart().await;
        readable_again(&subject, "a").await;
        let value = format!("after {round}");
        subject.put("a", &value, "2").await;
        some.until("a", &value).await;
        all.until("a", &value).await;
    }
}

/// The value is written in the very moment the server is back, before any subscriber can be: it has to be fetched.
pub(super) async fn what_changed_during_an_outage_is_delivered(subject: Subject) {
    subject.put("a", "before", "1").await;
    subject.put("unchanged", "1", "1").await;
    let mut some = subject.subscribe(&["a", "unchanged"]).await;
    let mut all = subject.subscribe(&[]).await;
    subject.ground.restart().await;
    subject.put("a", "meanwhile", "2").await;
    some.until("a", "meanwhile").await;
    all.until("a", "meanwhile").await;
}

async fn readable_again(subject: &Subject, name: &str) {
    let end = Instant::now() + BACK;
    while let Err(error) = subject.try_get(&[name]).await {
        assert!(Instant::now() < end, "not working {BACK:?} after the server is: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
