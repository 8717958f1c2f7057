//! One holder after the other.

use std::time::Duration;

use component::lock::Unlocked;
use tokio::time::Instant;

use super::Subject;

pub(super) async fn a_held_lock_is_refused_to_all(subject: Subject) {
    let other = subject.another().await;
    assert!(subject.lock("lock", "first").await);
    assert!(!subject.lock("lock", "second").await);
    assert!(!other.lock("lock", "second").await);
    assert!(!subject.lock("lock", "first").await, "the holder is refused too");
    assert_eq!(subject.unlock("lock", "first").await, Unlocked::Success);
    assert!(other.lock("lock", "second").await, "the lock is free again");
    assert_eq!(subject.unlock("lock", "second").await, Unlocked::Success, "any component may give it back");
}

pub(super) async fn resources_are_locked_apart(subject: Subject) {
    assert!(subject.lock("one", "owner").await);
    assert!(subject.lock("two", "owner").await);
    assert_eq!(subject.unlock("one", "owner").await, Unlocked::Success);
    assert!(!subject.lock("two", "other").await);
}

pub(super) async fn only_the_holder_gives_a_lock_back(subject: Subject) {
    assert!(subject.lock("lock", "owner").await);
    for other in ["other", "OWNER", "owner ", "own", ""] {
        assert_eq!(subject.unlock("lock", other).await, Unlocked::BelongsToOthers, "{other:?}");
    }
    assert!(!subject.lock("lock", "other").await, "it is held still");
    assert_eq!(subject.unlock("lock", "owner").await, Unlocked::Success);
}

pub(super) async fn a_lock_that_nobody_holds_cannot_be_given_back(subject: Subject) {
    assert_eq!(subject.unlock("never", "owner").await, Unlocked::DoesNotExist);
    assert!(subject.lock("lock", "owner").await);
    assert_eq!(subject.unlock("lock", "owner").await, Unlocked::Success);
    assert_eq!(subject.unlock("lock", "owner").await, Unlocked::DoesNotExist);
}

pub(super) async fn a_lock_ends_after_its_time_and_not_before(subject: Subject) {
    let start = Instant::now();
    assert!(subject.lock_for("lock", "first", Duration::from_secs(3)).await);
    let granted = Instant::now();
    while !subject.lock("lock", "second").await {
        assert!(granted.elapsed() < Duration::from_secs(5), "held two seconds past its end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(2950), "given to another after {:?}", start.elapsed());
    assert_eq!(subject.unlock("lock", "second").await, Unlocked::Success);
}

pub(super) async fn an_ended_holder_cannot_release_the_next_one(subject: Subject) {
    assert!(subject.lock_for("lock", "first", Duration::from_secs(1)).await);
    let end = Instant::now() + Duration::from_secs(4);
    while !subject.lock("lock", "second").await {
        assert!(Instant::now() < end, "held past its end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(subject.unlock("lock", "first").await, Unlocked::BelongsToOthers);
    assert!(!subject.lock("lock", "third").await, "the second holder lost the lock");
    assert!(subject.lock_for("alone", "first", Duration::from_secs(1)).await);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(subject.unlock("alone", "first").await, Unlocked::DoesNotExist);
}

pub(super) async fn odd_names_are_kept_apart(subject: Subject) {
    let odd = [
        "a",
        "A",
        "a ",
        "a||b",
        "'",
        "\"",
        "\\",
        "%",
        "*",
        "[a]",
        "{tag}",
        "grüß",
        "🦀",
        "a\nb",
        "'; DROP TABLE x; --",
    ];
    for name in odd {
        assert!(subject.lock(name, name).await, "{name:?} was locked under another name");
    }
    for name in odd {
        assert_eq!(subject.unlock(name, "x").await, Unlocked::BelongsToOthers, "{name:?}");
        assert_eq!(subject.unlock(name, name).await, Unlocked::Success, "{name:?}");
    }
}
