//! The logic of the ledger against a plain model that keeps a copy of everything for each revision, over random histories.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use crate::apply::{self, Step};
use crate::read::{self, Place};
use crate::state::State;
use crate::{
    Compare, Error, Event, KeyValue, Keys, LeaseChoice, Moment, Operation, Outcome, RangeRequest, Relation, Subject,
    Txn, expiry,
};

#[derive(Clone, Debug, PartialEq)]
struct Item {
    value: Bytes,
    create: u64,
    modified: u64,
    version: u64,
    ends: Option<u64>,
}

type Items = BTreeMap<Bytes, Item>;

/// What the ledger should be.
#[derive(Default)]
struct Model {
    items: Items,
    /// The keys at each revision, from 0 on.
    past: Vec<Items>,
    now: u64,
}

impl Model {
    fn revision(&self) -> u64 {
        self.past.len() as u64 - 1
    }

    fn end_due(&mut self) {
        let now = self.now;
        let before = self.items.len();
        self.items.retain(|_, item| item.ends.is_none_or(|ends| now < ends));
        if self.items.len() != before {
            self.past.push(self.items.clone());
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let item = self.items.get(&compare.key);
        let found = match &compare.subject {
            Subject::Version(given) => item.map_or(0, |item| item.version).cmp(given),
            Subject::ModRevision(given) => item.map_or(0, |item| item.modified).cmp(given),
            Subject::Value(given) => match item {
                Some(item) => item.value.cmp(given),
                None => return compare.relation == Relation::NotEqual,
            },
            Subject::CreateRevision(_) | Subject::Lease(_) => unreachable!("not generated"),
        };
        match compare.relation {
            Relation::Equal => found.is_eq(),
            Relation::NotEqual => found.is_ne(),
            Relation::Less => found.is_lt(),
            Relation::Greater => found.is_gt(),
        }
    }

    fn txn(&mut self, txn: &Txn) -> (bool, Vec<u64>) {
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        let revision = self.revision() + 1;
        let (mut changed, mut deleted) = (BTreeMap::new(), Vec::new());
        let before = self.items.clone();
        for operation in if succeeded { &txn.then } else { &txn.otherwise } {
            match operation {
                Operation::Put { key, value, lease } => {
                    let old = self.items.get(key);
                    let item = Item {
                        value: value.clone(),
                        create: old.map_or(revision, |old| old.create),
                        modified: revision,
                        version: old.map_or(1, |old| old.version + 1),
                        ends: match lease {
                            LeaseChoice::Own(life) => Some(self.now + life.as_millis() as u64),
                            _ => None,
                        },
                    };
                    self.items.insert(key.clone(), item);
                    changed.insert(key.clone(), ());
                }
                Operation::Delete(keys) => {
                    let names: Vec<Bytes> = self.items.keys().filter(|key| keys.contain(key)).cloned().collect();
                    for name in &names {
                        self.items.remove(name);
                        changed.insert(name.clone(), ());
                    }
                    deleted.push(names.len() as u64);
                }
                Operation::Range(_) => {}
            }
        }
        if changed.keys().any(|key| before.contains_key(key) || self.items.contains_key(key)) {
            self.past.push(self.items.clone());
        }
        (succeeded, deleted)
    }
}

#[derive(Clone, Debug)]
enum Act {
    Txn(Txn),
    Later(u64),
    Compact(u64),
}

fn key() -> impl Strategy<Value = Bytes> {
    "[ab]{1,2}".prop_map(|text| Bytes::from(text.into_bytes()))
}

fn keys() -> impl Strategy<Value = Keys> {
    prop_oneof![
        key().prop_map(Keys::One),
        "[ab]{0,1}".prop_map(|text| Keys::Prefix(Bytes::from(text.into_bytes()))),
        (key(), key()).prop_map(|(from, until)| Keys::Range(from, until)),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    let relation =
        prop_oneof![Just(Relation::Equal), Just(Relation::NotEqual), Just(Relation::Less), Just(Relation::Greater)];
    let subject = prop_oneof![
        (0..3_u64).prop_map(Subject::Version),
        (0..12_u64).prop_map(Subject::ModRevision),
        (0..3_u8).prop_map(|value| Subject::Value(Bytes::from(vec![value]))),
    ];
    (key(), subject, relation).prop_map(|(key, subject, relation)| Compare { key, subject, relation })
}

fn operation() -> impl Strategy<Value = Operation> {
    let lease = prop_oneof![
        2 => Just(LeaseChoice::None),
        1 => (1..20_u64).prop_map(|life| LeaseChoice::Own(Duration::from_millis(life)))
    ];
    prop_oneof![
        3 => (key(), 0..3_u8, lease).prop_map(|(key, value, lease)| Operation::Put { key, value: Bytes::from(vec![value]), lease }),
        1 => keys().prop_map(Operation::Delete),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let several = || prop::collection::vec(operation(), 0..4);
    let txn = (prop::collection::vec(compare(), 0..2), several(), several());
    prop_oneof![
        6 => txn.prop_map(|(compares, then, otherwise)| Act::Txn(Txn { compares, then, otherwise })),
        2 => (0..8_u64).prop_map(Act::Later),
        1 => (0..20_u64).prop_map(Act::Compact),
    ]
}

/// What is the same in the model and in an answer.
fn items(entries: Vec<KeyValue>) -> Items {
    let item = |entry: KeyValue| {
        let ends = entry.ends.map(|ends| ends.0);
        let KeyValue { value, create_revision, mod_revision, version, .. } = entry;
        (entry.key, Item { value, create: create_revision, modified: mod_revision, version, ends })
    };
    entries.into_iter().map(item).collect()
}

fn without_ends(items: &Items) -> Items {
    items.iter().map(|(key, item)| (key.clone(), Item { ends: None, ..item.clone() })).collect()
}

struct Tested {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    state: State,
    model: Model,
}

impl Tested {
    fn act(&mut self, act: Act) {
        match act {
            Act::Txn(txn) => {
                self.end_due();
                self.model.end_due();
                let answer = apply::txn(&mut self.rows, &mut self.state, &txn, Moment(self.model.now)).unwrap();
                let (succeeded, deleted) = self.model.txn(&txn);
                assert_eq!((answer.succeeded, answer.revision), (succeeded, self.model.revision()));
                let counts = answer.outcomes.iter().filter_map(|outcome| match outcome {
                    Outcome::Deleted(count) => Some(*count),
                    _ => None,
                });
                assert_eq!(counts.collect::<Vec<_>>(), deleted);
            }
            Act::Later(more) => self.model.now += more,
            Act::Compact(revision) => {
                let revision = revision.min(self.state.revision);
                while read::compact(&mut self.rows, &mut self.state, revision, 2).unwrap() {}
                assert!(self.state.compacted >= revision);
            }
        }
    }

    fn end_due(&mut self) {
        let mut step = Step::begin(&mut self.rows, &mut self.state, Moment(self.model.now));
        expiry::end_due(&mut step, Moment(0)).unwrap();
        step.finish().unwrap();
    }

    fn range(&self, request: &RangeRequest) -> Result<Items, Error> {
        read::range(&self.rows, &self.state, request, Moment(self.model.now)).map(|answer| items(answer.entries))
    }

    fn check(&self, keys: &Keys) {
        let living: Items = self
            .model
            .items
            .clone()
            .into_iter()
            .filter(|(_, item)| item.ends.is_none_or(|ends| self.model.now < ends))
            .collect();
        let all = RangeRequest::of(Keys::Prefix(Bytes::new()));
        assert_eq!(self.range(&all).unwrap(), living);
        let chosen: Items = living.into_iter().filter(|(key, _)| keys.contain(key)).collect();
        assert_eq!(self.range(&RangeRequest::of(keys.clone())).unwrap(), chosen);
        for (revision, then) in (0_u64..).zip(&self.model.past) {
            let request = RangeRequest { revision: Some(revision), ..RangeRequest::of(keys.clone()) };
            if revision < self.state.compacted {
                assert_eq!(self.range(&request), Err(Error::Compacted(self.state.compacted)));
            } else if revision < self.state.revision {
                let chosen: Items = then.clone().into_iter().filter(|(key, _)| keys.contain(key)).collect();
                assert_eq!(self.range(&request).unwrap(), without_ends(&chosen), "at {revision}");
            }
        }
        self.follow();
        self.page(keys);
    }

    /// The changes since the oldest revision that is kept turn the keys of then into those of now.
    fn follow(&self) {
        let compacted = self.state.compacted;
        let mut followed = without_ends(&self.model.past[usize::try_from(compacted).unwrap()]);
        let mut place = Place { revision: compacted + 1, number: 0 };
        let every = Keys::Prefix(Bytes::new());
        loop {
            let (events, next, is_full) = read::changes(&self.rows, &every, place, (2, 1000)).unwrap();
            for event in events {
                match event {
                    Event::Put(entry) => followed.extend(items(vec![entry])),
                    Event::Delete { key, .. } => assert!(followed.remove(&key).is_some()),
                }
            }
            place = next;
            if !is_full {
                break;
            }
        }
        assert_eq!(followed, without_ends(&self.model.items));
        assert_eq!(place, Place { revision: self.state.revision + 1, number: 0 });
    }

    /// Pages put together are the whole.
    fn page(&self, keys: &Keys) {
        let whole =
            read::range(&self.rows, &self.state, &RangeRequest::of(keys.clone()), Moment(self.model.now)).unwrap();
        let (mut behind, mut entries) = (None, Vec::new());
        loop {
            let request = RangeRequest { behind, limit: Some(2), ..RangeRequest::of(keys.clone()) };
            let page = read::range(&self.rows, &self.state, &request, Moment(self.model.now)).unwrap();
            behind = page.entries.last().map(|entry| entry.key.clone());
            entries.extend(page.entries);
            if !page.more {
                break;
            }
        }
        assert_eq!(entries, whole.entries);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_history_is_that_of_the_model(acts in prop::collection::vec(act(), 1..24), keys in keys()) {
        let model = Model { past: vec![Items::new()], ..Model::default() };
        let mut tested = Tested { rows: BTreeMap::new(), state: State::default(), model };
        for act in acts {
            tested.act(act);
            // State goes through its row, as it does on the disk.
            tested.state.write(&mut tested.rows);
            tested.state = State::read(&tested.rows).unwrap();
            tested.check(&keys);
        }
        let physical = read::names(&tested.rows, &Keys::Prefix(Bytes::new())).unwrap();
        assert_eq!(physical.len() as u64, tested.state.keys);
    }
}

#[test]
fn nothing_is_left_of_what_was_removed_and_forgotten() {
    let (mut rows, mut state) = (BTreeMap::new(), State::default());
    let put = |lease| Operation::Put { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v"), lease };
    let own = LeaseChoice::Own(Duration::from_millis(5));
    for operation in
        [put(own), put(LeaseChoice::None), put(own), put(own), Operation::Delete(Keys::Prefix(Bytes::new()))]
    {
        let txn = Txn { then: vec![operation], ..Txn::default() };
        apply::txn(&mut rows, &mut state, &txn, Moment(1)).unwrap();
    }
    assert_eq!((state.revision, state.keys), (5, 0));
    while read::compact(&mut rows, &mut state, 5, 1).unwrap() {}
    assert_eq!((rows.len(), state.history), (0, 0));
}
