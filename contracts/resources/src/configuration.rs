//! The kind `Configuration`: settings of a whole sidecar. This file holds its shape; what the settings mean is asked
//! through the methods in the files of the folder `configuration`.
//!
//! One shape serves both forms of the target: the standalone file and the Kubernetes resource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration_text::DurationText;
use crate::meta::{ObjectMeta, Resource, unset};

mod access;
mod features;
mod metrics;
mod standalone;
mod tracing;

pub use access::ApiProtocol;
pub use features::feature;
pub use metrics::{DEFAULT_LATENCY_BUCKETS, INCREASED_CARDINALITY_WARNING};
pub use standalone::{load_configuration, merge_configuration};
mod expand;
pub use tracing::{OtelHeader, OtelSpec, TracingSpec, ZipkinSpec};

/// Settings of a sidecar (`dapr.io/v1alpha1`, kind `Configuration`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    /// `dapr.io/v1alpha1`; not checked in standalone files.
    #[serde(skip_serializing_if = "unset")]
    pub api_version: String,
    /// `Configuration`; not checked in standalone files.
    #[serde(skip_serializing_if = "unset")]
    pub kind: String,
    /// Name, namespace, labels.
    #[serde(skip_serializing_if = "unset")]
    pub metadata: ObjectMeta,
    /// The settings.
    pub spec: ConfigurationSpec,
}

/// The settings, section by section; an absent section means its defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigurationSpec {
    /// Middleware for calls to the sidecar's HTTP API.
    #[serde(skip_serializing_if = "unset")]
    pub http_pipeline: Option<PipelineSpec>,
    /// Middleware for calls from the sidecar to the app.
    #[serde(skip_serializing_if = "unset")]
    pub app_http_pipeline: Option<PipelineSpec>,
    /// Tracing.
    #[serde(skip_serializing_if = "unset")]
    pub tracing: Option<TracingSpec>,
    /// Certificates; read by the certificate authority.
    #[serde(skip_serializing_if = "unset")]
    pub mtls: Option<MtlsSpec>,
    /// Metrics; `metrics` wins over it field by field.
    #[serde(skip_serializing_if = "unset")]
    pub metric: Option<MetricSpec>,
    /// Metrics, under the name that wins.
    #[serde(skip_serializing_if = "unset")]
    pub metrics: Option<MetricSpec>,
    /// Which secrets the app may read.
    #[serde(skip_serializing_if = "unset")]
    pub secrets: Option<SecretsSpec>,
    /// Which apps may call this one.
    #[serde(skip_serializing_if = "unset")]
    pub access_control: Option<AccessControlSpec>,
    /// How apps find each other.
    #[serde(skip_serializing_if = "unset")]
    pub name_resolution: Option<NameResolutionSpec>,
    /// Features switched on or off.
    #[serde(skip_serializing_if = "unset")]
    pub features: Vec<FeatureSpec>,
    /// Which APIs the app may use.
    #[serde(skip_serializing_if = "unset")]
    pub api: Option<ApiSpec>,
    /// Which component types are refused.
    #[serde(skip_serializing_if = "unset")]
    pub components: Option<ComponentsSpec>,
    /// Logging.
    #[serde(skip_serializing_if = "unset")]
    pub logging: Option<LoggingSpec>,
    /// WebAssembly components.
    #[serde(skip_serializing_if = "unset")]
    pub wasm: Option<WasmSpec>,
    /// Workflows.
    #[serde(skip_serializing_if = "unset")]
    pub workflow: Option<WorkflowSpec>,
}

/// A chain of middleware.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineSpec {
    /// In the order in which they see a request.
    pub handlers: Vec<HandlerSpec>,
}

/// One middleware component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HandlerSpec {
    /// Name of the component.
    pub name: String,
    /// Its type, for example `middleware.http.uppercase`.
    pub r#type: String,
    /// Its version; empty means `v1`.
    #[serde(skip_serializing_if = "unset")]
    pub version: String,
    /// Which requests it sees.
    #[serde(skip_serializing_if = "unset")]
    pub selector: Option<SelectorSpec>,
}

/// Which requests a middleware sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectorSpec {
    /// All must match.
    pub fields: Vec<SelectorField>,
}

/// One condition of a selector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectorField {
    /// Name of the field.
    pub field: String,
    /// Its value.
    pub value: String,
}

/// Certificates between sidecars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MtlsSpec {
    /// Whether sidecars prove who they are.
    #[serde(skip_serializing_if = "unset")]
    pub enabled: Option<bool>,
    /// Lifetime of a workload certificate, a Go duration; empty means 24h.
    #[serde(rename = "workloadCertTTL", skip_serializing_if = "unset")]
    pub workload_cert_ttl: String,
    /// Tolerated difference of clocks, a Go duration; empty means 15m.
    #[serde(skip_serializing_if = "unset")]
    pub allowed_clock_skew: String,
    /// Address of the certificate authority.
    #[serde(skip_serializing_if = "unset")]
    pub sentry_address: String,
    /// Trust domain of the control plane.
    #[serde(skip_serializing_if = "unset")]
    pub control_plane_trust_domain: String,
    /// Validators beside the built-in one.
    #[serde(skip_serializing_if = "unset")]
    pub token_validators: Vec<ValidatorSpec>,
}

/// A validator of identity tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidatorSpec {
    /// Its name, for example `jwks`.
    pub name: String,
    /// Its settings.
    #[serde(skip_serializing_if = "unset")]
    pub options: Option<Value>,
}

/// Metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricSpec {
    /// None means true.
    #[serde(skip_serializing_if = "unset")]
    pub enabled: Option<bool>,
    /// Counts answers by error code; none means false.
    #[serde(skip_serializing_if = "unset")]
    pub record_error_codes: Option<bool>,
    /// Metrics of the HTTP server.
    #[serde(skip_serializing_if = "unset")]
    pub http: Option<MetricHttp>,
    /// Upper bounds of latency histograms in milliseconds; none or empty means the built-in ones.
    #[serde(skip_serializing_if = "unset")]
    pub latency_distribution_buckets: Option<Vec<i64>>,
    /// Metrics of workflows.
    #[serde(skip_serializing_if = "unset")]
    pub workflow: Option<WorkflowMetrics>,
    /// Rewrites of labels.
    #[serde(skip_serializing_if = "unset")]
    pub rules: Vec<MetricsRule>,
}

/// Metrics of the HTTP server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricHttp {
    /// Path and method as labels; none means true.
    #[serde(skip_serializing_if = "unset")]
    pub increased_cardinality: Option<bool>,
    /// Paths that get a label value of their own.
    #[serde(skip_serializing_if = "unset")]
    pub path_matching: Vec<String>,
    /// Leaves the method out; none means false.
    #[serde(skip_serializing_if = "unset")]
    pub exclude_verbs: Option<bool>,
}

/// Metrics of workflows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowMetrics {
    /// Upper bounds; none or empty means the shared ones.
    #[serde(skip_serializing_if = "unset")]
    pub latency_distribution_buckets: Option<Vec<i64>>,
    /// What one step of the bounds is worth; none means 1ms.
    #[serde(skip_serializing_if = "unset")]
    pub latency_distribution_units: Option<DurationText>,
}

/// Rewrites of the labels of one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsRule {
    /// Name of the metric.
    pub name: String,
    /// The labels.
    pub labels: Vec<MetricLabel>,
}

/// Rewrites of one label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricLabel {
    /// Name of the label.
    pub name: String,
    /// New value by the expression that matches the old one.
    pub regex: BTreeMap<String, String>,
}

/// Which secrets the app may read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretsSpec {
    /// One per store.
    pub scopes: Vec<SecretsScope>,
}

/// Which secrets of a store the app may read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretsScope {
    /// Name of the secret store.
    pub store_name: String,
    /// `allow` (also when empty) or `deny`.
    #[serde(skip_serializing_if = "unset")]
    pub default_access: String,
    /// When not empty, only these.
    #[serde(skip_serializing_if = "unset")]
    pub allowed_secrets: Vec<String>,
    /// Never these.
    #[serde(skip_serializing_if = "unset")]
    pub denied_secrets: Vec<String>,
}

/// Which apps may call this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessControlSpec {
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "unset")]
    pub default_action: String,
    /// Trust domain of this app; empty means `public`.
    #[serde(skip_serializing_if = "unset")]
    pub trust_domain: String,
    /// One per calling app.
    #[serde(skip_serializing_if = "unset")]
    pub policies: Vec<AppPolicySpec>,
}

/// What one app may call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppPolicySpec {
    /// The calling app.
    pub app_id: String,
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "unset")]
    pub default_action: String,
    /// Its trust domain.
    #[serde(skip_serializing_if = "unset")]
    pub trust_domain: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "unset")]
    pub namespace: String,
    /// Exceptions from the default action.
    #[serde(skip_serializing_if = "unset")]
    pub operations: Vec<AppOperation>,
}

/// One operation of this app.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppOperation {
    /// Path, with `*` at its end for all below.
    pub name: String,
    /// HTTP methods; `*` means all.
    #[serde(skip_serializing_if = "unset")]
    pub http_verb: Vec<String>,
    /// `allow` or `deny`.
    pub action: String,
}

/// How apps find each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NameResolutionSpec {
    /// Name of the resolver; empty means `mdns`, or `kubernetes` in Kubernetes mode.
    pub component: String,
    /// Its version; empty means `v1`.
    pub version: String,
    /// Its settings.
    #[serde(skip_serializing_if = "unset")]
    pub configuration: Option<Value>,
}

/// A feature switched on or off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureSpec {
    /// Its name.
    pub name: String,
    /// On or off.
    pub enabled: bool,
}

/// Which APIs the app may use; what is denied is checked first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiSpec {
    /// When it names a protocol, only these of that protocol.
    #[serde(skip_serializing_if = "unset")]
    pub allowed: Vec<ApiAccessRule>,
    /// Never these.
    #[serde(skip_serializing_if = "unset")]
    pub denied: Vec<ApiAccessRule>,
}

/// One API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiAccessRule {
    /// For example `state`.
    pub name: String,
    /// For example `v1.0`.
    pub version: String,
    /// `http` or `grpc`, in any case.
    #[serde(skip_serializing_if = "unset")]
    pub protocol: String,
}

/// Which component types are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentsSpec {
    /// `type` or `type/version`.
    #[serde(skip_serializing_if = "unset")]
    pub deny: Vec<String>,
}

/// Logging.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoggingSpec {
    /// One line per API call.
    #[serde(skip_serializing_if = "unset")]
    pub api_logging: Option<ApiLoggingSpec>,
}

/// One line per API call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiLoggingSpec {
    /// On; the flag `enable-api-logging` wins over it.
    #[serde(skip_serializing_if = "unset")]
    pub enabled: bool,
    /// Logs the route instead of the path.
    #[serde(rename = "obfuscateURLs", skip_serializing_if = "unset")]
    pub obfuscate_urls: bool,
    /// Leaves health checks out.
    #[serde(skip_serializing_if = "unset")]
    pub omit_health_checks: bool,
}

/// WebAssembly components.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WasmSpec {
    /// All of them run without clocks and random numbers.
    #[serde(skip_serializing_if = "unset")]
    pub strict_sandbox: bool,
}

/// Workflows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowSpec {
    /// Per sidecar; 0 means no limit.
    #[serde(skip_serializing_if = "unset")]
    pub max_concurrent_workflow_invocations: i32,
    /// Per sidecar; 0 means no limit.
    #[serde(skip_serializing_if = "unset")]
    pub max_concurrent_activity_invocations: i32,
    /// Of all replicas together; none means no limit.
    #[serde(skip_serializing_if = "unset")]
    pub global_max_concurrent_workflow_invocations: Option<i32>,
    /// Of all replicas together; none means no limit.
    #[serde(skip_serializing_if = "unset")]
    pub global_max_concurrent_activity_invocations: Option<i32>,
    /// By workflow name, of all replicas together.
    #[serde(skip_serializing_if = "unset")]
    pub workflow_concurrency_limits: Vec<ConcurrencyLimit>,
    /// By activity name, of all replicas together.
    #[serde(skip_serializing_if = "unset")]
    pub activity_concurrency_limits: Vec<ConcurrencyLimit>,
    /// When the state of ended workflows is removed; none means never.
    #[serde(skip_serializing_if = "unset")]
    pub state_retention_policy: Option<RetentionPolicy>,
}

/// A limit for one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConcurrencyLimit {
    /// The name.
    #[serde(skip_serializing_if = "unset")]
    pub name: Option<String>,
    /// How many at once.
    #[serde(skip_serializing_if = "unset")]
    pub max_concurrent: Option<i32>,
}

/// How long the state of an ended workflow is kept; the specific ones win over `anyTerminal`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetentionPolicy {
    /// However it ended.
    #[serde(skip_serializing_if = "unset")]
    pub any_terminal: Option<DurationText>,
    /// When it completed.
    #[serde(skip_serializing_if = "unset")]
    pub completed: Option<DurationText>,
    /// When it failed.
    #[serde(skip_serializing_if = "unset")]
    pub failed: Option<DurationText>,
    /// When it was terminated.
    #[serde(skip_serializing_if = "unset")]
    pub terminated: Option<DurationText>,
}

impl Resource for Configuration {
    const KIND: &'static str = "Configuration";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    /// A Configuration has no scopes: it is named by the sidecar that uses it.
    fn scopes(&self) -> &[String] {
        &[]
    }
}
