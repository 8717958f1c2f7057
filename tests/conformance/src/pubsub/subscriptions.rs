//! Subscriptions that begin and end, one beside the other.

use std::time::Duration;

use super::Subject;
use super::hearing::{handled, numbered, text};

pub(super) async fn each_subscription_hears_its_topic_and_no_other(subject: Subject) {
    let mut hearings = Vec::new();
    for topic in ["a", "b", "ab"] {
        hearings.push((topic, subject.subscribe(topic).await));
    }
    for (topic, _) in &hearings {
        subject.publish(topic, &format!("1 of {topic}")).await;
        subject.publish(topic, &format!("2 of {topic}")).await;
    }
    for (topic, hearing) in &mut hearings {
        hearing.handles_exactly(&[&format!("1 of {topic}"), &format!("2 of {topic}")]).await;
    }
}

pub(super) async fn a_subscription_that_ends_leaves_the_others_alone(subject: Subject) {
    let mut stays = subject.subscribe("stays").await;
    let mut goes = subject.subscribe("goes").await;
    subject.publish("goes", "1").await;
    goes.handles_exactly(&["1"]).await;
    drop(goes);
    for number in 0..10 {
        subject.publish("goes", &number.to_string()).await;
        subject.publish("stays", &number.to_string()).await;
        assert_eq!(handled(stays.next().await).await, number.to_string());
    }
}

pub(super) async fn deliveries_of_an_ended_subscription_can_still_be_settled(subject: Subject) {
    let mut hearing = subject.subscribe("ended").await;
    let texts = numbered("held", 3);
    for text in &texts {
        subject.publish("ended", text).await;
    }
    let mut held = vec![hearing.next().await];
    while held.len() < texts.len().min(subject.backend.profile.in_flight) {
        held.push(hearing.next().await);
    }
    drop(hearing);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for delivery in held {
        handled(delivery).await;
    }
}

pub(super) async fn messages_wait_for_a_subscription_that_comes_again(subject: Subject) {
    let mut hearing = subject.subscribe("waits").await;
    subject.publish("waits", "before").await;
    hearing.handles_exactly(&["before"]).await;
    drop(hearing);
    for text in numbered("meanwhile", 25) {
        subject.publish("waits", &text).await;
    }
    let mut hearing = subject.subscribe("waits").await;
    let heard = hearing.handles(&numbered("meanwhile", 25)).await;
    assert!(heard.values().all(|times| *times == 1) && heard.len() == 25, "{heard:?}");
}

pub(super) async fn messages_wait_for_a_component_that_comes_again(subject: Subject) {
    let first = subject.another().await;
    let mut hearing = first.subscribe("waits").await;
    subject.publish("waits", "before").await;
    hearing.handles_exactly(&["before"]).await;
    first.close_alone().await;
    assert!(hearing.ends().await, "a subscription lives on in a closed component");
    for text in numbered("meanwhile", 25) {
        subject.publish("waits", &text).await;
    }
    let mut hearing = subject.another().await.subscribe("waits").await;
    let heard = hearing.handles(&numbered("meanwhile", 25)).await;
    assert!(heard.values().all(|times| *times == 1) && heard.len() == 25, "{heard:?}");
}

pub(super) async fn what_an_ended_subscription_had_not_settled_waits_for_the_next(subject: Subject) {
    let mut hearing = subject.subscribe("back").await;
    let texts = numbered("back", 5);
    for text in &texts {
        subject.publish("back", text).await;
    }
    let held = hearing.next().await;
    // Time to fetch more, which nobody takes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(hearing);
    let mut next = subject.subscribe("back").await;
    drop(held);
    next.handles(&texts).await;
}

pub(super) async fn handled_after_its_subscription_ended_it_does_not_come_again(subject: Subject) {
    let mut hearing = subject.subscribe("late").await;
    subject.publish("late", "x").await;
    let held = hearing.next().await;
    drop(hearing);
    tokio::time::sleep(Duration::from_millis(200)).await;
    handled(held).await;
    let mut next = subject.subscribe("late").await;
    let again = next.next_within(subject.backend.profile.again_within).await;
    assert_eq!(again.as_ref().map(text), None);
    subject.publish("late", "y").await;
    next.handles_exactly(&["y"]).await;
}

pub(super) async fn a_pattern_hears_all_topics_it_means(subject: Subject) {
    let mut all = subject.subscribe("news.*").await;
    let mut one = subject.subscribe("news.sport").await;
    for topic in ["news.sport", "news.weather", "other"] {
        subject.publish(topic, topic).await;
    }
    let mut heard = Vec::new();
    for _ in 0..2 {
        let delivery = all.next().await;
        assert_eq!(delivery.message.topic, subject.topic(&text(&delivery)));
        heard.push(handled(delivery).await);
    }
    heard.sort();
    assert_eq!(heard, ["news.sport", "news.weather"]);
    one.handles_exactly(&["news.sport"]).await;
    assert!(all.next_within(Duration::from_millis(300)).await.is_none());
}

pub(super) async fn fifty_topics_are_heard_at_once(subject: Subject) {
    let mut hearings = Vec::new();
    for number in 0..50 {
        hearings.push(subject.subscribe(&format!("topic-{number}")).await);
    }
    for round in 0..2 {
        for number in 0..hearings.len() {
            subject.publish(&format!("topic-{number}"), &format!("{number} in {round}")).await;
        }
        for (number, hearing) in hearings.iter_mut().enumerate() {
            assert_eq!(handled(hearing.next().await).await, format!("{number} in {round}"));
        }
    }
}

pub(super) async fn many_subscriptions_come_and_go(subject: Subject) {
    for round in 0..30 {
        let mut hearing = subject.subscribe("often").await;
        if round % 5 == 0 {
            let said = round.to_string();
            subject.publish("often", &said).await;
            hearing.handles(&[said]).await;
        }
    }
}

pub(super) async fn closing_the_component_ends_its_subscriptions(subject: Subject) {
    let own = subject.another().await;
    let quiet = own.subscribe("quiet").await;
    let mut busy = own.subscribe("busy").await;
    for text in numbered("busy", 5) {
        own.publish("busy", &text).await;
    }
    let held = busy.next().await;
    own.close_alone().await;
    assert!(quiet.ends().await && busy.ends().await, "a subscription lives on in a closed component");
    drop(held);
}
