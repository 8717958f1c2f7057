//! What the lock API means, whatever door it comes through. Called by `front`; it knows no status codes.

mod key;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use component::lock::{LockRequest, LockStore, UnlockRequest};
use component::{CallContext, Family};
use loaded::{LoadedComponents, Pinned};

pub use component::lock::Unlocked;

pub(crate) use key::admit;

/// The lock API of one app.
#[derive(Clone)]
pub struct Locks {
    app: Arc<str>,
    components: LoadedComponents,
}

/// Asks for a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TryLock {
    /// The store.
    pub store: String,
    /// What is locked, as the app calls it.
    pub resource: String,
    /// Who holds it.
    pub owner: String,
    /// How many seconds it is held at most.
    pub expiry_seconds: i32,
}

/// Gives a lock back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unlock {
    /// The store.
    pub store: String,
    /// What was locked, as the app calls it.
    pub resource: String,
    /// Who held it.
    pub owner: String,
}

/// Why a request of the lock API failed. Its text is the message the target answers with.
#[derive(Debug)]
pub enum Error {
    /// There is no lock store at all.
    NotConfigured,
    /// There is no lock store of this name.
    NotFound {
        /// The store asked for.
        store: String,
    },
    /// The request does not say what is to be locked.
    ResourceEmpty {
        /// The store asked for.
        store: String,
    },
    /// The request does not say who asks.
    OwnerEmpty {
        /// The store asked for.
        store: String,
    },
    /// The lock would end at once.
    ExpiryNotPositive {
        /// The store asked for.
        store: String,
    },
    /// Taking the lock failed, which is not the same as its being held.
    TryLock {
        /// Why.
        message: String,
    },
    /// Giving the lock back failed.
    Unlock {
        /// Why.
        message: String,
    },
}

impl Locks {
    /// The lock API over `components` for an app.
    pub fn new(app: Arc<str>, components: LoadedComponents) -> Self {
        Self { app, components }
    }

    /// Takes a lock, and says whether that worked.
    ///
    /// # Errors
    /// Any but `Unlock`.
    pub async fn try_lock(&self, context: &CallContext, request: TryLock) -> Result<bool, Error> {
        let seconds = u64::try_from(request.expiry_seconds).unwrap_or_default();
        if seconds == 0 {
            return Err(Error::ExpiryNotPositive { store: request.store });
        }
        let store = self.store(&request.store, &request.resource, &request.owner)?;
        let resource = self.complete(&store, &request.resource).map_err(|message| Error::TryLock { message })?;
        let wanted = LockRequest { resource, owner: request.owner, expiry: Duration::from_secs(seconds) };
        let done: Result<bool, component::Error> =
            store.call(context, "try lock", |store| store.try_lock(context, &wanted)).await;
        done.map_err(|source| Error::TryLock { message: source.to_string() })
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// Any but `ExpiryNotPositive` and `TryLock`.
    pub async fn unlock(&self, context: &CallContext, request: Unlock) -> Result<Unlocked, Error> {
        let store = self.store(&request.store, &request.resource, &request.owner)?;
        let resource = self.complete(&store, &request.resource).map_err(|message| Error::Unlock { message })?;
        let held = UnlockRequest { resource, owner: request.owner };
        let done: Result<Unlocked, component::Error> =
            store.call(context, "unlock", |store| store.unlock(context, &held)).await;
        done.map_err(|source| Error::Unlock { message: source.to_string() })
    }

    /// The store of a request, in the target's order of complaints.
    fn store(&self, name: &str, resource: &str, owner: &str) -> Result<Pinned<dyn LockStore>, Error> {
        let store = || name.to_owned();
        if !self.components.has_any(Family::Lock) {
            return Err(Error::NotConfigured);
        }
        if resource.is_empty() {
            return Err(Error::ResourceEmpty { store: store() });
        }
        if owner.is_empty() {
            return Err(Error::OwnerEmpty { store: store() });
        }
        let pinned = self.components.lock_store(name).and_then(|store| store.pin().ok());
        pinned.ok_or_else(|| Error::NotFound { store: store() })
    }

    fn complete(&self, store: &Pinned<dyn LockStore>, resource: &str) -> Result<String, String> {
        key::complete(store.details(), &self.app, resource)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotConfigured => formatter.write_str("lock store is not configured"),
            Error::NotFound { store } => write!(formatter, "lock store {store} not found"),
            Error::ResourceEmpty { store } => write!(formatter, "ResourceId is empty in lock store {store}"),
            Error::OwnerEmpty { store } => write!(formatter, "LockOwner is empty in lock store {store}"),
            Error::ExpiryNotPositive { store } => {
                write!(formatter, "ExpiryInSeconds is not positive in lock store {store}")
            }
            Error::TryLock { message } => write!(formatter, "failed to try acquiring lock: {message}"),
            Error::Unlock { message } => write!(formatter, "failed to release lock: {message}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
