//! The local ledger on a real folder: what is promised across restarts, among writers, and to watchers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;

const T: Moment = Moment(1_000_000);

fn open(folder: &std::path::Path) -> Local {
    Local::open(&Options::of(folder.to_owned())).unwrap()
}

fn put(key: &str, value: &str, lease: LeaseChoice) -> Txn {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    Txn { then: vec![Operation::Put { key, value, lease }], ..Txn::default() }
}

fn one(key: &str) -> RangeRequest {
    RangeRequest::of(Keys::One(Bytes::copy_from_slice(key.as_bytes())))
}

async fn value(ledger: &Local, key: &str, now: Moment) -> Option<String> {
    let answer = ledger.range(one(key), now).await.unwrap();
    answer.entries.first().map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    for number in 1..=3 {
        let answer = ledger.txn(put("a", &number.to_string(), LeaseChoice::None), T).await.unwrap();
        assert_eq!((answer.revision, answer.succeeded), (number, true));
    }
    ledger.txn(put("b", "x", LeaseChoice::Own(Duration::from_secs(9))), T).await.unwrap();
    ledger.close().await;
    assert_eq!(ledger.range(one("a"), T).await, Err(Error::Closed));
    assert_eq!(ledger.txn(put("a", "4", LeaseChoice::None), T).await, Err(Error::Closed));
    let ledger = open(place.path());
    let found = ledger.range(one("a"), T).await.unwrap().entries.remove(0);
    assert_eq!((found.create_revision, found.mod_revision, found.version), (1, 3, 3));
    assert_eq!(*ledger.next_end().borrow(), Some(T.after(Duration::from_secs(9))));
    let status = ledger.status().await.unwrap();
    assert_eq!((status.revision, status.keys), (4, 2));
    assert!(status.bytes > 0);
    ledger.close().await;
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    let second = Local::open(&Options::of(place.path().to_owned()));
    assert!(matches!(second.err(), Some(Error::Locked(_))));
    ledger.close().await;
    open(place.path()).close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_one_wins_each_version() {
    let place = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(place.path()));
    let tries = (0..8).map(|writer| {
        let ledger = Arc::clone(&ledger);
        async move {
            let mut won = Vec::new();
            while won.len() < 20 {
                let known =
                    ledger.range(one("k"), T).await.unwrap().entries.first().map_or(0, |entry| entry.mod_revision);
                let mut txn = put("k", &writer.to_string(), LeaseChoice::None);
                txn.compares.push(Compare {
                    key: Bytes::from_static(b"k"),
                    subject: Subject::ModRevision(known),
                    relation: Relation::Equal,
                });
                let answer = ledger.txn(txn, T).await.unwrap();
                if answer.succeeded {
                    won.push(answer.revision);
                }
            }
            won
        }
    });
    let mut running = tokio::task::JoinSet::new();
    for attempt in tries {
        running.spawn(attempt);
    }
    let mut won: Vec<u64> = running.join_all().await.concat();
    won.sort_unstable();
    assert_eq!(won, (1..=160).collect::<Vec<u64>>());
    ledger.close().await;
}

#[tokio::test]
async fn a_key_ends_with_its_lease_to_the_millisecond() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    let life = Duration::from_millis(100);
    ledger.txn(put("own", "x", LeaseChoice::Own(life)), T).await.unwrap();
    let lease = ledger.grant(life, T).await.unwrap();
    ledger.txn(put("held", "x", LeaseChoice::Held(lease.id)), T).await.unwrap();
    let (before, at) = (Moment(T.0 + 99), Moment(T.0 + 100));
    assert_eq!(value(&ledger, "own", before).await.as_deref(), Some("x"));
    assert_eq!(value(&ledger, "own", at).await, None);
    let renewed = ledger.keep_alive(lease.id, Moment(T.0 + 50)).await.unwrap();
    assert_eq!(renewed.ends, Moment(T.0 + 150));
    assert_eq!(*ledger.next_end().borrow(), Some(at));
    let mut watch = ledger.watch(Keys::Prefix(Bytes::new()), None).await.unwrap();
    ledger.expire(at).await.unwrap();
    let gone = watch.next().await.unwrap().events;
    assert!(matches!(gone.as_slice(), [Event::Delete { key, .. }] if key == "own"), "{gone:?}");
    assert_eq!(value(&ledger, "held", at).await.as_deref(), Some("x"));
    assert_eq!(*ledger.next_end().borrow(), Some(Moment(T.0 + 150)));
    ledger.revoke(lease.id, at).await.unwrap();
    assert_eq!(value(&ledger, "held", at).await, None);
    assert_eq!(ledger.keep_alive(lease.id, at).await, Err(Error::LeaseNotFound(lease.id)));
    assert_eq!(ledger.revoke(lease.id, at).await, Err(Error::LeaseNotFound(lease.id)));
    let held = ledger.txn(put("new", "x", LeaseChoice::Held(lease.id)), at).await;
    assert_eq!(held, Err(Error::LeaseNotFound(lease.id)));
    assert_eq!(*ledger.next_end().borrow(), None);
    assert_eq!(ledger.status().await.unwrap().keys, 0);
    ledger.close().await;
}

#[tokio::test]
async fn a_clock_that_goes_back_revives_nothing() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    ledger.txn(put("k", "x", LeaseChoice::Own(Duration::from_millis(10))), T).await.unwrap();
    ledger.expire(Moment(T.0 + 5)).await.unwrap();
    ledger.txn(put("other", "x", LeaseChoice::None), Moment(T.0 + 10)).await.unwrap();
    assert_eq!(value(&ledger, "k", T).await, None);
    ledger.close().await;
}

#[tokio::test]
async fn a_watch_misses_nothing_and_says_when_it_would() {
    let place = tempfile::tempdir().unwrap();
    let options = Options { retained_revisions: 50, ..Options::of(place.path().to_owned()) };
    let ledger = Local::open(&options).unwrap();
    let mut watch = ledger.watch(Keys::Prefix(Bytes::from_static(b"a")), Some(1)).await.unwrap();
    for number in 0..10 {
        ledger.txn(put("a", &number.to_string(), LeaseChoice::None), T).await.unwrap();
        ledger.txn(put("b", &number.to_string(), LeaseChoice::None), T).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 10 {
        for event in watch.next().await.unwrap().events {
            let Event::Put(entry) = event else { panic!("{event:?}") };
            seen.push(String::from_utf8(entry.value.to_vec()).unwrap());
        }
    }
    assert_eq!(seen, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    for number in 0..100 {
        ledger.txn(put("c", &number.to_string(), LeaseChoice::None), T).await.unwrap();
    }
    let compacted = ledger.status().await.unwrap().compacted;
    assert!((40..=80).contains(&compacted), "{compacted}");
    assert_eq!(ledger.watch(Keys::Prefix(Bytes::new()), Some(3)).await.err(), Some(Error::Compacted(compacted)));
    ledger.compact(120).await.unwrap();
    let old = RangeRequest { revision: Some(119), ..one("c") };
    assert_eq!(ledger.range(old, T).await, Err(Error::Compacted(120)));
    assert_eq!(ledger.compact(121).await, Err(Error::FutureRevision(120)));
    ledger.close().await;
    assert_eq!(watch.next().await, Err(Error::Closed));
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    let mut txn = put("fine", "x", LeaseChoice::None);
    txn.then.extend(put("", "x", LeaseChoice::None).then);
    assert!(matches!(ledger.txn(txn, T).await, Err(Error::Invalid(_))));
    assert!(matches!(ledger.txn(put(&"k".repeat(70_000), "x", LeaseChoice::None), T).await, Err(Error::Invalid(_))));
    let reads = Txn { then: vec![Operation::Range(RangeRequest { revision: Some(0), ..one("a") })], ..Txn::default() };
    assert!(matches!(ledger.txn(reads, T).await, Err(Error::Invalid(_))));
    assert_eq!(ledger.range(RangeRequest { revision: Some(1), ..one("a") }, T).await, Err(Error::FutureRevision(0)));
    assert_eq!(ledger.status().await.unwrap().revision, 0);
    ledger.close().await;
}

#[tokio::test]
async fn a_large_value_and_every_byte_come_back_as_they_were() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    let key = Bytes::from((0..=255_u8).collect::<Vec<_>>());
    let value = Bytes::from(vec![7_u8; 10 << 20]);
    let then = vec![Operation::Put { key: key.clone(), value: value.clone(), lease: LeaseChoice::None }];
    ledger.txn(Txn { then, ..Txn::default() }, T).await.unwrap();
    ledger.close().await;
    let ledger = open(place.path());
    let found = ledger.range(RangeRequest::of(Keys::One(key)), T).await.unwrap().entries.remove(0);
    assert!(found.value == value);
    ledger.close().await;
}

/// A byte that turned in a table on the disk is noticed when it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_noticed_and_never_read_as_a_value() {
    let place = tempfile::tempdir().unwrap();
    let ledger = open(place.path());
    let content = "0123456789".repeat(1000);
    for round in 0..4 {
        let then = (0..400).map(|number| Operation::Put {
            key: Bytes::from(format!("k{round}-{number}")),
            value: Bytes::from(content.clone()),
            lease: LeaseChoice::None,
        });
        ledger.txn(Txn { then: then.collect(), ..Txn::default() }, T).await.unwrap();
    }
    ledger.close().await;
    let tables = tables(&place.path().join("rows"));
    assert!(!tables.is_empty(), "nothing was moved into a table");
    for table in tables {
        let mut bytes = std::fs::read(&table).unwrap();
        let found = bytes.windows(10).position(|window| window == b"0123456789").unwrap();
        bytes[found] = b'x';
        std::fs::write(&table, bytes).unwrap();
    }
    let ledger = open(place.path());
    let mut noticed = 0;
    for (round, number) in (0..4).flat_map(|round| (0..400).map(move |number| (round, number))) {
        match ledger.range(one(&format!("k{round}-{number}")), T).await {
            Ok(answer) => assert_eq!(answer.entries[0].value, content, "damage was read as a value"),
            Err(error) => {
                assert!(matches!(error, Error::Failed(_) | Error::Corrupt(_)), "{error}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 0);
    ledger.close().await;
}

/// The engine's files with keys and values in them, apart from the journal.
fn tables(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(tables(&path));
        } else if path.extension().is_none_or(|extension| extension != "jnl")
            && std::fs::read(&path).unwrap().windows(10).any(|window| window == b"0123456789")
        {
            found.push(path);
        }
    }
    found
}
