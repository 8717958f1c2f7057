//! Random histories of publishing, settling, crashing and waiting against a plain model: nothing is lost, nothing is delivered
//! twice without a failure, messages of a key come in their order and one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::tests::{Bench, End, publication};
use crate::{Publication, Settlement, When};

#[derive(Clone, Debug)]
enum Act {
    Publish { count: u8, key: Option<u8>, delay: u8 },
    Attach { group: u8, window: u8 },
    Detach(u8),
    Settle { end: u8, message: u8, settlement: Settlement },
    Later(u16),
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let settlement = prop_oneof![
        3 => Just(Settlement::Done), 1 => Just(Settlement::Retry), 1 => Just(Settlement::Release)
    ];
    prop_oneof![
        4 => (1_u8..5, proptest::option::of(0_u8..3), 0_u8..3)
            .prop_map(|(count, key, delay)| Act::Publish { count, key, delay: delay.saturating_sub(1) }),
        2 => (0_u8..2, 1_u8..6).prop_map(|(group, window)| Act::Attach { group, window }),
        1 => any::<u8>().prop_map(Act::Detach),
        8 => (any::<u8>(), any::<u8>(), settlement)
            .prop_map(|(end, message, settlement)| Act::Settle { end, message, settlement }),
        2 => (0_u16..400).prop_map(Act::Later),
        1 => Just(Act::Crash),
    ]
}

#[derive(Default)]
struct Consumer {
    held: Vec<(u64, String)>,
}

/// What a group should have.
#[derive(Default)]
struct Group {
    done: BTreeSet<String>,
    /// May be delivered (again): published, and neither held nor done with.
    open: BTreeSet<String>,
}

struct Run {
    bench: Bench,
    ends: Vec<(End, Consumer, usize)>,
    groups: BTreeMap<String, Group>,
    published: u64,
    /// Of those that are not delayed, by key, in their order.
    keyed: BTreeMap<u8, Vec<String>>,
    keys: BTreeMap<String, u8>,
}

impl Run {
    async fn new() -> Self {
        let mut bench = Bench::new().await;
        let mut groups = BTreeMap::new();
        for group in ["g0", "g1"] {
            let end = bench.attach(group, 1).await;
            bench.detach(end).await;
            groups.insert(group.to_owned(), Group::default());
        }
        Self { bench, ends: Vec::new(), groups, published: 0, keyed: BTreeMap::new(), keys: BTreeMap::new() }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Publish { count, key, delay } => self.publish(count, key, delay).await,
            Act::Attach { group, window } => {
                let end = self.bench.attach(&format!("g{group}"), window.into()).await;
                self.ends.push((end, Consumer::default(), window.into()));
            }
            Act::Detach(end) => {
                if !self.ends.is_empty() {
                    let (end, consumer, _) = self.ends.remove(usize::from(end) % self.ends.len());
                    self.give_back(&end.group, consumer);
                    self.bench.detach(end).await;
                }
            }
            Act::Settle { end, message, settlement } => self.settle(end, message, settlement).await,
            Act::Later(milliseconds) => self.bench.later(milliseconds.into()).await,
            Act::Crash => {
                for (end, consumer, _) in std::mem::take(&mut self.ends) {
                    self.give_back(&end.group, consumer);
                }
                self.bench.crash().await;
            }
        }
        self.receive();
    }

    fn give_back(&mut self, group: &str, consumer: Consumer) {
        let group = self.groups.get_mut(group).unwrap();
        group.open.extend(consumer.held.into_iter().map(|(_, data)| data));
    }

    async fn publish(&mut self, count: u8, key: Option<u8>, delay: u8) {
        let mut publications = Vec::new();
        for _ in 0..count {
            self.published += 1;
            let data = format!("{:05}", self.published);
            // A delayed one takes its place in the order when it is due: of no key, so that the model stays plain.
            let key = key.filter(|_| delay == 0);
            if let Some(key) = key {
                self.keyed.entry(key).or_default().push(data.clone());
                self.keys.insert(data.clone(), key);
            }
            let when = match delay {
                0 => When::Now,
                delay => When::After(Duration::from_millis(u64::from(delay) * 150)),
            };
            for group in self.groups.values_mut() {
                group.open.insert(data.clone());
            }
            publications.push(Publication { when, ..publication(&data, key.map(|key| key.to_string()).as_deref()) });
        }
        self.bench.publish(publications).await.unwrap();
    }

    async fn settle(&mut self, end: u8, message: u8, settlement: Settlement) {
        if self.ends.is_empty() {
            return;
        }
        let place = usize::from(end) % self.ends.len();
        let (end, consumer, _) = &mut self.ends[place];
        if consumer.held.is_empty() {
            return;
        }
        let (tag, data) = consumer.held.remove(usize::from(message) % consumer.held.len());
        let group = self.groups.get_mut(&end.group).unwrap();
        match settlement {
            Settlement::Done => assert!(group.done.insert(data), "done with twice"),
            Settlement::Retry | Settlement::Release => assert!(group.open.insert(data)),
        }
        self.bench.settle(end, &[tag], settlement).await;
    }

    /// Takes what has come, and holds it against the model.
    fn receive(&mut self) {
        for (end, consumer, window) in &mut self.ends {
            let group = self.groups.get_mut(&end.group).unwrap();
            for (tag, data) in end.messages() {
                assert!(group.open.remove(&data), "{data} was not to be delivered to {}", end.group);
                if let Some(key) = self.keys.get(&data) {
                    let before = self.keyed[key].iter().take_while(|other| **other != data);
                    for other in before {
                        assert!(group.done.contains(other), "{data} came before {other} was done with");
                    }
                }
                consumer.held.push((tag, data));
            }
            assert!(consumer.held.len() <= *window, "more than the window is held");
        }
    }

    /// With consumers that handle everything, everything arrives.
    async fn finish(&mut self) {
        for _ in 0..400 {
            if self.ends.len() < 2 {
                self.act(Act::Attach { group: 0, window: 5 }).await;
                self.act(Act::Attach { group: 1, window: 5 }).await;
            }
            for end in 0..self.ends.len() {
                while !self.ends[end].1.held.is_empty() {
                    self.settle(u8::try_from(end).unwrap(), 0, Settlement::Done).await;
                }
            }
            self.receive();
            self.bench.later(50).await;
            self.receive();
            let missing_group =
                ["g0", "g1"].into_iter().find(|group| !self.ends.iter().any(|(end, ..)| end.group == **group));
            if let Some(group) = missing_group {
                self.act(Act::Attach { group: group[1..].parse().unwrap(), window: 5 }).await;
            }
        }
        for (name, group) in &self.groups {
            assert_eq!(group.done.len() as u64, self.published, "{name} has not got everything: {:?}", group.open);
        }
        let status = self.bench.status().await;
        assert_eq!((status.messages, status.delayed, status.bytes), (0, 0, 0));
        assert_eq!(self.bench.memory.count(b'm') + self.bench.memory.count(b'd'), 0, "nothing is left in the store");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice_or_out_of_order(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for act in acts {
                run.act(act).await;
            }
            run.finish().await;
        });
    }
}
