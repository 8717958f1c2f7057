//! The kind `Resiliency`: named timeouts, retries and circuit breakers, and what they apply to.
//!
//! Read by the loader and compiled by the resiliency base. It must not judge durations or expressions: the compiler does,
//! because a bad one is reported with the name of its policy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::meta::{ObjectMeta, Resource, unset};

/// Policies and their targets (`dapr.io/v1alpha1`, kind `Resiliency`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resiliency {
    /// Always `dapr.io/v1alpha1`.
    pub api_version: String,
    /// Always `Resiliency`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Policies and targets.
    pub spec: ResiliencySpec,
    /// App ids it is for; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// Policies and targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResiliencySpec {
    /// The policies by name.
    pub policies: Policies,
    /// What they apply to.
    pub targets: Targets,
}

/// The policies by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policies {
    /// Go durations.
    #[serde(skip_serializing_if = "unset")]
    pub timeouts: BTreeMap<String, String>,
    /// Retry policies.
    #[serde(skip_serializing_if = "unset")]
    pub retries: BTreeMap<String, Retry>,
    /// Circuit breakers.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breakers: BTreeMap<String, CircuitBreaker>,
}

/// A retry policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// `constant` (also when empty) or `exponential`.
    #[serde(skip_serializing_if = "unset")]
    pub policy: String,
    /// Wait between tries of a constant policy; empty means 5s.
    #[serde(skip_serializing_if = "unset")]
    pub duration: String,
    /// Longest wait of an exponential policy; empty means 60s.
    #[serde(skip_serializing_if = "unset")]
    pub max_interval: String,
    /// How many times; none and -1 mean without end.
    #[serde(skip_serializing_if = "unset")]
    pub max_retries: Option<i64>,
    /// Which results are tried again; none means all.
    #[serde(skip_serializing_if = "unset")]
    pub matching: Option<RetryMatching>,
}

/// Which results are tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryMatching {
    /// Codes and ranges, for example `429,500-599`; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub http_status_codes: String,
    /// Codes and ranges from 0 to 16; empty means all.
    #[serde(rename = "gRPCStatusCodes", skip_serializing_if = "unset")]
    pub grpc_status_codes: String,
}

/// A circuit breaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CircuitBreaker {
    /// Calls let through while half open; 0 means 1.
    #[serde(skip_serializing_if = "unset")]
    pub max_requests: i64,
    /// How often the counts are cleared, a Go duration; empty means never.
    #[serde(skip_serializing_if = "unset")]
    pub interval: String,
    /// How long it stays open, a Go duration; empty means 60s.
    #[serde(skip_serializing_if = "unset")]
    pub timeout: String,
    /// A CEL expression over the counts; empty means more than five failures in a row.
    #[serde(skip_serializing_if = "unset")]
    pub trip: String,
}

/// What policies apply to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Targets {
    /// By app id.
    #[serde(skip_serializing_if = "unset")]
    pub apps: BTreeMap<String, EndpointPolicies>,
    /// By actor type.
    #[serde(skip_serializing_if = "unset")]
    pub actors: BTreeMap<String, ActorPolicies>,
    /// By component name.
    #[serde(skip_serializing_if = "unset")]
    pub components: BTreeMap<String, ComponentPolicies>,
}

/// Names of the policies of calls to an app.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPolicies {
    /// Name of a timeout; empty means the default policy.
    #[serde(skip_serializing_if = "unset")]
    pub timeout: String,
    /// Name of a retry policy.
    #[serde(skip_serializing_if = "unset")]
    pub retry: String,
    /// Name of a circuit breaker.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breaker: String,
    /// How many endpoints have a breaker of their own; 0 means 100.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breaker_cache_size: i64,
}

/// Names of the policies of calls to actors of a type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActorPolicies {
    /// Name of a timeout, counted from when the actor's turn begins.
    #[serde(skip_serializing_if = "unset")]
    pub timeout: String,
    /// Name of a retry policy.
    #[serde(skip_serializing_if = "unset")]
    pub retry: String,
    /// Name of a circuit breaker.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breaker: String,
    /// `type`, `id` or `both`; needed with a circuit breaker.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breaker_scope: String,
    /// How many actors have a breaker of their own; 0 means 5000.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breaker_cache_size: i64,
}

/// Names of the policies of a component, by direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentPolicies {
    /// From the component to the app.
    #[serde(skip_serializing_if = "unset")]
    pub inbound: PolicyNames,
    /// From the sidecar to the component.
    #[serde(skip_serializing_if = "unset")]
    pub outbound: PolicyNames,
}

/// Names of policies; an empty one means the default policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyNames {
    /// Name of a timeout.
    #[serde(skip_serializing_if = "unset")]
    pub timeout: String,
    /// Name of a retry policy.
    #[serde(skip_serializing_if = "unset")]
    pub retry: String,
    /// Name of a circuit breaker.
    #[serde(skip_serializing_if = "unset")]
    pub circuit_breaker: String,
}

impl Resource for Resiliency {
    const KIND: &'static str = "Resiliency";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
