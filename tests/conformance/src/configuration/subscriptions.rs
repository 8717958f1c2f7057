//! Streams of changes.

use super::{Subject, Versions};

pub(super) async fn each_subscriber_hears_of_its_keys_and_no_other(subject: Subject) {
    subject.put("a", "0", "1").await;
    let mut some = subject.subscribe(&["a", "b"]).await;
    let mut others = subject.subscribe(&["c"]).await;
    let mut all = subject.subscribe(&[]).await;
    for (name, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4"), ("b", "last"), ("c", "last")] {
        subject.put(name, value, value).await;
    }
    let names = |heard: &[(String, component::configuration::Item)]| {
        let mut names: Vec<String> = heard.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let heard = some.until("b", "last").await;
    assert_eq!(names(&heard), ["a", "b"]);
    if subject.backend.profile.versions == Versions::Written {
        let (_, item) = heard.iter().rfind(|(name, _)| name == "b").expect("it was heard");
        assert_eq!(item.version, "last");
    }
    assert_eq!(names(&others.until("c", "last").await), ["c"]);
    assert_eq!(names(&all.until("c", "last").await), ["a", "b", "c"]);
}

pub(super) async fn a_key_that_is_not_there_yet_can_be_subscribed_to(subject: Subject) {
    let mut hearing = subject.subscribe(&["new"]).await;
    subject.put("new", "1", "1").await;
    assert_eq!(hearing.until("new", "1").await.len(), 1);
}

pub(super) async fn a_removed_key_is_told_with_an_empty_value(subject: Subject) {
    subject.put("gone", "1", "1").await;
    let mut hearing = subject.subscribe(&["gone"]).await;
    let mut all = subject.subscribe(&[]).await;
    subject.remove("gone").await;
    hearing.until("gone", "").await;
    all.until("gone", "").await;
    subject.put("gone", "2", "2").await;
    hearing.until("gone", "2").await;
    all.until("gone", "2").await;
}

pub(super) async fn a_subscription_that_was_dropped_leaves_the_others_alone(subject: Subject) {
    let first = subject.subscribe(&["a"]).await;
    let mut second = subject.subscribe(&["a"]).await;
    let third = subject.subscribe(&[]).await;
    subject.put("a", "1", "1").await;
    second.until("a", "1").await;
    drop(first);
    subject.put("a", "2", "2").await;
    second.until("a", "2").await;
    drop(third);
    subject.put("a", "3", "3").await;
    second.until("a", "3").await;
    drop(second);
    subject.put("a", "4", "4").await;
    let mut again = subject.subscribe(&["a"]).await;
    subject.put("a", "5", "5").await;
    let heard = again.until("a", "5").await;
    assert!(heard.iter().all(|(_, item)| item.value != "4"), "a change from before the subscription: {heard:?}");
}

pub(super) async fn the_last_value_reaches_a_slow_subscriber(subject: Subject) {
    let mut slow = subject.subscribe(&["busy", "other"]).await;
    let mut all = subject.subscribe(&[]).await;
    subject.put("other", "once", "1").await;
    for number in 1..=150 {
        subject.put("busy", &number.to_string(), &number.to_string()).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let heard = slow.until("busy", "150").await;
    assert!(heard.iter().any(|(name, _)| name == "other"), "the one change of the quiet key was lost");
    let numbers = heard.iter().filter(|(name, _)| name == "busy").map(|(_, item)| item.value.parse::<u32>());
    let numbers: Vec<u32> = numbers.map(|number| number.expect("it was a number")).collect();
    assert!(numbers.is_sorted(), "an older value came after a newer one: {numbers:?}");
    all.until("busy", "150").await;
}

pub(super) async fn many_subscriptions_come_and_go(subject: Subject) {
    for round in 0..50 {
        let mut hearing = subject.subscribe(&["shared"]).await;
        if round % 10 == 0 {
            subject.put("shared", &round.to_string(), "1").await;
            hearing.until("shared", &round.to_string()).await;
        }
    }
    let mut many = Vec::new();
    for _ in 0..20 {
        many.push(subject.subscribe(&["shared"]).await);
    }
    subject.put("shared", "for all", "1").await;
    for hearing in &mut many {
        hearing.until("shared", "for all").await;
    }
}

pub(super) async fn closing_the_store_ends_its_subscriptions(subject: Subject) {
    let some = subject.subscribe(&["a"]).await;
    let all = subject.subscribe(&[]).await;
    subject.store.close().await.expect("close");
    assert!(some.ends().await && all.ends().await, "a subscription lives on in a closed store");
}
