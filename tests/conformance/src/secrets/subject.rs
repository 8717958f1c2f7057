//! One secret store in one check.

use std::sync::Arc;

use component::secrets::{Secret, SecretStore};
use component::{CallContext, Constructor, Error, Metadata};

use super::SecretStores;
use crate::host::{construction_failed, registration};
use crate::{Apparatus, Backend, Ground};

/// A secret store under test.
#[derive(Clone)]
pub struct Subject {
    pub(super) backend: &'static Backend<SecretStores>,
    pub(super) store: Arc<dyn SecretStore>,
    apparatus: Apparatus,
    /// Holds the files or servers as long as the store is used.
    _ground: Arc<dyn Ground>,
}

impl Subject {
    pub(super) async fn open(backend: &'static Backend<SecretStores>, ground: Arc<dyn Ground>) -> Self {
        let Constructor::SecretStore(construct) = registration(backend.component_type, backend.version).constructor
        else {
            panic!("{} is no secret store", backend.component_type);
        };
        let apparatus = Apparatus::with_variables(ground.variables());
        let made = construct(apparatus.setup(ground.properties().into_iter().collect())).await;
        let store = made.unwrap_or_else(|error| construction_failed(backend.component_type, &error));
        Self { backend, store, apparatus, _ground: ground }
    }

    pub(super) async fn close(self) {
        self.store.close().await.unwrap_or_else(|error| panic!("close: {error}"));
        self.apparatus.all_tasks_ended().await;
    }

    pub(super) async fn get(&self, name: &str) -> Result<Secret, Error> {
        self.store.get(&CallContext::default(), name, &Metadata::new()).await
    }

    pub(super) async fn get_all(&self) -> Vec<(String, Secret)> {
        let all = self.store.get_all(&CallContext::default(), &Metadata::new()).await;
        all.unwrap_or_else(|error| panic!("get all: {error}")).into_iter().collect()
    }

    /// Every secret that the ground holds.
    pub(super) fn held(&self) -> Vec<(String, Secret)> {
        let owned = |pairs: &[(&str, &str)]| {
            Secret(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        let mut held: Vec<_> =
            self.backend.profile.held.iter().map(|(name, pairs)| ((*name).to_owned(), owned(pairs))).collect();
        held.sort_by(|one, other| one.0.cmp(&other.0));
        held
    }
}
