//! What a topic promises, on rows in memory: delivery, groups, windows, delays, order, life, retention, opening again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ledger::Moment;
use tokio::sync::{mpsc, oneshot};

use crate::command::Command;
use crate::topic::Topic;
use crate::{
    Attach, Change, Error, GroupOptions, Message, Outgoing, Publication, Settlement, Store, TopicName, TopicStatus,
    When, Window,
};

/// Rows in memory. A clone is the same rows.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    rows: Arc<Mutex<BTreeMap<Bytes, Bytes>>>,
    /// Whether the disk fails.
    fails: Arc<AtomicBool>,
}

#[async_trait]
impl Store for Memory {
    async fn read(&self, keys: (Bytes, Bytes), most: (usize, usize)) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let rows = self.rows.lock().unwrap();
        let (mut found, mut bytes) = (Vec::new(), 0);
        if keys.0 >= keys.1 {
            return Ok(found);
        }
        for (key, value) in rows.range(keys.0..keys.1) {
            if found.len() >= most.0 || bytes >= most.1 {
                break;
            }
            bytes += key.len() + value.len();
            found.push((key.clone(), value.clone()));
        }
        Ok(found)
    }

    async fn get(&self, key: Bytes) -> Result<Option<Bytes>, Error> {
        Ok(self.rows.lock().unwrap().get(&key).cloned())
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::Ledger(ledger::Error::Failed("on purpose".into())));
        }
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            match change {
                Change::Put(key, value) => drop(rows.insert(key, value)),
                Change::Remove(key) => drop(rows.remove(&key)),
            }
        }
        Ok(())
    }
}

impl Memory {
    pub(crate) fn count(&self, kind: u8) -> usize {
        let prefix = [b"topics/default/".as_slice(), &[kind]].concat();
        self.rows.lock().unwrap().keys().filter(|key| key.starts_with(&prefix)).count()
    }
}

pub(crate) const OPTIONS: GroupOptions = GroupOptions {
    retention: Duration::from_secs(1000),
    bytes: 1 << 30,
    first_wait: Duration::from_millis(100),
    longest_wait: Duration::from_secs(1),
};

/// A topic and the time.
pub(crate) struct Bench {
    pub(crate) memory: Memory,
    pub(crate) topic: Topic,
    pub(crate) now: u64,
    pub(crate) due: Option<Moment>,
    consumers: u64,
}

/// A consumer's end.
pub(crate) struct End {
    pub(crate) group: String,
    pub(crate) number: u64,
    pub(crate) outgoing: mpsc::Receiver<Outgoing>,
}

impl End {
    /// Tags and data that have come.
    pub(crate) fn messages(&mut self) -> Vec<(u64, String)> {
        let mut messages = Vec::new();
        while let Ok(outgoing) = self.outgoing.try_recv() {
            if let Outgoing::Message { tag, message, .. } = outgoing {
                messages.push((tag, String::from_utf8(message.data.to_vec()).unwrap()));
            }
        }
        messages
    }

    fn data(&mut self) -> Vec<String> {
        self.messages().into_iter().map(|(_, data)| data).collect()
    }
}

fn name() -> TopicName {
    TopicName { database: "default".to_owned(), topic: "t".to_owned() }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let memory = Memory::default();
        let topic = Topic::open(name(), Arc::new(memory.clone())).await.unwrap();
        Self { memory, topic, now: 1_000_000, due: None, consumers: 0 }
    }

    /// As after a kill: what is in memory is lost.
    pub(crate) async fn crash(&mut self) {
        self.topic = Topic::open(name(), Arc::new(self.memory.clone())).await.unwrap();
        self.turn(Vec::new()).await;
    }

    pub(crate) async fn turn(&mut self, commands: Vec<Command>) {
        self.due = self.topic.turn(commands, Moment(self.now)).await.unwrap();
        // What was found while messages were handed out is written in the next turn.
        while self.due.is_some_and(|due| due.0 <= self.now) {
            self.due = self.topic.turn(Vec::new(), Moment(self.now)).await.unwrap();
        }
    }

    pub(crate) async fn later(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.turn(Vec::new()).await;
    }

    pub(crate) async fn publish(&mut self, publications: Vec<Publication>) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.turn(vec![Command::Publish(publications, reply)]).await;
        answer.await.unwrap()
    }

    async fn say(&mut self, data: &[&str]) {
        self.publish(data.iter().map(|data| publication(data, None)).collect()).await.unwrap();
    }

    pub(crate) async fn attach(&mut self, group: &str, messages: usize) -> End {
        self.attach_with(group, messages, OPTIONS).await
    }

    async fn attach_with(&mut self, group: &str, messages: usize, options: GroupOptions) -> End {
        let (sender, outgoing) = mpsc::channel(2 * messages + 1);
        let (reply, answer) = oneshot::channel();
        let window = Window { messages, bytes: 1 << 20 };
        self.consumers += 1;
        let attach = Attach { name: name(), group: group.to_owned(), options, window };
        self.turn(vec![Command::Attach { attach, consumer: self.consumers, sender, reply }]).await;
        answer.await.unwrap().unwrap();
        End { group: group.to_owned(), number: self.consumers, outgoing }
    }

    pub(crate) async fn settle(&mut self, end: &End, tags: &[u64], settlement: Settlement) {
        let settlements = tags.iter().map(|tag| (*tag, settlement)).collect();
        self.turn(vec![Command::Settle { group: end.group.clone(), consumer: end.number, settlements }]).await;
    }

    pub(crate) async fn detach(&mut self, end: End) {
        self.turn(vec![Command::Detach { group: end.group.clone(), consumer: end.number }]).await;
    }

    pub(crate) async fn status(&mut self) -> TopicStatus {
        let (reply, answer) = oneshot::channel();
        self.turn(vec![Command::Status(reply)]).await;
        answer.await.unwrap().unwrap()
    }
}

pub(crate) fn publication(data: &str, key: Option<&str>) -> Publication {
    let data = Bytes::copy_from_slice(data.as_bytes());
    let message = Message { data, ordering_key: key.map(str::to_owned), ..Message::default() };
    Publication { message, when: When::Now }
}

#[tokio::test]
async fn each_group_gets_each_message_and_each_of_its_consumers_some() {
    let mut bench = Bench::new().await;
    let (mut one, mut two) = (bench.attach("a", 10).await, bench.attach("a", 10).await);
    let mut other = bench.attach("b", 10).await;
    bench.say(&["1", "2", "3", "4"]).await;
    let (first, second) = (one.messages(), two.messages());
    assert_eq!((first.len(), second.len()), (2, 2));
    assert_eq!(other.data(), ["1", "2", "3", "4"]);
    let tags: Vec<u64> = first.iter().map(|(tag, _)| *tag).collect();
    bench.settle(&one, &tags, Settlement::Done).await;
    assert!(matches!(one.outgoing.try_recv(), Ok(Outgoing::Settled(_))));
    assert_eq!(bench.memory.count(b'm'), 4, "the other group has not settled them");
    let status = bench.status().await;
    assert_eq!(status.messages, 4);
    assert_eq!(
        status.groups.iter().map(|(_, group)| (group.waiting, group.held)).collect::<Vec<_>>(),
        [(2, 2), (4, 4)]
    );
    bench.settle(&two, &[0, 1, 2, 3], Settlement::Done).await;
    bench.settle(&other, &[0, 1, 2, 3], Settlement::Done).await;
    assert_eq!(bench.memory.count(b'm'), 0, "all are done with");
    let status = bench.status().await;
    assert_eq!((status.messages, status.bytes), (0, 0));
}

#[tokio::test]
async fn a_group_gets_what_was_published_while_its_consumers_were_away_and_the_hub_too() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 10).await;
    bench.say(&["1", "2"]).await;
    assert_eq!(end.data(), ["1", "2"]);
    bench.settle(&end, &[0], Settlement::Done).await;
    bench.detach(end).await;
    bench.say(&["3"]).await;
    bench.crash().await;
    bench.say(&["4"]).await;
    let mut end = bench.attach("a", 10).await;
    assert_eq!(end.data(), ["2", "3", "4"]);
}

#[tokio::test]
async fn the_first_group_gets_what_is_there_and_later_ones_what_comes() {
    let mut bench = Bench::new().await;
    bench.say(&["1"]).await;
    let mut first = bench.attach("a", 10).await;
    let mut second = bench.attach("b", 10).await;
    bench.say(&["2"]).await;
    assert_eq!((first.data(), second.data()), (vec!["1".to_owned(), "2".to_owned()], vec!["2".to_owned()]));
}

#[tokio::test]
async fn no_more_than_the_window_is_held_and_the_rest_stays_in_the_store() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 2).await;
    bench.say(&["1", "2", "3", "4", "5"]).await;
    assert_eq!(end.data(), ["1", "2"]);
    bench.settle(&end, &[1], Settlement::Done).await;
    assert_eq!(end.data(), ["3"]);
    bench.turn(vec![Command::Pause { group: "a".to_owned(), consumer: end.number }]).await;
    bench.settle(&end, &[0, 2], Settlement::Done).await;
    assert_eq!(end.data(), Vec::<String>::new(), "it is paused");
    assert_eq!(bench.memory.count(b'm'), 2);
}

#[tokio::test]
async fn what_failed_comes_again_after_a_wait_and_what_was_given_back_at_once() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 10).await;
    bench.say(&["1", "2"]).await;
    assert_eq!(end.data(), ["1", "2"]);
    bench.settle(&end, &[0], Settlement::Retry).await;
    bench.settle(&end, &[1], Settlement::Release).await;
    assert_eq!(end.data(), ["2"]);
    let due = bench.due.unwrap().0 - bench.now;
    assert!((50..=100).contains(&due), "{due}");
    bench.later(100).await;
    let Ok(Outgoing::Message { tag: 0, failures: 1, .. }) = end.outgoing.try_recv() else { panic!("0 is not there") };
    bench.settle(&end, &[0], Settlement::Retry).await;
    let due = bench.due.unwrap().0 - bench.now;
    assert!((100..=200).contains(&due), "{due}");
}

#[tokio::test]
async fn what_a_lost_consumer_held_goes_to_another_at_once() {
    let mut bench = Bench::new().await;
    let mut one = bench.attach("a", 10).await;
    bench.say(&["1", "2"]).await;
    assert_eq!(one.data(), ["1", "2"]);
    let mut two = bench.attach("a", 10).await;
    assert_eq!(two.data(), Vec::<String>::new());
    let number = one.number;
    drop(one);
    bench.turn(vec![Command::Detach { group: "a".to_owned(), consumer: number }]).await;
    assert_eq!(two.data(), ["1", "2"]);
}

#[tokio::test]
async fn messages_of_a_key_come_one_after_the_other_also_through_failures_and_crashes() {
    let mut bench = Bench::new().await;
    let (mut one, mut two) = (bench.attach("a", 10).await, bench.attach("a", 10).await);
    let keyed = [("1", "x"), ("2", "x"), ("3", "y"), ("4", "x")];
    bench.publish(keyed.iter().map(|(data, key)| publication(data, Some(key))).collect()).await.unwrap();
    let mut all = [one.data(), two.data()].concat();
    all.sort();
    assert_eq!(all, ["1", "3"]);
    bench.settle(&one, &[0], Settlement::Retry).await;
    bench.settle(&two, &[0], Settlement::Retry).await;
    assert_eq!([one.data(), two.data()].concat(), Vec::<String>::new(), "2 waits for 1");
    bench.crash().await;
    let mut end = bench.attach("a", 10).await;
    assert_eq!(end.data(), ["1", "3"]);
    bench.settle(&end, &[0], Settlement::Done).await;
    assert_eq!(end.data(), ["2"]);
    bench.settle(&end, &[1], Settlement::Done).await;
    assert_eq!(end.data(), ["4"]);
}

#[tokio::test]
async fn a_delayed_message_comes_at_its_time_in_the_order_of_times_also_after_a_crash() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 10).await;
    let late = Publication { when: When::After(Duration::from_millis(500)), ..publication("late", None) };
    let early = Publication { when: When::At(Moment(bench.now + 300)), ..publication("early", None) };
    let past = Publication { when: When::At(Moment(5)), ..publication("past", None) };
    bench.publish(vec![late, early, past]).await.unwrap();
    assert_eq!(end.data(), ["past"]);
    assert_eq!(bench.due, Some(Moment(bench.now + 300)));
    assert_eq!(bench.status().await.delayed, 2);
    bench.crash().await;
    assert_eq!(bench.due, Some(Moment(bench.now + 300)));
    let mut end = bench.attach("a", 10).await;
    end.data();
    bench.later(299).await;
    assert_eq!(end.data(), Vec::<String>::new());
    bench.later(1).await;
    assert_eq!(end.data(), ["early"]);
    bench.later(1000).await;
    assert_eq!(end.data(), ["late"]);
    let status = bench.status().await;
    assert_eq!((status.delayed, bench.memory.count(b'd')), (0, 0));
}

#[tokio::test]
async fn a_message_is_not_delivered_after_its_life() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 1).await;
    let mut short = publication("short", None);
    short.message.life = Some(Duration::from_millis(100));
    bench.publish(vec![publication("1", None), short.clone(), publication("3", None)]).await.unwrap();
    assert_eq!(end.data(), ["1"]);
    bench.later(100).await;
    bench.settle(&end, &[0], Settlement::Done).await;
    assert_eq!(end.data(), ["3"]);
    bench.turn(Vec::new()).await;
    assert_eq!(bench.memory.count(b'm'), 1, "the one that has ended is removed");
    // The life of a delayed message begins when it is published.
    short.when = When::After(Duration::from_millis(300));
    bench.publish(vec![short]).await.unwrap();
    bench.later(300).await;
    bench.settle(&end, &[2], Settlement::Done).await;
    assert_eq!(end.data(), ["short"]);
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_dropped_and_the_rest_kept() {
    let mut bench = Bench::new().await;
    let end = bench.attach("a", 1).await;
    bench.detach(end).await;
    bench.say(&["old"]).await;
    bench.later(999_999).await;
    bench.say(&["new"]).await;
    assert_eq!(bench.memory.count(b'm'), 2);
    assert_eq!(bench.due, Some(Moment(bench.now + 1)));
    bench.later(1).await;
    assert_eq!(bench.memory.count(b'm'), 1);
    let mut end = bench.attach("a", 10).await;
    assert_eq!(end.data(), ["new"]);
}

#[tokio::test]
async fn a_topic_that_is_too_large_loses_its_oldest_messages() {
    let mut bench = Bench::new().await;
    let options = GroupOptions { bytes: 3000, ..OPTIONS };
    let end = bench.attach_with("a", 1, options).await;
    bench.detach(end).await;
    for number in 0..10 {
        bench.say(&[&format!("{number}{}", "x".repeat(900))]).await;
    }
    let status = bench.status().await;
    assert!(status.messages < 4 && status.bytes <= 3000, "{status:?}");
    let mut end = bench.attach_with("a", 10, options).await;
    assert!(end.data().last().unwrap().starts_with('9'));
}

#[tokio::test]
async fn a_topic_without_subscribers_keeps_messages_for_a_while() {
    let mut bench = Bench::new().await;
    bench.say(&["1"]).await;
    bench.later(3_599_999).await;
    bench.say(&["2"]).await;
    bench.later(1).await;
    let mut end = bench.attach("a", 10).await;
    assert_eq!(end.data(), ["2"]);
}

#[tokio::test]
async fn one_message_that_is_never_settled_does_not_keep_the_others_from_being_removed() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 100).await;
    bench.say(&["poison"]).await;
    for _ in 0..50 {
        bench.say(&["x"; 50]).await;
        let tags: Vec<u64> = end.messages().into_iter().map(|(tag, _)| tag).filter(|tag| *tag != 0).collect();
        bench.settle(&end, &tags, Settlement::Done).await;
    }
    assert_eq!((bench.memory.count(b'm'), bench.memory.count(b'a')), (1, 3));
    bench.settle(&end, &[0], Settlement::Done).await;
    assert!(bench.memory.count(b'a') <= 1, "settled messages below all that wait take no room");
    assert_eq!(bench.status().await.messages, 0);
}

#[tokio::test]
async fn names_that_could_not_be_shown_are_refused() {
    for bad in ["", "a\nb", &"x".repeat(2000)] {
        assert!(matches!(crate::topic::check_name("topic", bad), Err(Error::Invalid(_))), "{bad:?}");
    }
    let mut bench = Bench::new().await;
    let held_back = Publication { when: When::After(Duration::from_secs(1)), ..publication("x", None) };
    bench.topic.numbers.delayed_bytes = 1 << 30;
    assert!(matches!(bench.publish(vec![held_back]).await, Err(Error::Full(_))));
}

#[tokio::test]
async fn after_the_disk_has_failed_nobody_is_told_that_it_was_done() {
    let mut bench = Bench::new().await;
    let mut end = bench.attach("a", 10).await;
    bench.say(&["1"]).await;
    assert_eq!(end.data(), ["1"]);
    bench.memory.fails.store(true, Ordering::SeqCst);
    let (reply, answer) = oneshot::channel();
    let settle =
        Command::Settle { group: "a".to_owned(), consumer: end.number, settlements: vec![(0, Settlement::Done)] };
    let commands = vec![Command::Publish(vec![publication("2", None)], reply), settle];
    let failed = bench.topic.turn(commands, Moment(bench.now)).await;
    assert!(matches!(failed, Err(Error::Ledger(ledger::Error::Failed(_)))), "{failed:?}");
    assert_eq!(answer.await.unwrap().unwrap_err(), failed.unwrap_err());
    assert!(end.outgoing.try_recv().is_err(), "nothing is confirmed and nothing delivered");
}
