//! The components of a sidecar by name, per building block. Filled by the loader, read by every block on every request,
//! so a look-up is one short read lock.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use component::configuration::ConfigurationStore;
use component::conversation::Conversation;
use component::crypto::CryptoProvider;
use component::lock::LockStore;
use component::middleware::HttpMiddleware;
use component::pubsub::PubSub;
use component::secrets::SecretStore;
use component::state::StateStore;
use component::{Backend, Error, Family, Spec};

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
    /// By name, which no two components share.
    named: HashMap<Arc<str>, Component>,
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
    ConfigurationStore(Arc<Loaded<dyn ConfigurationStore>>),
    LockStore(Arc<Loaded<dyn LockStore>>),
    CryptoProvider(Arc<Loaded<dyn CryptoProvider>>),
    Conversation(Arc<Loaded<dyn Conversation>>),
    HttpMiddleware(Arc<Loaded<dyn HttpMiddleware>>),
    PubSub(Arc<Loaded<dyn PubSub>>),
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
        match self.read().named.get(name) {
            Some(Component::StateStore(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The secret store of a name.
    pub fn secret_store(&self, name: &str) -> Option<Arc<Loaded<dyn SecretStore>>> {
        match self.read().named.get(name) {
            Some(Component::SecretStore(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The configuration store of a name.
    pub fn configuration_store(&self, name: &str) -> Option<Arc<Loaded<dyn ConfigurationStore>>> {
        match self.read().named.get(name) {
            Some(Component::ConfigurationStore(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The lock store of a name.
    pub fn lock_store(&self, name: &str) -> Option<Arc<Loaded<dyn LockStore>>> {
        match self.read().named.get(name) {
            Some(Component::LockStore(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The provider of cryptography of a name.
    pub fn crypto_provider(&self, name: &str) -> Option<Arc<Loaded<dyn CryptoProvider>>> {
        match self.read().named.get(name) {
            Some(Component::CryptoProvider(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The service that converses of a name.
    pub fn conversation(&self, name: &str) -> Option<Arc<Loaded<dyn Conversation>>> {
        match self.read().named.get(name) {
            Some(Component::Conversation(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The HTTP middleware of a name.
    pub fn http_middleware(&self, name: &str) -> Option<Arc<Loaded<dyn HttpMiddleware>>> {
        match self.read().named.get(name) {
            Some(Component::HttpMiddleware(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// The message broker of a name.
    pub fn pub_sub(&self, name: &str) -> Option<Arc<Loaded<dyn PubSub>>> {
        match self.read().named.get(name) {
            Some(Component::PubSub(found)) => Some(Arc::clone(found)),
            _ => None,
        }
    }

    /// Whether there is any component of a family.
    pub fn has_any(&self, family: Family) -> bool {
        self.read().entries.iter().any(|entry| entry.component.family() == family)
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
        let mut shared = self.write();
        shared.named.insert(spec.name.as_str().into(), component.clone());
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
    fn family(&self) -> Family {
        match self {
            Component::StateStore(_) => Family::State,
            Component::SecretStore(_) => Family::SecretStores,
            Component::ConfigurationStore(_) => Family::Configuration,
            Component::LockStore(_) => Family::Lock,
            Component::CryptoProvider(_) => Family::Crypto,
            Component::Conversation(_) => Family::Conversation,
            Component::HttpMiddleware(_) => Family::Middleware,
            Component::PubSub(_) => Family::PubSub,
        }
    }

    /// Only these blocks tell abilities, as in the target.
    fn capabilities(&self) -> Vec<&'static str> {
        match self {
            Component::StateStore(store) => store.pin().map(|store| store.capabilities()).unwrap_or_default(),
            Component::SecretStore(store) => store.pin().map(|store| store.capabilities()).unwrap_or_default(),
            Component::PubSub(broker) => broker.pin().map(|broker| broker.capabilities()).unwrap_or_default(),
            Component::ConfigurationStore(_)
            | Component::LockStore(_)
            | Component::CryptoProvider(_)
            | Component::Conversation(_)
            | Component::HttpMiddleware(_) => Vec::new(),
        }
    }

    async fn close(&self) -> Result<(), Error> {
        match self {
            Component::StateStore(store) => drain(store).await,
            Component::SecretStore(store) => drain(store).await,
            Component::ConfigurationStore(store) => drain(store).await,
            Component::LockStore(store) => drain(store).await,
            Component::CryptoProvider(provider) => drain(provider).await,
            Component::Conversation(service) => drain(service).await,
            Component::HttpMiddleware(middleware) => drain(middleware).await,
            Component::PubSub(broker) => drain(broker).await,
        }
    }
}

async fn drain<T: Backend + ?Sized>(loaded: &Loaded<T>) -> Result<(), Error> {
    match loaded.retire() {
        Some(retired) => retired.drain().await,
        None => Ok(()),
    }
}
