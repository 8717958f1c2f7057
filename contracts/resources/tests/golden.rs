//! Every field of every kind: each golden document is read into its type and written again without loss.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail the test")]

use resources::{
    Component, Configuration, HttpEndpoint, McpServer, Resiliency, Resource, Subscription, SubscriptionV1,
    WorkflowAccessPolicy, parse_resource,
};
use serde::Serialize;
use serde_json::Value;
use trilby_resources as resources;

fn assert_complete<R: Resource + Serialize>(file: &str) -> R {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let resource: R = parse_resource(&text).unwrap();
    let expected: Value = serde_saphyr::from_str(&text).unwrap();
    let written = serde_json::to_value(&resource).unwrap();
    assert_eq!(written, expected, "{file}");
    let again: R = parse_resource(&written.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), expected, "{file} as JSON");
    resource
}

#[test]
fn components_keep_every_field() {
    let component: Component = assert_complete("component.yaml");
    assert_eq!(component.log_name(), "statestore (state.redis/v1)");
    let texts: Vec<_> = component.spec.metadata.iter().map(resources::NamedValue::text).collect();
    assert_eq!(texts, ["localhost:6379", "6379", "false", "", "", r#"{"flag":true,"list":[1,2.5,null,"x"]}"#]);
}

#[test]
fn subscriptions_keep_every_field() {
    let newer: Subscription = assert_complete("subscription.yaml");
    assert_eq!(newer.spec.routes.rules.len(), 2);
    let older: SubscriptionV1 = assert_complete("subscription-v1.yaml");
    let converted = Subscription::from(older);
    assert_eq!(converted.spec.routes.default, "/orders");
    assert_eq!(converted.spec.bulk_subscribe, newer.spec.bulk_subscribe);
    assert_eq!((converted.name(), converted.scopes.len()), ("older", 1));
}

#[test]
fn http_endpoints_keep_every_field() {
    let mut endpoint: HttpEndpoint = assert_complete("http-endpoint.yaml");
    assert_eq!(endpoint.log_name(), "github (https://api.github.com)");
    assert_eq!(resources::secret_references(&endpoint).len(), 3);
    let missing = resources::apply_secrets(&mut endpoint, &|name: &str, key: &str| Some(format!("{name}/{key}")));
    assert_eq!(missing, []);
    let tls = endpoint.spec.client_tls.unwrap();
    let key = tls.private_key.unwrap().value.unwrap().to_string();
    assert_eq!((key.as_str(), tls.root_ca.unwrap().value.unwrap().to_string().as_str()), ("tls/tls.key", "tls/ca.crt"));
}

#[test]
fn resiliencies_keep_every_field() {
    let resiliency: Resiliency = assert_complete("resiliency.yaml");
    assert_eq!(resiliency.spec.policies.retries["forever"].max_retries, Some(-1));
}

#[test]
fn configurations_keep_every_field() {
    let configuration: Configuration = assert_complete("configuration.yaml");
    let otel = configuration.tracing().otel.unwrap();
    assert_eq!(otel.headers[0].text(), "plain=x");
    assert_eq!(configuration.spec.metric, configuration.spec.metrics);
}

#[test]
fn tool_servers_keep_every_field() {
    let server: McpServer = assert_complete("mcp-server.yaml");
    assert_eq!((server.log_name().as_str(), server.secret_store()), ("tools (https://tools.example.com/mcp)", "vault"));
    assert_eq!(resources::secret_references(&server).len(), 1);
    let message = server.validate(true).unwrap_err().to_string();
    assert!(message.contains("exactly one of streamableHTTP, sse, or stdio must be set"), "{message}");
    assert!(message.contains("stdio transport is not allowed in Kubernetes mode"), "{message}");
}

#[test]
fn workflow_access_policies_keep_every_field() {
    let policy: WorkflowAccessPolicy = assert_complete("workflow-access-policy.yaml");
    policy.validate().unwrap();
}
