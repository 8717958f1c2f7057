//! What is known of all objects of a kind, kept in step with the API: of each object only what its owner wants to know. Asked
//! without waiting for the API.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use service::{Shutdown, Tasks};
use tokio::sync::watch;

use crate::{Change, Client, Follow, Key, Object, Selection};

/// A copy of what is known. A clone is the same copy.
#[derive(Clone)]
pub struct Mirror<V> {
    objects: Arc<RwLock<HashMap<Key, V>>>,
    is_complete: watch::Receiver<bool>,
}

impl<V: Clone + Send + Sync + 'static> Mirror<V> {
    /// Begins to follow a selection, in `tasks`, until a stop is requested; `known` says what is kept of an object.
    pub fn start(
        client: Client,
        selection: Selection,
        known: impl Fn(&Object) -> V + Send + 'static,
        shutdown: Shutdown,
        tasks: &Tasks,
    ) -> Self {
        let (complete, is_complete) = watch::channel(false);
        let objects = Arc::default();
        let keeper = Keeper { objects: Arc::clone(&objects), complete, listed: None };
        let follow = Follow::new(client, selection);
        tasks.spawn("kubernetes mirror", async move {
            tokio::select! {
                () = shutdown.requested() => {}
                () = keeper.keep(follow, known) => {}
            }
        });
        Self { objects, is_complete }
    }

    /// What is known of an object, if it is there.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<V> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Whether a whole list has been read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        *self.is_complete.borrow()
    }

    /// Waits until a whole list has been read; for ever, if a stop comes before.
    pub async fn complete(&self) {
        let mut is_complete = self.is_complete.clone();
        if is_complete.wait_for(|complete| *complete).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

struct Keeper<V> {
    objects: Arc<RwLock<HashMap<Key, V>>>,
    complete: watch::Sender<bool>,
    /// What the list that is being read has named.
    listed: Option<HashSet<Key>>,
}

impl<V> Keeper<V> {
    async fn keep(mut self, mut follow: Follow, known: impl Fn(&Object) -> V) {
        loop {
            self.apply(follow.next().await, &known);
        }
    }

    fn apply(&mut self, change: Change, known: &impl Fn(&Object) -> V) {
        let objects = || self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Listing => self.listed = Some(HashSet::new()),
            Change::Present(object) => {
                let value = known(&object);
                objects().insert(object.key.clone(), value);
                if let Some(listed) = &mut self.listed {
                    listed.insert(object.key);
                }
            }
            Change::Gone(key) => {
                objects().remove(&key);
            }
            Change::Listed => {
                if let Some(listed) = self.listed.take() {
                    let mut objects = objects();
                    objects.retain(|key, _| listed.contains(key));
                    objects.shrink_to_fit();
                }
                self.complete.send_replace(true);
            }
        }
    }
}
