//! The resources of the target (Component, Configuration, Subscription, ...) as types, and how they are read from files.
//!
//! One file per kind. Nothing here starts, connects or logs anything; variables and secrets come through functions.

mod component;
mod configuration;
mod decode;
mod document;
mod duration_text;
mod error;
mod http_endpoint;
mod load;
mod mcp_server;
mod meta;
mod named_value;
mod node;
mod properties;
mod references;
mod resiliency;
mod scalar;
mod subscription;
mod survey;
mod workflow_access_policy;
pub mod yaml;

pub use component::{Auth, Category, Component, ComponentSpec, is_initial_version};
pub use configuration::*;
pub use duration_text::DurationText;
pub use error::{Duplicate, Error, Place, Problem};
pub use http_endpoint::{ClientTls, HttpEndpoint, HttpEndpointSpec, TlsDocument};
pub use load::{
    LARGEST_FILE, Loaded, Origin, ResourceFile, Selection, Warning, is_yaml_name, load_files, load_folders,
    parse_resource,
};
pub use mcp_server::{
    McpAuth, McpCatalog, McpEndpoint, McpHook, McpHookWorkflow, McpHttp, McpMiddleware, McpMutatingHook, McpOauth2,
    McpOwner, McpServer, McpServerSpec, McpSpiffe, McpSpiffeJwt, McpStdio,
};
pub use meta::{ObjectMeta, Resource, log_name};
pub use named_value::{DynamicValue, NamedValue, SecretKeyRef};
pub use properties::{
    Placeholders, STRICT_SANDBOX, contains_namespace, fill_placeholders, force_strict_sandbox, properties,
};
pub use references::{
    ENVIRONMENT_KEYS, KUBERNETES_SECRET_STORE, SecretLookup, apply_secrets, is_variable_allowed, resolve_environment,
    secret_references, secret_store_of,
};
pub use resiliency::{
    ActorPolicies, CircuitBreaker, ComponentPolicies, EndpointPolicies, Policies, PolicyNames, Resiliency,
    ResiliencySpec, Retry, RetryMatching, Targets,
};
pub use subscription::{
    BulkSubscribe, Routes, Rule, Subscription, SubscriptionSpec, SubscriptionSpecV1, SubscriptionV1,
};
pub use survey::{Found, RESOURCE_KINDS, Step, Stranger, Survey, survey};
pub use workflow_access_policy::{
    ActivityRule, REQUIRED_EVENTS, RequiredEvent, WORKFLOW_OPERATIONS, WorkflowAccessPolicy, WorkflowAccessPolicySpec,
    WorkflowAccessRule, WorkflowCaller, WorkflowRule,
};
