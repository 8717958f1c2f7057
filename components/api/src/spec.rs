//! One component as the loader wants it: what a Component resource says, already scoped to this app. `sidecar` makes it
//! from a resource; secret references are still open, because only the loader has the secret stores.

use std::fmt;
use std::time::Duration;

use crate::Family;

/// A component to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Name of the component, unique among all components of the sidecar.
    pub name: String,
    /// Namespace of the resource, empty if it has none. Secret stores that know namespaces are told it.
    pub namespace: String,
    /// Full type as written, such as `state.redis`.
    pub component_type: String,
    /// Version as written; may be empty.
    pub version: String,
    /// Metadata in the order written; environment references are already replaced, placeholders are not.
    pub metadata: Vec<MetadataItem>,
    /// Name of the secret store that `secretKeyRef` means (`auth.secretStore`); may be empty.
    pub secret_store: String,
    /// Go on without the component when it fails.
    pub ignore_errors: bool,
    /// How long it may take to start; the loader's default if `None`.
    pub init_timeout: Option<Duration>,
}

/// One entry of a component's metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct MetadataItem {
    /// Name as written.
    pub name: String,
    /// Value as text; empty if there is none. It stays when the secret cannot be had.
    pub value: String,
    /// The secret that is to take the value's place.
    pub secret: Option<SecretReference>,
}

/// Where a value is found in a secret store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// Name of the secret.
    pub name: String,
    /// Key in the secret; the secret's name if empty.
    pub key: String,
}

impl Spec {
    /// How logs and errors name the component: `name (type/version)`, or `name (type)` without a version.
    pub fn log_name(&self) -> String {
        if self.version.is_empty() {
            return format!("{} ({})", self.name, self.component_type);
        }
        format!("{} ({}/{})", self.name, self.component_type, self.version)
    }

    /// The family of its type; `None` for a type that is no component type.
    pub fn family(&self) -> Option<Family> {
        Family::of(&self.component_type)
    }
}

impl fmt::Debug for MetadataItem {
    /// Without the value, which may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MetadataItem").field("name", &self.name).field("secret", &self.secret).finish()
    }
}
