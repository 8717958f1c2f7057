//! What all kinds share: the object's metadata, and the trait through which loading and secrets see any of them.
//!
//! Used by every kind of this crate. It must not contain rules of a single kind.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::http_endpoint::TlsDocument;
use crate::named_value::NamedValue;

/// Name and labels of a resource. In standalone mode only name and namespace matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name, unique per kind.
    #[serde(skip_serializing_if = "unset")]
    pub name: String,
    /// Prefix from which a cluster makes a name.
    #[serde(skip_serializing_if = "unset")]
    pub generate_name: String,
    /// Namespace; see [`crate::Selection`] for when it counts.
    #[serde(skip_serializing_if = "unset")]
    pub namespace: String,
    /// Identity given by a cluster.
    #[serde(skip_serializing_if = "unset")]
    pub uid: String,
    /// Version given by a cluster.
    #[serde(skip_serializing_if = "unset")]
    pub resource_version: String,
    /// Count of changes given by a cluster.
    #[serde(skip_serializing_if = "unset")]
    pub generation: i64,
    /// When a cluster stored it first, RFC 3339.
    #[serde(skip_serializing_if = "unset")]
    pub creation_timestamp: Option<String>,
    /// When a cluster was asked to remove it, RFC 3339.
    #[serde(skip_serializing_if = "unset")]
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "unset")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "unset")]
    pub annotations: BTreeMap<String, String>,
    /// What must be done before a cluster removes it.
    #[serde(skip_serializing_if = "unset")]
    pub finalizers: Vec<String>,
}

/// Whether a field has its default and may be left out when written.
pub(crate) fn unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What loading, scopes and secrets need to know of a resource of any kind.
pub trait Resource: Clone + DeserializeOwned {
    /// The kind as written in documents, for example `Component`.
    const KIND: &'static str;
    /// The API version as written in documents, for example `dapr.io/v1alpha1`.
    const API_VERSION: &'static str = "dapr.io/v1alpha1";

    /// Name, namespace, labels.
    fn object_meta(&self) -> &ObjectMeta;

    /// App ids it is for; empty means all.
    fn scopes(&self) -> &[String];

    /// The name that logs and messages use.
    fn log_name(&self) -> String {
        self.object_meta().name.clone()
    }

    /// The secret store named by the resource; empty when it names none.
    fn secret_store(&self) -> &str {
        ""
    }

    /// Every value that may refer to a secret or a variable, in the order in which they are resolved.
    fn named_values(&self) -> Vec<&NamedValue> {
        Vec::new()
    }

    /// The same values, to be filled in.
    fn named_values_mut(&mut self) -> Vec<&mut NamedValue> {
        Vec::new()
    }

    /// Certificates and keys that may be kept in a secret store.
    fn tls_documents(&self) -> Vec<&TlsDocument> {
        Vec::new()
    }

    /// The same documents, to be filled in.
    fn tls_documents_mut(&mut self) -> Vec<&mut TlsDocument> {
        Vec::new()
    }

    /// Name of the resource.
    fn name(&self) -> &str {
        &self.object_meta().name
    }

    /// Namespace of the resource; empty when it has none.
    fn namespace(&self) -> &str {
        &self.object_meta().namespace
    }

    /// Whether an app may use it.
    fn is_in_scope(&self, app_id: &str) -> bool {
        self.scopes().is_empty() || self.scopes().iter().any(|scope| scope == app_id)
    }
}

/// `name (type/version)`, or `name (type)` without a version: how logs of the target name components.
pub fn log_name(name: &str, component_type: &str, version: &str) -> String {
    if version.is_empty() {
        format!("{name} ({component_type})")
    } else {
        format!("{name} ({component_type}/{version})")
    }
}
