//! The components of a sidecar by name, per building block. Filled by the loader, read by every block on every request,
//! so a look-up is one short read lock.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use component::secrets::SecretStore;
use component::state::StateStore;
use component::{Backend, Error, Spec};

use crate::Loaded;

/// All loaded components. Cheap to clone; all clones are the same set.
#[derive(Clone, Default)]
pub struct LoadedComponents {
    shared: Arc<RwLock<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// In the order they were loaded.
    entries: Vec<Entry>,
    state_stores: HashMap<Arc<str>, Arc<Loaded<dyn StateStore>>>,
    secret_stores: HashMap<Arc<str>, Arc<Loaded<dyn SecretStore>>>,
}

struct Entry {
    spec: Spec,
    component: Component,
}

/// A loaded component of any block.
#[derive(Clone)]
pub(crate) enum Component {
    StateStore(Arc<Loaded<dyn StateStore>>),
    SecretStore(Arc<Loaded<dyn SecretStore>>),
}

/// What the metadata API tells of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentInfo {
    /// Name.
    pub name: String,
    /// Full type as written.
    pub component_type: String,
    /// Version as written.
    pub version: String,
    /// Abilities, in the target's words and order.
    pub capabilities: Vec<&'static str>,
}

impl LoadedComponents {
    /// The state store of a name.
    pub fn state_store(&self, name: &str) -> Option<Arc<Loaded<dyn StateStore>>> {
        self.read().state_stores.get(name).cloned()
    }

    /// Whether there is any state store.
    pub fn has_state_stores(&self) -> bool {
        !self.read().state_stores.is_empty()
    }

    /// The secret store of a name.
    pub fn secret_store(&self, name: &str) -> Option<Arc<Loaded<dyn SecretStore>>> {
        self.read().secret_stores.get(name).cloned()
    }

    /// Whether there is any secret store.
    pub fn has_secret_stores(&self) -> bool {
        !self.read().secret_stores.is_empty()
    }

    /// All components in the order they were loaded, for the metadata API.
    pub fn list(&self) -> Vec<ComponentInfo> {
        let info = |entry: &Entry| ComponentInfo {
            name: entry.spec.name.clone(),
            component_type: entry.spec.component_type.clone(),
            version: entry.spec.version.clone(),
            capabilities: entry.component.capabilities(),
        };
        self.read().entries.iter().map(info).collect()
    }

    /// Takes all components out of use, last loaded first, and closes each after its last call. The caller bounds the
    /// time by dropping the future; what failed to close is answered with its name.
    pub async fn close(&self) -> Vec<(String, Error)> {
        let entries = std::mem::take(&mut *self.write()).entries;
        let mut failed = Vec::new();
        for entry in entries.into_iter().rev() {
            if let Err(error) = entry.component.close().await {
                failed.push((entry.spec.name, error));
            }
        }
        failed
    }

    /// The spec a component of this name was loaded from.
    pub(crate) fn spec(&self, name: &str) -> Option<Spec> {
        self.read().entries.iter().find(|entry| entry.spec.name == name).map(|entry| entry.spec.clone())
    }

    /// Adds a component whose name is free.
    pub(crate) fn insert(&self, spec: Spec, component: Component) {
        let name: Arc<str> = spec.name.as_str().into();
        let mut shared = self.write();
        match &component {
            Component::StateStore(store) => drop(shared.state_stores.insert(name, Arc::clone(store))),
            Component::SecretStore(store) => drop(shared.secret_stores.insert(name, Arc::clone(store))),
        }
        shared.entries.push(Entry { spec, component });
    }

    fn read(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    fn capabilities(&self) -> Vec<&'static str> {
        match self {
            Component::StateStore(store) => store.pin().map(|store| store.capabilities()),
            Component::SecretStore(store) => store.pin().map(|store| store.capabilities()),
        }
        .unwrap_or_default()
    }

    async fn close(&self) -> Result<(), Error> {
        match self {
            Component::StateStore(store) => drain(store).await,
            Component::SecretStore(store) => drain(store).await,
        }
    }
}

async fn drain<T: Backend + ?Sized>(loaded: &Loaded<T>) -> Result<(), Error> {
    match loaded.retire() {
        Some(retired) => retired.drain().await,
        None => Ok(()),
    }
}
