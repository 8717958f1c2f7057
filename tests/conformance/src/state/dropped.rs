//! Calls that are dropped at a random await, as `loaded` does when a deadline passes, and the calls after them: no answer
//! may reach a later call, nothing may be half done, and the backend works on.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use component::state::{BulkOptions, KeysRequest, Operation, SetRequest};
use tokio::task::JoinSet;

use super::Subject;
use super::subject::context;

/// How many callers drop their calls at once, and how often each does.
const CALLERS: u64 = 8;
const ROUNDS: u32 = 60;

/// Polls a call a few times, or for a few moments, and drops it then. `None` if it was dropped.
async fn for_a_while<T>(random: &mut fastrand::Rng, call: impl Future<Output = T>) -> Option<T> {
    if random.bool() {
        return tokio::time::timeout(Duration::from_micros(random.u64(0..3000)), call).await.ok();
    }
    let mut polls = random.u32(1..6);
    let mut call = pin!(call);
    std::future::poll_fn(|task| match call.as_mut().poll(task) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            polls -= 1;
            if polls == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// Runs `caller` several times at once, each with its number and its own randomness. The seed is told when one fails.
async fn callers<F: Future<Output = ()> + Send + 'static>(caller: impl Fn(u64, fastrand::Rng) -> F) {
    let seed = fastrand::u64(..);
    let mut running = JoinSet::new();
    for number in 0..CALLERS {
        running.spawn(caller(number, fastrand::Rng::with_seed(seed.wrapping_add(number))));
    }
    while let Some(ended) = running.join_next().await {
        if let Err(failure) = ended {
            eprintln!("the calls were dropped with seed {seed}");
            std::panic::resume_unwind(failure.into_panic());
        }
    }
}

/// A value that says whose it is and is too long for one packet now and then.
fn value_of(name: &str, number: u32, random: &mut fastrand::Rng) -> String {
    format!("{name} {number} ").repeat(random.usize(1..2000))
}

pub(super) async fn dropped_reads_leave_no_answer_behind(subject: Subject) {
    let names: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    let mut random = fastrand::Rng::with_seed(3);
    for name in &names {
        subject.set(name, &value_of(name, 0, &mut random)).await;
    }
    callers(|_, mut random| {
        let (subject, names) = (subject.clone(), names.clone());
        async move {
            for _ in 0..ROUNDS {
                let requests: Vec<_> = names.iter().map(|name| subject.read(name)).collect();
                let (calling, options) = (context(), BulkOptions::default());
                match random.u8(0..3) {
                    0 => drop(for_a_while(&mut random, subject.get(&names[0])).await),
                    1 => drop(for_a_while(&mut random, subject.store.bulk_get(&calling, &requests, options)).await),
                    _ if subject.store.key_listing().is_some() => {
                        let request = KeysRequest { pattern: subject.pattern("key%"), ..KeysRequest::default() };
                        drop(for_a_while(&mut random, subject.list(&request)).await);
                    }
                    _ => drop(for_a_while(&mut random, subject.get("absent")).await),
                }
                let name = &names[random.usize(0..names.len())];
                let found = subject.value(name).await.unwrap_or_else(|| panic!("{name} is not there"));
                assert!(found.starts_with(&format!("{name} 0 ")), "the answer for {name} is {:.40}", found);
            }
        }
    })
    .await;
    assert_eq!(subject.values(&["absent"]).await, [None]);
}

pub(super) async fn dropped_writes_are_done_or_not_but_never_mixed(subject: Subject) {
    callers(|caller, mut random| {
        let subject = subject.clone();
        async move {
            let (loose, kept) = (format!("loose-{caller}"), format!("kept-{caller}"));
            for number in 0..ROUNDS {
                let value = Bytes::from(value_of(&loose, number, &mut random));
                let request = SetRequest { value, ..subject.write(&loose, "") };
                match random.u8(0..4) {
                    0 => drop(for_a_while(&mut random, subject.try_delete(&subject.removal(&loose))).await),
                    1 => {
                        let requests = [request, subject.write(&format!("{loose}-too"), "1")];
                        let (calling, options) = (context(), BulkOptions::default());
                        drop(for_a_while(&mut random, subject.store.bulk_set(&calling, &requests, options)).await);
                    }
                    _ => drop(for_a_while(&mut random, subject.try_set(&request)).await),
                }
                let expected = format!("{kept} {number}");
                subject.set(&kept, &expected).await;
                assert_eq!(subject.value(&kept).await, Some(expected), "an acknowledged write was lost");
                if let Some(found) = subject.value(&loose).await {
                    let words: Vec<&str> = found.split_whitespace().take(2).collect();
                    let whole = found.replace(&format!("{} ", words.join(" ")), "").is_empty();
                    assert!(words.first() == Some(&&*loose) && whole, "{loose} is mixed: {found:.60}");
                }
            }
        }
    })
    .await;
}

pub(super) async fn dropped_transactions_are_done_as_a_whole_or_not(subject: Subject) {
    callers(|caller, mut random| {
        let subject = subject.clone();
        async move {
            let names = ["a", "b", "c"].map(|part| format!("{caller}-{part}"));
            let all = |number: u32| {
                names.iter().map(|name| Operation::Upsert(subject.write(name, &number.to_string()))).collect::<Vec<_>>()
            };
            subject.transact(all(0)).await.expect("transact");
            for number in 1..=ROUNDS {
                drop(for_a_while(&mut random, subject.transact(all(number))).await);
                let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
                agree_soon(&subject, &borrowed).await;
            }
            let last = ROUNDS + 1;
            subject.transact(all(last)).await.expect("the store works on");
        }
    })
    .await;
}

/// A dropped transaction may still be under way at the server, so that two reads differ; not for long.
async fn agree_soon(subject: &Subject, names: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..100 {
        found = subject.values(names).await;
        if found.iter().all(|value| value.is_some() && *value == found[0]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("half a transaction was done: {found:?}");
}
