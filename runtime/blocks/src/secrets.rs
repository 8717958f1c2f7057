//! What the secrets API means, whatever door it comes through, and which secrets an app may see. Called by `front`; it
//! knows no status codes, and no secret may reach its errors.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use component::secrets::{Secret, SecretStore};
use component::{CallContext, Family, Metadata};
use loaded::{LoadedComponents, Pinned};
use telemetry::metrics::Operations;

/// The secrets API of one app.
#[derive(Clone)]
pub struct Secrets {
    components: LoadedComponents,
    scopes: Arc<HashMap<String, Scope>>,
    counts: Operations,
}

/// Which secrets of a store an app may see, from `spec.secrets.scopes` of its Configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whether a secret that no list names is kept back (`defaultAccess: deny`, in any case).
    pub deny_by_default: bool,
    /// If not empty, the only secrets allowed.
    pub allowed: BTreeSet<String>,
    /// Secrets kept back; without meaning where `allowed` is not empty.
    pub denied: BTreeSet<String>,
}

impl Scope {
    /// Whether the app may see a secret. Names are compared exactly.
    pub fn allows(&self, secret: &str) -> bool {
        if !self.allowed.is_empty() {
            return self.allowed.contains(secret);
        }
        !self.denied.contains(secret) && !self.deny_by_default
    }
}

/// Why a request of the secrets API failed. Its text is the message the target answers with.
#[derive(Debug)]
pub enum Error {
    /// There is no secret store at all.
    NotConfigured,
    /// There is no secret store of this name.
    NotFound {
        /// The store asked for.
        store: String,
    },
    /// The app may not see the secret, whether or not it exists.
    PermissionDenied {
        /// The store.
        store: String,
        /// Name of the secret.
        secret: String,
    },
    /// Reading a secret failed.
    Get {
        /// The store.
        store: String,
        /// Name of the secret.
        secret: String,
        /// Why.
        source: component::Error,
    },
    /// Reading all secrets failed.
    GetAll {
        /// The store.
        store: String,
        /// Why.
        source: component::Error,
    },
}

impl Secrets {
    /// The secrets API over `components`. `scopes` holds a scope per store; a store without one gives everything.
    pub fn new(components: LoadedComponents, scopes: HashMap<String, Scope>) -> Self {
        Self { components, scopes: Arc::new(scopes), counts: Operations::default() }
    }

    /// Counts what stores are asked.
    #[must_use]
    pub fn counted(self, counts: Operations) -> Self {
        Self { counts, ..self }
    }

    /// One secret.
    ///
    /// # Errors
    /// `NotConfigured`, `NotFound`, `PermissionDenied` (before the store is asked), `Get`.
    pub async fn get(
        &self,
        context: &CallContext,
        store: &str,
        secret: &str,
        metadata: &Metadata,
    ) -> Result<Secret, Error> {
        let pinned = self.store(store)?;
        if !self.allows(store, secret) {
            return Err(Error::PermissionDenied { store: store.to_owned(), secret: secret.to_owned() });
        }
        let got = pinned.call(context, "get secret", |backend| backend.get(context, secret, metadata));
        let got = self.counts.watch(store, "get", got).await;
        got.map_err(|source| Error::Get { store: store.to_owned(), secret: secret.to_owned(), source })
    }

    /// Every secret the app may see, by name.
    ///
    /// # Errors
    /// `NotConfigured`, `NotFound`, `GetAll`.
    pub async fn get_all(
        &self,
        context: &CallContext,
        store: &str,
        metadata: &Metadata,
    ) -> Result<BTreeMap<String, Secret>, Error> {
        let pinned = self.store(store)?;
        let got = pinned.call(context, "get all secrets", |backend| backend.get_all(context, metadata));
        let got = self.counts.watch(store, "bulk_get", got).await;
        let mut secrets = got.map_err(|source| Error::GetAll { store: store.to_owned(), source })?;
        secrets.retain(|secret, _| self.allows(store, secret));
        Ok(secrets)
    }

    fn store(&self, name: &str) -> Result<Pinned<dyn SecretStore>, Error> {
        let pinned = self.components.secret_store(name).and_then(|store| store.pin().ok());
        pinned.ok_or_else(|| match self.components.has_any(Family::SecretStores) {
            true => Error::NotFound { store: name.to_owned() },
            false => Error::NotConfigured,
        })
    }

    fn allows(&self, store: &str, secret: &str) -> bool {
        self.scopes.get(store).is_none_or(|scope| scope.allows(secret))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotConfigured => formatter.write_str("secret store is not configured"),
            Error::NotFound { store } => write!(formatter, "failed finding secret store with key {store}"),
            Error::PermissionDenied { store, secret } => {
                write!(formatter, "access denied by policy to get {secret:?} from {store:?}")
            }
            Error::Get { store, secret, source } => {
                write!(formatter, "failed getting secret with key {secret} from secret store {store}: {source}")
            }
            Error::GetAll { store, source } => {
                write!(formatter, "failed getting secrets from secret store {store}: {source}")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
