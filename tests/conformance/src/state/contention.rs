//! Several writers of one key at once: with ETags exactly one of them replaces each version.

use std::sync::Arc;

use bytes::Bytes;
use component::ErrorKind;
use component::state::{Operation, SetRequest};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Subject;
use super::history::{Event, check};
use super::subject::FIRST_WRITE;

const WRITERS: usize = 8;
/// How many accepted writes each writer makes.
const WINS: usize = 15;

/// How a contested value is written.
#[derive(Clone, Copy)]
enum Way {
    Single,
    Transaction,
}

pub(super) async fn of_eight_writers_one_wins_each_version(subject: Subject) {
    contend(&subject, Way::Single).await;
}

pub(super) async fn of_eight_transactions_one_wins_each_version(subject: Subject) {
    contend(&subject, Way::Transaction).await;
    for writer in 0..WRITERS {
        for number in 0..WINS {
            assert!(subject.get(&format!("beside-{writer}-{number}")).await.is_some(), "half a transaction was done");
        }
    }
}

/// Lets the writers replace one value over and over, and checks what they saw. Half of them use a second component.
async fn contend(subject: &Subject, way: Way) {
    subject.set("contested", "first").await;
    let other = subject.another().await;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(writer(if number % 2 == 0 { subject.clone() } else { other.clone() }, number, way));
    }
    let mut events = Vec::new();
    for_each(&mut writers, |seen| events.extend(seen)).await;
    let last = subject.value("contested").await.expect("nobody removes it");
    let versions = check(&events, "first", &last).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(versions, 1 + WRITERS * WINS);
}

async fn for_each<T: 'static>(tasks: &mut JoinSet<T>, mut with: impl FnMut(T)) {
    while let Some(ended) = tasks.join_next().await {
        with(ended.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic())));
    }
}

/// Wins a number of times; answers everything it saw and did.
async fn writer(subject: Subject, number: usize, way: Way) -> Vec<Event> {
    let mut events = Vec::new();
    for win in 0..WINS {
        let value = format!("{number}-{win}");
        loop {
            let stored = subject.get("contested").await.expect("nobody removes it");
            let etag = stored.etag.expect("a store with ETags always answers one").to_string();
            let text = String::from_utf8_lossy(&stored.data).into_owned();
            events.push(Event::Read { etag: etag.clone(), value: text });
            let request = SetRequest { etag: Some(etag.clone()), ..subject.write("contested", &value) };
            let written = match way {
                Way::Single => subject.try_set(&request).await,
                Way::Transaction => {
                    let beside = subject.write(&format!("beside-{value}"), "1");
                    subject.transact(vec![Operation::Upsert(beside), Operation::Upsert(request)]).await
                }
            };
            match written {
                Ok(()) => {
                    events.push(Event::Won { over: etag, value });
                    break;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::EtagMismatch, "a writer that comes late is told so: {error}");
                    events.push(Event::Lost { over: etag });
                }
            }
        }
    }
    events
}

pub(super) async fn of_eight_first_writers_one_makes_the_key(subject: Subject) {
    let other = subject.another().await;
    for round in 0..20 {
        let barrier = Arc::new(Barrier::new(WRITERS));
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            let own = if number % 2 == 0 { subject.clone() } else { other.clone() };
            let barrier = Arc::clone(&barrier);
            writers.spawn(async move {
                let value = number.to_string();
                let request = SetRequest { options: FIRST_WRITE, ..own.write(&format!("new-{round}"), &value) };
                barrier.wait().await;
                let written = own.try_set(&request).await;
                if let Err(error) = &written {
                    assert_eq!(error.kind(), ErrorKind::EtagMismatch, "{error}");
                }
                written.is_ok().then_some(value)
            });
        }
        let mut winners = Vec::new();
        for_each(&mut writers, |winner| winners.extend(winner)).await;
        let stored = subject.value(&format!("new-{round}")).await;
        assert_eq!(winners, stored.into_iter().collect::<Vec<_>>(), "exactly the winner's value is there");
    }
}

/// Every writer's value is one letter over and over, so that a mix of two shows.
pub(super) async fn values_are_never_torn(subject: Subject) {
    const LENGTH: usize = 100_000;
    let value = |letter: u8| Bytes::from(vec![letter; LENGTH]);
    subject.try_set(&SetRequest { value: value(b'a'), ..subject.write("whole", "") }).await.expect("set");
    let other = subject.another().await;
    let mut tasks = JoinSet::new();
    for number in 0..4 {
        let own = if number % 2 == 0 { subject.clone() } else { other.clone() };
        let value = value(b'a' + number);
        tasks.spawn(async move {
            for _ in 0..20 {
                let request = SetRequest { value: value.clone(), ..own.write("whole", "") };
                own.try_set(&request).await.unwrap_or_else(|error| panic!("set: {error}"));
                let found = own.get("whole").await.expect("nobody removes it").data;
                let first = found.first().copied();
                assert!(found.len() == LENGTH && found.iter().all(|letter| Some(*letter) == first), "a torn value");
            }
        });
    }
    for_each(&mut tasks, |()| ()).await;
}
