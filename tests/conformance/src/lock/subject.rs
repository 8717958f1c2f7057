//! One lock store in one check.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use component::lock::{LockRequest, LockStore, UnlockRequest, Unlocked};
use component::{CallContext, Constructor, Error};

use super::LockStores;
use crate::host::{construction_failed, registration};
use crate::{Apparatus, Backend, Ground};

/// A lock store under test.
#[derive(Clone)]
pub struct Subject {
    backend: &'static Backend<LockStores>,
    pub(super) store: Arc<dyn LockStore>,
    pub(super) ground: Arc<dyn Ground>,
    scope: Arc<str>,
    apparatus: Apparatus,
    /// Every store made for this check, to be closed after it.
    made: Arc<Mutex<Vec<Arc<dyn LockStore>>>>,
}

impl Subject {
    /// A new store of `backend` on its ground. `scope` begins all names of the check.
    pub(super) async fn open(backend: &'static Backend<LockStores>, ground: Arc<dyn Ground>, scope: String) -> Self {
        let apparatus = Apparatus::default();
        let store = open(backend, &*ground, &apparatus).await;
        let made = Arc::new(Mutex::new(vec![Arc::clone(&store)]));
        Self { backend, store, ground, scope: scope.into(), apparatus, made }
    }

    /// A second component with the same locks; the same one where a backend shares nothing.
    pub(super) async fn another(&self) -> Self {
        if !self.backend.profile.shared {
            return self.clone();
        }
        let store = open(self.backend, &*self.ground, &self.apparatus).await;
        self.made.lock().expect("no check panics with the list in hand").push(Arc::clone(&store));
        Self { store, ..self.clone() }
    }

    pub(super) async fn close(self) {
        let stores = std::mem::take(&mut *self.made.lock().expect("no check panics with the list in hand"));
        for store in stores {
            store.close().await.unwrap_or_else(|error| panic!("close: {error}"));
        }
        self.apparatus.all_tasks_ended().await;
    }

    pub(super) async fn try_lock(&self, resource: &str, owner: &str, expiry: Duration) -> Result<bool, Error> {
        let resource = format!("{}{resource}", self.scope);
        let request = LockRequest { resource, owner: owner.to_owned(), expiry };
        self.store.try_lock(&CallContext::default(), &request).await
    }

    /// Asks for a lock of a minute.
    pub(super) async fn lock(&self, resource: &str, owner: &str) -> bool {
        self.lock_for(resource, owner, Duration::from_secs(60)).await
    }

    pub(super) async fn lock_for(&self, resource: &str, owner: &str, expiry: Duration) -> bool {
        let locked = self.try_lock(resource, owner, expiry).await;
        locked.unwrap_or_else(|error| panic!("lock {resource:?} for {owner:?}: {error}"))
    }

    pub(super) async fn unlock(&self, resource: &str, owner: &str) -> Unlocked {
        let request = UnlockRequest { resource: format!("{}{resource}", self.scope), owner: owner.to_owned() };
        let unlocked = self.store.unlock(&CallContext::default(), &request).await;
        unlocked.unwrap_or_else(|error| panic!("unlock {resource:?} of {owner:?}: {error}"))
    }
}

async fn open(backend: &Backend<LockStores>, ground: &dyn Ground, apparatus: &Apparatus) -> Arc<dyn LockStore> {
    let Constructor::LockStore(construct) = registration(backend.component_type, backend.version).constructor else {
        panic!("{} is no lock store", backend.component_type);
    };
    let setup = apparatus.setup(ground.properties().into_iter().collect());
    construct(setup).await.unwrap_or_else(|error| construction_failed(backend.component_type, &error))
}
