//! Load on a state store while something happens to its server, and the judgement afterwards: what was acknowledged is
//! there. Used by the tests of faults of the state stores.
//!
//! Each writer counts up in a key of its own, and each write names the version it builds on. A write whose answer is lost
//! may still be on its way and arrive much later; without the version it would then replace a newer acknowledged one, and
//! be right to do so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use component::state::{Concurrency, GetRequest, Options, SetRequest, StateStore};
use component::{CallContext, Error, ErrorKind};
use tokio_util::task::TaskTracker;

/// How many count.
const WRITERS: usize = 8;
/// How long a writer waits after an error.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a fault of the network lasts: as long as the promise says in long runs (`TRILBY_LONG`), else `short`.
#[must_use]
pub fn cut_time(short: Duration) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test process has no role whose environment it could be given")]
    let is_long = std::env::var_os("TRILBY_LONG").is_some();
    if is_long { Duration::from_secs(30) } else { short }
}

/// Writers that count until they are told to stop.
pub struct Counters {
    store: Arc<dyn StateStore>,
    over: Arc<AtomicBool>,
    writers: TaskTracker,
    acknowledged: Vec<Arc<AtomicU64>>,
}

impl Counters {
    /// Sets every counter to nought, which must succeed, and starts the writers.
    pub async fn start(store: &Arc<dyn StateStore>) -> Self {
        let (over, writers) = (Arc::new(AtomicBool::new(false)), TaskTracker::new());
        let mut acknowledged = Vec::new();
        for number in 0..WRITERS {
            let key = key(number);
            write(&**store, &key, 0, None).await.unwrap_or_else(|error| panic!("{key} cannot be set: {error}"));
            let last = Arc::new(AtomicU64::new(0));
            writers.spawn(count(Arc::clone(store), key, Arc::clone(&over), Arc::clone(&last)));
            acknowledged.push(last);
        }
        Self { store: Arc::clone(store), over, writers, acknowledged }
    }

    /// Stops the writers. Nothing that was acknowledged may be missing, and nothing may be there that was never written.
    pub async fn stop_and_judge(self) {
        self.over.store(true, Ordering::SeqCst);
        self.writers.close();
        self.writers.wait().await;
        for (number, acknowledged) in self.acknowledged.iter().enumerate() {
            let acknowledged = acknowledged.load(Ordering::SeqCst);
            let (found, _) = read(&*self.store, &key(number)).await.unwrap_or_else(|error| panic!("{number}: {error}"));
            assert!(acknowledged > 0, "{number}: nothing was acknowledged");
            // The last write of each may be one whose answer was lost.
            let possible = acknowledged..=acknowledged + 1;
            assert!(possible.contains(&found), "{number}: {found} is there, {acknowledged} was told");
        }
    }
}

fn key(number: usize) -> String {
    format!("counter-{number}")
}

async fn count(store: Arc<dyn StateStore>, key: String, over: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) {
    let mut lost = false;
    while !over.load(Ordering::SeqCst) {
        let told = acknowledged.load(Ordering::SeqCst);
        let (found, etag) = match read(&*store, &key).await {
            Ok(found) => found,
            Err(error) => {
                expect_outage(&key, &error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let possible = told..=told + u64::from(lost);
        assert!(possible.contains(&found), "{key}: {found} is there, {told} was told");
        match write(&*store, &key, found + 1, Some(etag)).await {
            Ok(()) => {
                acknowledged.store(found + 1, Ordering::SeqCst);
                lost = false;
            }
            // The write whose answer was lost came first: it counts from now on.
            Err(error) if lost && error.kind() == ErrorKind::EtagMismatch => {}
            Err(error) => {
                expect_outage(&key, &error);
                // What is there was read from the server, so it is as good as told.
                acknowledged.store(found, Ordering::SeqCst);
                lost = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn expect_outage(key: &str, error: &Error) {
    let kind = error.kind();
    assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{key}: {kind:?}: {error}");
}

async fn read(store: &dyn StateStore, key: &str) -> Result<(u64, String), Error> {
    let request = GetRequest { key: key.to_owned(), ..GetRequest::default() };
    let stored = store.get(&CallContext::default(), &request).await?;
    let stored = stored.unwrap_or_else(|| panic!("{key} is gone"));
    let text = String::from_utf8_lossy(&stored.data).into_owned();
    let number = text.parse().unwrap_or_else(|_| panic!("{key} is {text:?}"));
    Ok((number, stored.etag.unwrap_or_else(|| panic!("{key} has no version")).to_string()))
}

async fn write(store: &dyn StateStore, key: &str, number: u64, etag: Option<String>) -> Result<(), Error> {
    let options = Options {
        concurrency: if etag.is_some() { Concurrency::FirstWrite } else { Concurrency::LastWrite },
        ..Options::default()
    };
    let value = Bytes::from(number.to_string());
    let request = SetRequest { key: key.to_owned(), value, json: true, etag, options, ..SetRequest::default() };
    store.set(&CallContext::default(), &request).await
}
