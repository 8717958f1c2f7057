//! What a process holds now: its credential and its trust anchors. Both change while it runs; whoever shows or judges asks
//! here each time, and whoever must know of a change waits here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::{Credential, TrustAnchors};

/// The credential of a process. A clone is the same holder.
#[derive(Clone, Debug)]
pub struct Held {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    current: watch::Sender<Arc<Credential>>,
    generation: AtomicU64,
}

impl Held {
    /// Holds a first credential.
    #[must_use]
    pub fn new(first: Credential) -> Self {
        let current = watch::Sender::new(Arc::new(first));
        Self { inner: Arc::new(Inner { current, generation: AtomicU64::new(0) }) }
    }

    /// The credential of this moment, expired or not.
    #[must_use]
    pub fn current(&self) -> Arc<Credential> {
        Arc::clone(&self.inner.current.borrow())
    }

    /// The credential, if it counts now: nobody proves anything with an expired one.
    #[must_use]
    pub fn valid(&self) -> Option<Arc<Credential>> {
        Some(self.current()).filter(|credential| credential.validity.covers(SystemTime::now()))
    }

    /// Replaces the credential.
    pub fn replace(&self, next: Credential) {
        self.inner.current.send_replace(Arc::new(next));
        self.inner.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// How often it was replaced.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// Sees every replacement.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Credential>> {
        self.inner.current.subscribe()
    }
}

/// The trust anchors of a process: those it was configured with, and those that the authority it trusts has told it since.
/// A clone is the same holder.
#[derive(Clone, Debug)]
pub struct Anchors {
    inner: Arc<watch::Sender<Sets>>,
}

#[derive(Clone, Debug)]
struct Sets {
    configured: Arc<TrustAnchors>,
    all: Arc<TrustAnchors>,
    learned: Option<Arc<TrustAnchors>>,
}

impl Sets {
    fn of(configured: Arc<TrustAnchors>, learned: Option<Arc<TrustAnchors>>) -> Self {
        let all = match &learned {
            Some(learned) => Arc::new(configured.with(learned)),
            None => Arc::clone(&configured),
        };
        Self { configured, all, learned }
    }
}

impl Anchors {
    /// Holds what was configured.
    #[must_use]
    pub fn new(configured: TrustAnchors) -> Self {
        Self { inner: Arc::new(watch::Sender::new(Sets::of(Arc::new(configured), None))) }
    }

    /// All that count.
    #[must_use]
    pub fn current(&self) -> Arc<TrustAnchors> {
        Arc::clone(&self.inner.borrow().all)
    }

    /// What was configured.
    #[must_use]
    pub fn configured(&self) -> Arc<TrustAnchors> {
        Arc::clone(&self.inner.borrow().configured)
    }

    /// Replaces what was configured.
    pub fn configure(&self, configured: TrustAnchors) {
        self.inner.send_modify(|sets| *sets = Sets::of(Arc::new(configured), sets.learned.clone()));
    }

    /// Replaces what the authority told; true when that changed anything.
    pub fn learn(&self, learned: TrustAnchors) -> bool {
        self.inner.send_if_modified(|sets| {
            let known = sets.learned.as_ref().map(|known| known.certificates());
            let news = known.unwrap_or_else(|| sets.configured.certificates()) != learned.certificates();
            if news {
                *sets = Sets::of(Arc::clone(&sets.configured), Some(Arc::new(learned)));
            }
            news
        })
    }

    /// Waits for the next change after `seen`, and says what counts then.
    pub fn subscribe(&self) -> impl AsyncFnMut() -> Option<Arc<TrustAnchors>> + use<> {
        let mut receiver = self.inner.subscribe();
        async move || {
            receiver.changed().await.ok()?;
            Some(Arc::clone(&receiver.borrow_and_update().all))
        }
    }
}
