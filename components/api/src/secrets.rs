//! What a secret store offers. Implemented by backends, called through `loaded` by the secrets block and by the loader.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::{Backend, CallContext, Error, Metadata};

/// One secret: its keys and their values. A store with one value per secret uses the secret's name as the key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub BTreeMap<String, String>);

impl fmt::Debug for Secret {
    /// Names the keys, never the values.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// A store of secrets.
#[async_trait]
pub trait SecretStore: Backend {
    /// The secret of a name. A name that is not there is an error of kind `NotFound`.
    async fn get(&self, context: &CallContext, name: &str, metadata: &Metadata) -> Result<Secret, Error>;

    /// Every secret the store has, by name.
    async fn get_all(&self, context: &CallContext, metadata: &Metadata) -> Result<BTreeMap<String, Secret>, Error>;

    /// Whether one secret can have several keys.
    fn multiple_key_values(&self) -> bool {
        false
    }

    /// The abilities as the metadata API names them.
    fn capabilities(&self) -> Vec<&'static str> {
        if self.multiple_key_values() { vec!["MULTIPLE_KEY_VALUES_PER_SECRET"] } else { Vec::new() }
    }
}
