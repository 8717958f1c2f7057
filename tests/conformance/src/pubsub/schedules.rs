//! When messages come: not after their end, not before they are due, and those of a key one after the other.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Subject;
use super::hearing::{handled, refused, text};

pub(super) async fn a_message_ends_after_its_time_to_live(subject: Subject) {
    drop(subject.subscribe("mortal").await);
    subject.publish_with("mortal", "short", &[("ttlInSeconds", "1")]).await;
    subject.publish_with("mortal", "long", &[("ttlInSeconds", "600")]).await;
    subject.publish("mortal", "for ever").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut hearing = subject.subscribe("mortal").await;
    hearing.handles_exactly(&["long", "for ever"]).await;
    // One that is taken in time comes.
    subject.publish_with("mortal", "in time", &[("ttlInSeconds", "60")]).await;
    hearing.handles_exactly(&["in time"]).await;
}

pub(super) async fn a_delayed_message_comes_when_it_is_due(subject: Subject) {
    let delay = subject.backend.profile.delay.expect("a broker that delays has a name for it");
    let mut hearing = subject.subscribe("delayed").await;
    let began = Instant::now();
    subject.publish_with("delayed", "later", &[delay]).await;
    subject.publish("delayed", "now").await;
    assert_eq!(handled(hearing.next().await).await, "now");
    assert_eq!(handled(hearing.next().await).await, "later");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900), "it was delayed by 2 s and came after {took:?}");
}

const KEYS: usize = 6;
const OF_EACH: usize = 15;

fn key_of(said: &str) -> String {
    said.split(' ').next().unwrap_or_default().to_owned()
}

async fn publish_keyed(subject: &Subject, topic: &str, keys: usize, of_each: usize) {
    let name = subject.backend.profile.key.expect("a broker that orders by key has a name for it");
    for number in 0..of_each {
        for key in 0..keys {
            subject.publish_with(topic, &format!("key{key} {number}"), &[(name, &format!("key{key}"))]).await;
        }
    }
}

/// Everything that is handed out is worked on at the same time, some of it fails, and still each key has its order.
pub(super) async fn messages_of_one_key_come_one_after_the_other(subject: Subject) {
    let mut hearing = subject.subscribe("keyed").await;
    publish_keyed(&subject, "keyed", KEYS, OF_EACH).await;
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let done: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut failed = HashSet::new();
    let mut working = JoinSet::new();
    while done.lock().expect("no holder panics").len() < KEYS * OF_EACH {
        let Some(delivery) = hearing.next_within(Duration::from_millis(500)).await else { continue };
        let said = text(&delivery);
        let alone = busy.lock().expect("no holder panics").insert(key_of(&said));
        assert!(alone, "{said} came while another of its key was being handled");
        let fails = fastrand::usize(..20) == 0 && failed.insert(said.clone());
        let (busy, done) = (Arc::clone(&busy), Arc::clone(&done));
        working.spawn(async move {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..15))).await;
            // Free before it is settled, for the next may come in that moment.
            busy.lock().expect("no holder panics").remove(&key_of(&said));
            if fails {
                refused(delivery).await;
            } else {
                done.lock().expect("no holder panics").push(said);
                handled(delivery).await;
            }
        });
    }
    working.join_all().await;
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for said in done.lock().expect("no holder panics").iter() {
        rows.entry(key_of(said)).or_default().push(said.clone());
    }
    for (key, row) in rows {
        assert_eq!(row, (0..OF_EACH).map(|number| format!("{key} {number}")).collect::<Vec<_>>());
    }
}

pub(super) async fn a_message_to_be_tried_again_holds_up_its_key_alone(subject: Subject) {
    let mut hearing = subject.subscribe("keyed").await;
    publish_keyed(&subject, "keyed", 2, 10).await;
    let mut others = 0;
    while others < 10 {
        let delivery = hearing.next().await;
        let said = text(&delivery);
        if said.starts_with("key0") {
            assert_eq!(said, "key0 0", "it overtook the one that is to be tried again");
            refused(delivery).await;
        } else {
            handled(delivery).await;
            others += 1;
        }
    }
    for number in 0..10 {
        assert_eq!(handled(hearing.next().await).await, format!("key0 {number}"));
    }
}
