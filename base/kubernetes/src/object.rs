//! One object of a list or a watch: where it is, which version, and its JSON, which is read only by who wants it.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Where an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Empty for kinds that are in none.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

impl Key {
    /// Of this namespace and name.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(formatter, "{}/", self.namespace)?;
        }
        formatter.write_str(&self.name)
    }
}

/// An object. Its debug form shows no content, which may be secret.
#[derive(Clone)]
pub struct Object {
    /// Where it is.
    pub key: Key,
    /// Which version; only to be given back to the API.
    pub version: String,
    json: Bytes,
}

/// What every object says of itself.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Meta {
    namespace: String,
    name: String,
    pub(crate) resource_version: String,
}

/// Anything with metadata.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct WithMeta {
    pub(crate) metadata: Meta,
}

impl Object {
    pub(crate) fn parse(json: Bytes) -> Result<Self, Error> {
        let WithMeta { metadata } = read(&json)?;
        if metadata.name.is_empty() {
            return Err(Error::Unreadable("an object without a name".to_owned()));
        }
        let key = Key { namespace: metadata.namespace, name: metadata.name };
        Ok(Self { key, version: metadata.resource_version, json })
    }

    /// The object as a type that names the fields it wants.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read(&self.json)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Object").field("key", &self.key).field("version", &self.version).finish_non_exhaustive()
    }
}

pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| Error::Unreadable(error.to_string()))
}
