//! The kind `MCPServer`: a tool server of the Model Context Protocol that workflows call.
//!
//! Read by the loader. It must not connect; what is wrong with one is told by [`McpServer::validate`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::duration_text::DurationText;
use crate::error::Error;
use crate::meta::{ObjectMeta, Resource, unset};
use crate::named_value::{NamedValue, SecretKeyRef};

/// A tool server (`dapr.io/v1alpha1`, kind `MCPServer`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpServer {
    /// Always `dapr.io/v1alpha1`.
    pub api_version: String,
    /// Always `MCPServer`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Endpoint, hooks and description.
    pub spec: McpServerSpec,
    /// App ids that may use it; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// Endpoint, hooks and description of a tool server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpServerSpec {
    /// What people should know about it; not used while running.
    #[serde(skip_serializing_if = "unset")]
    pub catalog: Option<McpCatalog>,
    /// How it is reached.
    pub endpoint: McpEndpoint,
    /// Workflows called around its operations.
    #[serde(skip_serializing_if = "unset")]
    pub middleware: Option<McpMiddleware>,
    /// A failure to set it up does not stop the process.
    #[serde(skip_serializing_if = "unset")]
    pub ignore_errors: bool,
}

/// How a tool server is reached; exactly one way is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpEndpoint {
    /// The streamable HTTP transport.
    #[serde(rename = "streamableHTTP", skip_serializing_if = "unset")]
    pub streamable_http: Option<McpHttp>,
    /// The older transport with server-sent events.
    #[serde(skip_serializing_if = "unset")]
    pub sse: Option<McpHttp>,
    /// A child process, spoken to over its standard streams.
    #[serde(skip_serializing_if = "unset")]
    pub stdio: Option<McpStdio>,
}

/// A tool server behind HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpHttp {
    /// Address with scheme `http` or `https`.
    pub url: String,
    /// Pins a version of the protocol; none means negotiated.
    #[serde(skip_serializing_if = "unset")]
    pub protocol_version: Option<String>,
    /// Longest time of one call; none means 30s.
    #[serde(skip_serializing_if = "unset")]
    pub timeout: Option<DurationText>,
    /// Headers added to every call.
    #[serde(skip_serializing_if = "unset")]
    pub headers: Vec<NamedValue>,
    /// How calls are authorized.
    #[serde(skip_serializing_if = "unset")]
    pub auth: Option<McpAuth>,
}

/// A tool server that is a child process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpStdio {
    /// Program to run.
    pub command: String,
    /// Its arguments.
    #[serde(skip_serializing_if = "unset")]
    pub args: Vec<String>,
    /// Variables added to its environment.
    #[serde(skip_serializing_if = "unset")]
    pub env: Vec<NamedValue>,
}

/// How calls to a tool server are authorized.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpAuth {
    /// Where `secretKeyRef` of the headers is looked up.
    #[serde(skip_serializing_if = "unset")]
    pub secret_store: Option<String>,
    /// OAuth 2 client credentials.
    #[serde(skip_serializing_if = "unset")]
    pub oauth2: Option<McpOauth2>,
    /// A token made from the sidecar's own identity.
    #[serde(skip_serializing_if = "unset")]
    pub spiffe: Option<McpSpiffe>,
}

/// OAuth 2 client credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpOauth2 {
    /// Address of the token endpoint.
    pub issuer: String,
    /// Audience asked for.
    #[serde(skip_serializing_if = "unset")]
    pub audience: Option<String>,
    /// Scopes asked for.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
    /// The client's id.
    #[serde(rename = "clientID", skip_serializing_if = "unset")]
    pub client_id: Option<String>,
    /// Where the client's secret is kept.
    #[serde(skip_serializing_if = "unset")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// A token made from the sidecar's own identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpSpiffe {
    /// Sends a JWT identity document.
    #[serde(skip_serializing_if = "unset")]
    pub jwt: Option<McpSpiffeJwt>,
}

/// How a JWT identity document is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpSpiffeJwt {
    /// Header that carries it.
    pub header: String,
    /// Put before the token, for example `Bearer `.
    #[serde(skip_serializing_if = "unset")]
    pub header_value_prefix: Option<String>,
    /// Audience of the token.
    pub audience: String,
}

/// Workflows called around the operations, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpMiddleware {
    /// Before each tool call.
    #[serde(skip_serializing_if = "unset")]
    pub before_call_tool: Vec<McpMutatingHook>,
    /// After each tool call.
    #[serde(skip_serializing_if = "unset")]
    pub after_call_tool: Vec<McpMutatingHook>,
    /// Before each listing.
    #[serde(skip_serializing_if = "unset")]
    pub before_list_tools: Vec<McpHook>,
    /// After each listing.
    #[serde(skip_serializing_if = "unset")]
    pub after_list_tools: Vec<McpMutatingHook>,
}

/// A workflow that may refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpHook {
    /// The workflow.
    pub workflow: McpHookWorkflow,
}

/// A workflow that may refuse, or replace what passes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpMutatingHook {
    /// The workflow.
    pub workflow: McpHookWorkflow,
    /// Whether its result replaces what passes; none means it does not.
    #[serde(skip_serializing_if = "unset")]
    pub mutate: Option<bool>,
}

/// The workflow of a hook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpHookWorkflow {
    /// Its name.
    pub workflow_name: String,
    /// App it runs on; none means this one.
    #[serde(rename = "appID", skip_serializing_if = "unset")]
    pub app_id: Option<String>,
}

/// What people should know about a tool server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpCatalog {
    /// Name to show.
    #[serde(skip_serializing_if = "unset")]
    pub display_name: Option<String>,
    /// What it does.
    #[serde(skip_serializing_if = "unset")]
    pub description: Option<String>,
    /// Who runs it.
    #[serde(skip_serializing_if = "unset")]
    pub owner: Option<McpOwner>,
    /// Free labels.
    #[serde(skip_serializing_if = "unset")]
    pub tags: Vec<String>,
    /// Named addresses, for example of a runbook.
    #[serde(skip_serializing_if = "unset")]
    pub links: BTreeMap<String, String>,
}

/// Who runs a tool server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpOwner {
    /// Name of the team.
    #[serde(skip_serializing_if = "unset")]
    pub team: Option<String>,
    /// How to reach it.
    #[serde(skip_serializing_if = "unset")]
    pub contact: Option<String>,
}

impl McpServer {
    /// Checks the rules that the schema of the kind and the target's security check add to the types.
    ///
    /// Whether `stdio.command` leaves the working folder depends on the disk and is checked where the process is started.
    ///
    /// # Errors
    /// Names every field that breaks a rule.
    pub fn validate(&self, kubernetes_mode: bool) -> Result<(), Error> {
        let mut reasons = Vec::new();
        let endpoint = &self.spec.endpoint;
        let ways = [endpoint.streamable_http.is_some(), endpoint.sse.is_some(), endpoint.stdio.is_some()];
        if ways.into_iter().filter(|set| *set).count() != 1 {
            reasons.push("spec.endpoint: exactly one of streamableHTTP, sse, or stdio must be set".to_owned());
        }
        for (name, http) in [("streamableHTTP", &endpoint.streamable_http), ("sse", &endpoint.sse)] {
            if let Some(http) = http {
                http.check(name, &mut reasons);
            }
        }
        if let Some(stdio) = &endpoint.stdio {
            stdio.check(kubernetes_mode, &mut reasons);
        }
        for (path, hook) in self.spec.middleware.iter().flat_map(McpMiddleware::hooks) {
            require(&format!("spec.middleware.{path}.workflow.workflowName"), &hook.workflow_name, &mut reasons);
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid { kind: Self::KIND, name: self.metadata.name.clone(), reasons })
    }
}

impl McpHttp {
    fn check(&self, way: &str, reasons: &mut Vec<String>) {
        let path = format!("spec.endpoint.{way}");
        match self.url.split_once("://") {
            _ if self.url.is_empty() => reasons.push(format!("{path}.url: must not be empty")),
            Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                if rest.split(['/', '?', '#']).next().unwrap_or_default().is_empty() {
                    reasons.push(format!("{path}.url: must have a host"));
                }
            }
            _ => reasons.push(format!("{path}.url: scheme must be http or https, got {:?}", self.url)),
        }
        let Some(auth) = &self.auth else { return };
        if let Some(oauth2) = &auth.oauth2 {
            require(&format!("{path}.auth.oauth2.issuer"), &oauth2.issuer, reasons);
        }
        if let Some(jwt) = auth.spiffe.as_ref().and_then(|spiffe| spiffe.jwt.as_ref()) {
            require(&format!("{path}.auth.spiffe.jwt.header"), &jwt.header, reasons);
            require(&format!("{path}.auth.spiffe.jwt.audience"), &jwt.audience, reasons);
        }
    }
}

impl McpStdio {
    fn check(&self, kubernetes_mode: bool, reasons: &mut Vec<String>) {
        if kubernetes_mode {
            reasons.push("spec.endpoint.stdio: stdio transport is not allowed in Kubernetes mode".to_owned());
        }
        require("spec.endpoint.stdio.command", &self.command, reasons);
        for variable in &self.env {
            if variable.name.contains(['=', '\n', '\0']) {
                reasons.push(format!("spec.endpoint.stdio.env: name {:?} contains invalid characters", variable.name));
            }
        }
    }
}

impl McpMiddleware {
    /// Every hook with its path below `spec.middleware`.
    fn hooks(&self) -> Vec<(String, &McpHookWorkflow)> {
        let mutating = [
            ("beforeCallTool", &self.before_call_tool),
            ("afterCallTool", &self.after_call_tool),
            ("afterListTools", &self.after_list_tools),
        ];
        let mut hooks = Vec::new();
        for (name, list) in mutating {
            hooks.extend(list.iter().enumerate().map(|(index, hook)| (format!("{name}[{index}]"), &hook.workflow)));
        }
        let before = self.before_list_tools.iter().enumerate();
        hooks.extend(before.map(|(index, hook)| (format!("beforeListTools[{index}]"), &hook.workflow)));
        hooks
    }
}

fn require(path: &str, value: &str, reasons: &mut Vec<String>) {
    if value.is_empty() {
        reasons.push(format!("{path}: must not be empty"));
    }
}

impl Resource for McpServer {
    const KIND: &'static str = "MCPServer";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }

    fn log_name(&self) -> String {
        let endpoint = &self.spec.endpoint;
        match endpoint.streamable_http.as_ref().or(endpoint.sse.as_ref()) {
            Some(http) => format!("{} ({})", self.metadata.name, http.url),
            None => self.metadata.name.clone(),
        }
    }

    fn secret_store(&self) -> &str {
        let endpoint = &self.spec.endpoint;
        let auth = endpoint.streamable_http.as_ref().or(endpoint.sse.as_ref()).and_then(|http| http.auth.as_ref());
        auth.and_then(|auth| auth.secret_store.as_deref()).unwrap_or_default()
    }

    /// The headers and the child's variables. The secret of OAuth 2 is not among them: it is read when a call is made,
    /// so that it can change.
    fn named_values(&self) -> Vec<&NamedValue> {
        let McpEndpoint { streamable_http, sse, stdio } = &self.spec.endpoint;
        let headers = streamable_http.as_ref().or(sse.as_ref()).map_or(&[][..], |http| &http.headers);
        headers.iter().chain(stdio.iter().flat_map(|stdio| &stdio.env)).collect()
    }

    fn named_values_mut(&mut self) -> Vec<&mut NamedValue> {
        let McpEndpoint { streamable_http, sse, stdio } = &mut self.spec.endpoint;
        let headers = streamable_http.as_mut().or(sse.as_mut()).map_or(&mut [][..], |http| &mut http.headers);
        headers.iter_mut().chain(stdio.iter_mut().flat_map(|stdio| &mut stdio.env)).collect()
    }
}
