//! The kind `Component`: one backend of one building block, as users write it.
//!
//! Read by the loader and handed to the component lifecycle. It must not know which component types exist.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::meta::{ObjectMeta, Resource, log_name, unset};
use crate::named_value::NamedValue;

/// A backend of a building block (`dapr.io/v1alpha1`, kind `Component`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Component {
    /// Always `dapr.io/v1alpha1`.
    pub api_version: String,
    /// Always `Component`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Type, version and settings.
    pub spec: ComponentSpec,
    /// Where `secretKeyRef` of this component is looked up.
    #[serde(skip_serializing_if = "unset")]
    pub auth: Auth,
    /// App ids that may use it; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// What a component is and how it is set up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentSpec {
    /// Category and name, for example `state.redis`.
    pub r#type: String,
    /// For example `v1`; see [`is_initial_version`] for what an empty one means.
    pub version: String,
    /// A failure to start this component does not stop the process.
    #[serde(skip_serializing_if = "unset")]
    pub ignore_errors: bool,
    /// The settings, in the order of the document.
    pub metadata: Vec<NamedValue>,
    /// How long starting it may take, a Go duration; anything else or not positive means 5 s.
    #[serde(skip_serializing_if = "unset")]
    pub init_timeout: String,
}

/// The secret store that `secretKeyRef` entries of a resource are looked up in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Auth {
    /// Name of a secret store component; empty means none, or `kubernetes` in Kubernetes mode.
    pub secret_store: String,
}

impl Component {
    /// The category that the type begins with, for example `state` of `state.redis`.
    ///
    /// # Errors
    /// The type begins with no category that can be loaded, as the old `workflow.dapr`.
    pub fn category(&self) -> Result<Category, Error> {
        Category::of(&self.spec.r#type).ok_or_else(|| Error::IncorrectType(self.spec.r#type.clone()))
    }

    /// The message with which the target reports that a component could not be started.
    pub fn process_error(&self, cause: &dyn std::fmt::Display) -> String {
        format!("process component {} error: {cause}", self.metadata.name)
    }
}

impl Resource for Component {
    const KIND: &'static str = "Component";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }

    fn log_name(&self) -> String {
        log_name(&self.metadata.name, &self.spec.r#type, &self.spec.version)
    }

    fn secret_store(&self) -> &str {
        &self.auth.secret_store
    }

    fn named_values(&self) -> Vec<&NamedValue> {
        self.spec.metadata.iter().collect()
    }

    fn named_values_mut(&mut self) -> Vec<&mut NamedValue> {
        self.spec.metadata.iter_mut().collect()
    }
}

/// A building block a component can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// `bindings.*`
    Bindings,
    /// `pubsub.*`
    PubSub,
    /// `secretstores.*`
    SecretStores,
    /// `state.*`
    State,
    /// `middleware.*`
    Middleware,
    /// `configuration.*`
    Configuration,
    /// `crypto.*`
    Crypto,
    /// `lock.*`
    Lock,
    /// `conversation.*`
    Conversation,
}

impl Category {
    /// All categories, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Bindings,
        Self::PubSub,
        Self::SecretStores,
        Self::State,
        Self::Middleware,
        Self::Configuration,
        Self::Crypto,
        Self::Lock,
        Self::Conversation,
    ];

    /// The name that types of this category begin with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bindings => "bindings",
            Self::PubSub => "pubsub",
            Self::SecretStores => "secretstores",
            Self::State => "state",
            Self::Middleware => "middleware",
            Self::Configuration => "configuration",
            Self::Crypto => "crypto",
            Self::Lock => "lock",
            Self::Conversation => "conversation",
        }
    }

    /// The category of a type; none when it has none of these.
    pub fn of(component_type: &str) -> Option<Self> {
        let (category, _) = component_type.split_once('.')?;
        Self::ALL.into_iter().find(|known| known.as_str() == category)
    }
}

/// Whether a version means the first one: empty, `v0` or `v1`, in any case.
pub fn is_initial_version(version: &str) -> bool {
    matches!(version.to_lowercase().as_str(), "" | "v0" | "v1")
}
