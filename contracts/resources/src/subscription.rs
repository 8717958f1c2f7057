//! The kind `Subscription` in both of its versions; the older one is only read and turned into the newer one.
//!
//! Read by the loader and handed to the pub/sub building block. It must not compile the match expressions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::meta::{ObjectMeta, Resource, unset};

/// Which messages of a topic go to which path of the app (`dapr.io/v2alpha1`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subscription {
    /// Always `dapr.io/v2alpha1`.
    pub api_version: String,
    /// Always `Subscription`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Topic and routes.
    pub spec: SubscriptionSpec,
    /// App ids it is for; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// Topic and routes of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionSpec {
    /// Name of the pub/sub component.
    pub pubsubname: String,
    /// Topic to subscribe to.
    pub topic: String,
    /// Settings passed to the component, for example `rawPayload`.
    #[serde(skip_serializing_if = "unset")]
    pub metadata: BTreeMap<String, String>,
    /// Where messages go.
    pub routes: Routes,
    /// Topic for messages that could not be handled; empty means none.
    #[serde(skip_serializing_if = "unset")]
    pub dead_letter_topic: String,
    /// Delivery of several messages at once.
    #[serde(skip_serializing_if = "unset")]
    pub bulk_subscribe: BulkSubscribe,
}

/// Delivery of several messages in one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BulkSubscribe {
    /// Whether it is on.
    pub enabled: bool,
    /// Most messages in one call; 0 means the component's own default.
    #[serde(skip_serializing_if = "unset")]
    pub max_messages_count: i32,
    /// Longest wait for a full batch in milliseconds; 0 means the component's own default.
    #[serde(skip_serializing_if = "unset")]
    pub max_await_duration_ms: i32,
}

/// Paths of the app for the messages of a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Routes {
    /// Tried in order; the first match wins.
    #[serde(skip_serializing_if = "unset")]
    pub rules: Vec<Rule>,
    /// Path when no rule matches; empty means such messages are dropped.
    #[serde(skip_serializing_if = "unset")]
    pub default: String,
}

/// One condition with its path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// A CEL expression over the event; empty means always.
    pub r#match: String,
    /// Path of the app.
    pub path: String,
}

/// The older form with a single path (`dapr.io/v1alpha1`); see [`Subscription::from`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionV1 {
    /// Always `dapr.io/v1alpha1`.
    pub api_version: String,
    /// Always `Subscription`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Topic and path.
    pub spec: SubscriptionSpecV1,
    /// App ids it is for; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// Topic and path of an older subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionSpecV1 {
    /// Topic to subscribe to.
    pub topic: String,
    /// Name of the pub/sub component.
    pub pubsubname: String,
    /// Settings passed to the component.
    #[serde(skip_serializing_if = "unset")]
    pub metadata: BTreeMap<String, String>,
    /// Path of the app.
    pub route: String,
    /// Delivery of several messages at once.
    #[serde(skip_serializing_if = "unset")]
    pub bulk_subscribe: BulkSubscribe,
    /// Topic for messages that could not be handled; empty means none.
    #[serde(skip_serializing_if = "unset")]
    pub dead_letter_topic: String,
}

impl From<SubscriptionV1> for Subscription {
    /// The path becomes the default path. Version and kind stay empty, as in the target's conversion.
    fn from(older: SubscriptionV1) -> Self {
        let SubscriptionSpecV1 { topic, pubsubname, metadata, route, bulk_subscribe, dead_letter_topic } = older.spec;
        let routes = Routes { rules: Vec::new(), default: route };
        let spec = SubscriptionSpec { pubsubname, topic, metadata, routes, dead_letter_topic, bulk_subscribe };
        Self { metadata: older.metadata, scopes: older.scopes, spec, ..Self::default() }
    }
}

impl Resource for Subscription {
    const KIND: &'static str = "Subscription";
    const API_VERSION: &'static str = "dapr.io/v2alpha1";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}

impl Resource for SubscriptionV1 {
    const KIND: &'static str = "Subscription";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
