//! One subscription: what it wants, and what waits for it. A slow subscriber holds nobody up, and costs no more than the
//! last value of each of its keys.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use component::Tasks;
use component::configuration::{CHANGES_WAITING, Changes, Item, Items};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

/// One who wants to hear of changes.
pub(super) struct Subscriber {
    /// The keys wanted; none means all.
    keys: HashSet<String>,
    waiting: Arc<Waiting>,
    /// Ends the stream with this.
    _listening: DropGuard,
}

#[derive(Default)]
struct Waiting {
    items: Mutex<Items>,
    more: Notify,
    gone: CancellationToken,
}

impl Subscriber {
    /// A subscriber and its stream. `left` is told when the stream was dropped.
    pub(super) fn new(keys: Vec<String>, tasks: &Tasks, left: Arc<Notify>) -> (Self, Changes) {
        let (sender, changes) = mpsc::channel(CHANGES_WAITING);
        let waiting = Arc::new(Waiting::default());
        let listening = CancellationToken::new();
        let forwarding = forward(Arc::clone(&waiting), sender, listening.clone(), left);
        tasks.spawn("configuration.postgresql subscription", forwarding);
        (Self { keys: keys.into_iter().collect(), waiting, _listening: listening.drop_guard() }, changes)
    }

    /// The keys wanted; none means all.
    pub(super) fn keys(&self) -> &HashSet<String> {
        &self.keys
    }

    /// Whether a key is wanted.
    pub(super) fn wants(&self, key: &str) -> bool {
        self.keys.is_empty() || self.keys.contains(key)
    }

    /// Whether nobody hears any more.
    pub(super) fn is_gone(&self) -> bool {
        self.waiting.gone.is_cancelled()
    }

    /// Tells a value, in place of one of the same key that still waits.
    pub(super) fn tell(&self, key: &str, item: &Item) {
        // The map is whole between any two statements.
        let mut items = self.waiting.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.insert(key.to_owned(), item.clone());
        drop(items);
        self.waiting.more.notify_one();
    }
}

/// Hands on what waits, for as long as both sides are there.
async fn forward(waiting: Arc<Waiting>, sender: mpsc::Sender<Items>, listening: CancellationToken, left: Arc<Notify>) {
    let work = async {
        loop {
            waiting.more.notified().await;
            let items = std::mem::take(&mut *waiting.items.lock().unwrap_or_else(PoisonError::into_inner));
            if !items.is_empty() && sender.send(items).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = listening.cancelled() => {}
        () = sender.closed() => {}
        () = work => {}
    }
    waiting.gone.cancel();
    left.notify_one();
}
