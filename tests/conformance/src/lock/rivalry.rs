//! Several contenders at once. What holds is taken from their own clocks: a hold counts from the answer that granted it to
//! the call that gives it back or the shortest time it may last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use component::lock::Unlocked;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Subject;

const CONTENDERS: usize = 8;

pub(super) async fn there_are_never_two_holders(subject: Subject) {
    let other = subject.another().await;
    let holders = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(4);
    let mut contenders = JoinSet::new();
    for number in 0..CONTENDERS {
        let own = if number % 2 == 0 { subject.clone() } else { other.clone() };
        contenders.spawn(contender(own, number, Arc::clone(&holders), end));
    }
    let mut holds = Vec::new();
    while let Some(ended) = contenders.join_next().await {
        holds.extend(ended.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic())));
    }
    holds.sort();
    assert!(holds.len() > CONTENDERS, "only {} holds", holds.len());
    for pair in holds.windows(2) {
        let [(from, to), (next, _)] = pair else { continue };
        assert!(next >= to, "two holders at once: {:?} of {:?} were shared", *to - *next, *to - *from);
    }
}

/// Takes the lock whenever it can until `end`: every third time without giving it back, so that it ends by itself.
async fn contender(
    subject: Subject,
    number: usize,
    holders: Arc<AtomicUsize>,
    end: Instant,
) -> Vec<(Instant, Instant)> {
    let (owner, mut holds) = (format!("owner {number}"), Vec::new());
    let life = Duration::from_secs(1);
    while Instant::now() < end {
        let asked = Instant::now();
        if !subject.lock_for("contested", &owner, life).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let granted = Instant::now();
        if holds.len() % 3 == 2 {
            // The server counts from some moment after the question, so the hold lasts at least until then.
            holds.push((granted, (asked + life).max(granted)));
            continue;
        }
        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two holders at once");
        tokio::time::sleep(Duration::from_millis(2)).await;
        holders.fetch_sub(1, Ordering::SeqCst);
        holds.push((granted, Instant::now()));
        let unlocked = subject.unlock("contested", &owner).await;
        // A very slow machine may have let the lock end meanwhile.
        assert!(unlocked == Unlocked::Success || granted.elapsed() >= life, "{unlocked:?}");
    }
    holds
}

pub(super) async fn of_eight_contenders_one_gets_the_lock(subject: Subject) {
    let other = subject.another().await;
    for round in 0..20 {
        let barrier = Arc::new(Barrier::new(CONTENDERS));
        let mut contenders = JoinSet::new();
        for number in 0..CONTENDERS {
            let own = if number % 2 == 0 { subject.clone() } else { other.clone() };
            let barrier = Arc::clone(&barrier);
            contenders.spawn(async move {
                barrier.wait().await;
                own.lock(&format!("lock {round}"), &format!("owner {number}")).await
            });
        }
        let granted = contenders.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 1);
    }
}

pub(super) async fn a_dropped_call_leaves_the_lock_held_or_free(subject: Subject) {
    for round in 0..40 {
        let resource = format!("lock {round}");
        let moment = Duration::from_micros(fastrand::u64(0..2000));
        let locked = tokio::time::timeout(moment, subject.lock(&resource, "dropped")).await;
        // An answer for the dropped call must not be taken for the answer to this one.
        assert_eq!(subject.unlock(&format!("never {round}"), "owner").await, Unlocked::DoesNotExist);
        let held = !subject.lock(&resource, "other").await;
        assert!(held || locked.is_err(), "a granted lock was given to another");
        let unlocked = subject.unlock(&resource, if held { "dropped" } else { "other" }).await;
        assert_eq!(unlocked, Unlocked::Success);
    }
}
