//! A server that is killed and comes back while calls are under way. The check has a server of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Subject;

const WRITERS: usize = 8;
/// How long a store may need after its server is back.
const BACK: Duration = Duration::from_secs(5);

pub(super) async fn no_acknowledged_write_is_lost_in_a_restart(subject: Subject) {
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(write_until(subject.clone(), number, Arc::clone(&over)));
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        subject.ground().restart().await;
        works_again(&subject).await;
    }
    over.store(true, Ordering::SeqCst);
    for (name, acknowledged, tried) in writers.join_all().await {
        assert!(acknowledged > 0, "{name} was never written");
        let found = subject.value(&name).await.unwrap_or_else(|| panic!("{name} is gone"));
        let found: u64 = found.parse().expect("a number");
        let possible = acknowledged..=tried;
        assert!(possible.contains(&found), "{name} is {found}; acknowledged was {acknowledged}, tried {tried}");
    }
}

/// Counts up in a key of its own; answers the last number acknowledged and the last one tried.
async fn write_until(subject: Subject, number: usize, over: Arc<AtomicBool>) -> (String, u64, u64) {
    let name = format!("counter-{number}");
    let (mut acknowledged, mut tried) = (0, 0);
    while !over.load(Ordering::SeqCst) {
        tried += 1;
        match subject.try_set(&subject.write(&name, &tried.to_string())).await {
            Ok(()) => acknowledged = tried,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    (name, acknowledged, tried)
}

async fn works_again(subject: &Subject) {
    let end = Instant::now() + BACK;
    while let Err(error) = subject.try_set(&subject.write("again", "1")).await {
        assert!(Instant::now() < end, "not working {BACK:?} after the server is: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
