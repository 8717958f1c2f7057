//! The target's exchanges and queues: made the same, used when they are there, refused in clear words when they differ.

use std::collections::BTreeSet;

use crate::ground::{control, open, shared, take};

/// A line whose arguments stand in order, apart by blanks.
fn sorted(line: &str) -> String {
    let Some((start, arguments)) = line.rsplit_once("\t[") else { return line.to_owned() };
    let mut arguments: Vec<&str> = arguments.trim_end_matches(']').split("},{").collect();
    arguments.iter_mut().for_each(|argument| *argument = argument.trim_matches(['{', '}']));
    arguments.sort_unstable();
    let arguments: Vec<String> = arguments.iter().map(|argument| format!("{{{argument}}}")).collect();
    format!("{start}\t{}", arguments.join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_and_queues_are_those_of_the_target() {
    let Some(server) = shared().await else { return };
    let given = [("enableDeadLetter", "true"), ("deletedWhenUnused", "true"), ("maxLen", "100"), ("consumerID", "c")];
    let bus = open(&server.connection_string(), &given).await;
    let deliveries = bus.subscribe_with("same", &[("maxPriority", "5")]).await.unwrap();
    let exchanges = ["list_exchanges", "--no-table-headers", "name", "type", "durable", "auto_delete"];
    let queues = ["list_queues", "--no-table-headers", "name", "durable", "auto_delete", "arguments"];
    let printed = [("exchange", control(&server, &exchanges).await), ("queue", control(&server, &queues).await)];
    let ours: BTreeSet<String> = printed
        .iter()
        .flat_map(|(what, printed)| printed.lines().map(move |line| format!("{what}\t{}", sorted(line))))
        .collect();
    for line in include_str!("../vectors/reference.txt").lines().filter(|line| !line.starts_with('#')) {
        assert!(ours.contains(line), "no {line:?} in {ours:#?}");
    }
    drop(deliveries);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_stay_unless_told_otherwise_and_those_of_the_target_are_used_as_they_are() {
    let Some(server) = shared().await else { return };
    let connection = server.connection_string();
    let ours = open(&connection, &[]).await;
    let theirs = open(&connection, &[("deletedWhenUnused", "true")]).await;
    // Theirs is there first and goes with its last subscriber.
    let old = theirs.subscribe("moving").await;
    let mut new = ours.subscribe("moving").await;
    drop(old);
    ours.publish("moving", "one").await;
    assert_eq!(take(&mut new).await, "one");
    // Ours is there first and stays.
    drop(ours.subscribe("staying").await);
    ours.publish("staying", "two").await;
    assert_eq!(take(&mut ours.subscribe("staying").await).await, "two");
    let refused = theirs.subscribe_with("staying", &[]).await.unwrap_err().to_string();
    assert!(refused.contains("PRECONDITION_FAILED") && refused.contains("auto_delete"), "{refused}");
    assert_eq!(theirs.subscribe_with("staying", &[]).await.unwrap_err().kind(), component::ErrorKind::InvalidArgument);
    // One refusal is nobody else's.
    theirs.publish("moving", "three").await;
    assert_eq!(take(&mut new).await, "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_went_with_its_last_queue_is_made_again() {
    let Some(server) = shared().await else { return };
    let bus = open(&server.connection_string(), &[("deletedWhenUnused", "true")]).await;
    let mut first = bus.subscribe("fleeting").await;
    bus.publish("fleeting", "one").await;
    assert_eq!(take(&mut first).await, "one");
    drop(first);
    for number in 0..50 {
        bus.publish("fleeting", &number.to_string()).await;
    }
}
