//! What only the inside of the in-memory store can show: when it sweeps, and that it does nothing otherwise. The
//! promises of every state store are in `tests/conformance`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio_util::task::TaskTracker;

use super::*;

struct Fixture {
    store: MemoryState,
    tracker: TaskTracker,
    started: Arc<AtomicUsize>,
}

fn fixture() -> Fixture {
    let (tracker, started) = (TaskTracker::new(), Arc::new(AtomicUsize::new(0)));
    let (own, count) = (tracker.clone(), Arc::clone(&started));
    let tasks = Tasks::new(move |_, work| {
        count.fetch_add(1, Ordering::Relaxed);
        own.spawn(work);
    });
    let clock = Clock::from_fn(|| SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999));
    Fixture { store: MemoryState::new(clock, tasks), tracker, started }
}

impl Fixture {
    async fn put(&self, key: &str, ttl: &str) -> Result<(), Error> {
        let metadata = Metadata::from([("ttlInSeconds".to_owned(), ttl.to_owned())]);
        let request = SetRequest { key: key.to_owned(), metadata, ..SetRequest::default() };
        self.store.set(&CallContext::default(), &request).await
    }

    async fn get(&self, key: &str) -> Option<Stored> {
        let request = GetRequest { key: key.to_owned(), ..GetRequest::default() };
        self.store.get(&CallContext::default(), &request).await.unwrap()
    }

    fn rows(&self) -> usize {
        self.store.read().keys_where(|_| true, 0, Instant::now() - Duration::from_secs(3600)).len()
    }
}

#[tokio::test(start_paused = true)]
async fn values_without_a_time_to_live_start_no_task() {
    let fixture = fixture();
    fixture.put("a", "").await.unwrap();
    fixture.put("b", "-1").await.unwrap();
    assert_eq!(fixture.started.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_gives_memory_back_and_ends_with_the_last_value_that_ends() {
    let fixture = fixture();
    tokio::time::advance(Duration::from_secs(7200)).await;
    fixture.put("late", "100").await.unwrap();
    fixture.put("soon", "2").await.unwrap();
    fixture.put("ever", "").await.unwrap();
    assert_eq!((fixture.rows(), fixture.started.load(Ordering::Relaxed)), (3, 1));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(fixture.rows(), 2);
    assert_eq!(fixture.tracker.len(), 1);
    tokio::time::sleep(Duration::from_secs(98)).await;
    assert_eq!(fixture.rows(), 1);
    assert_eq!(fixture.tracker.len(), 0);
    fixture.put("again", "1").await.unwrap();
    assert_eq!(fixture.started.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_sweeper_and_forgets_everything() {
    let fixture = fixture();
    fixture.put("a", "100").await.unwrap();
    fixture.store.close().await.unwrap();
    fixture.tracker.close();
    fixture.tracker.wait().await;
    assert_eq!(fixture.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_in_utc_with_whole_seconds() {
    let fixture = fixture();
    fixture.put("a", "60").await.unwrap();
    let stored = fixture.get("a").await.unwrap();
    assert_eq!(stored.metadata["ttlExpireTime"], "2023-11-14T22:14:20Z");
}

#[tokio::test(start_paused = true)]
async fn an_end_beyond_all_calendars_is_refused() {
    let fixture = fixture();
    assert_eq!(fixture.put("a", &i64::MAX.to_string()).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(fixture.put("a", "300000000000").await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
