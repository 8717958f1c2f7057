//! `/v1.0/metadata` and `/v1.0/shutdown` over HTTP. The JSON of metadata is the target's own, not that of its protobuf.

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use service::Body;
use wire::runtime::{self as v1, GetMetadataResponse};

use super::{Routed, respond};
use crate::Api;

pub(super) fn get(api: &Api) -> Response<Body> {
    respond::json(StatusCode::OK, format!("{}\n", document(api.metadata.get())))
}

pub(super) async fn put(api: &Api, request: Routed) -> Response<Body> {
    let key = request.parameter("key").to_owned();
    let body = match service::read_bounded(request.body, api.limits.max_body).await {
        Ok(body) => body,
        Err(error) => return respond::error(&errors::body_read(error.to_string())),
    };
    match api.metadata.put(&key, &String::from_utf8_lossy(&body)) {
        Ok(()) => respond::empty(),
        Err(error) => respond::error(&errors::bad_request(error.to_string())),
    }
}

pub(super) fn shutdown(api: &Api, request: &Routed) -> Response<Body> {
    let force = request.headers.get("dapr-force-shutdown").is_some_and(|value| value == "true");
    crate::shutdown::request(api, force);
    respond::empty()
}

/// Adds a list unless it is empty.
fn list(object: &mut Map<String, Value>, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        object.insert(name.to_owned(), Value::Array(values));
    }
}

/// Adds a text unless it is empty.
fn text(object: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        object.insert(name.to_owned(), Value::from(value));
    }
}

fn named<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Value> {
    names.map(|name| json!({ "name": name })).collect()
}

fn document(answer: GetMetadataResponse) -> Value {
    let mut object = Map::new();
    text(&mut object, "id", &answer.id);
    text(&mut object, "runtimeVersion", &answer.runtime_version);
    list(&mut object, "enabledFeatures", answer.enabled_features.into_iter().map(Value::from).collect());
    list(&mut object, "actors", answer.active_actors_count.iter().map(actor_count).collect());
    list(&mut object, "components", answer.registered_components.iter().map(component).collect());
    if !answer.extended_metadata.is_empty() {
        let sorted: std::collections::BTreeMap<_, _> = answer.extended_metadata.into_iter().collect();
        object.insert("extended".into(), json!(sorted));
    }
    list(&mut object, "subscriptions", answer.subscriptions.iter().map(subscription).collect());
    list(&mut object, "httpEndpoints", named(answer.http_endpoints.iter().map(|endpoint| &endpoint.name)));
    if let Some(app) = answer.app_connection_properties.map(|app| app_connection(&app)).filter(|app| !app.is_empty()) {
        object.insert("appConnectionProperties".into(), Value::Object(app));
    }
    if let Some(actors) = &answer.actor_runtime {
        object.insert("actorRuntime".into(), actor_runtime(actors));
    }
    if let Some(scheduler) = answer.scheduler {
        object.insert("scheduler".into(), json!({ "connected_addresses": scheduler.connected_addresses }));
    }
    if let Some(workers) = answer.workflows.map(|workflows| workflows.connected_workers).filter(|workers| *workers != 0)
    {
        object.insert("workflows".into(), json!({ "connectedWorkers": workers }));
    }
    list(&mut object, "mcpServers", named(answer.mcp_servers.iter().map(|server| &server.name)));
    let policies = answer.workflow_access_policies.iter().map(|policy| &policy.name);
    list(&mut object, "workflowAccessPolicies", named(policies));
    list(&mut object, "resiliencies", named(answer.resiliencies.iter().map(|resiliency| &resiliency.name)));
    Value::Object(object)
}

fn actor_count(count: &v1::ActiveActorsCount) -> Value {
    let mut object = Map::new();
    text(&mut object, "type", &count.r#type);
    if count.count != 0 {
        object.insert("count".into(), Value::from(count.count));
    }
    Value::Object(object)
}

fn component(component: &v1::RegisteredComponents) -> Value {
    let mut object = Map::new();
    text(&mut object, "name", &component.name);
    text(&mut object, "type", &component.r#type);
    text(&mut object, "version", &component.version);
    list(&mut object, "capabilities", component.capabilities.iter().map(|name| Value::from(name.as_str())).collect());
    Value::Object(object)
}

fn subscription(subscription: &v1::PubsubSubscription) -> Value {
    let mut object = Map::new();
    object.insert("pubsubname".into(), Value::from(subscription.pubsub_name.as_str()));
    object.insert("topic".into(), Value::from(subscription.topic.as_str()));
    if !subscription.metadata.is_empty() {
        object.insert("metadata".into(), json!(subscription.metadata));
    }
    let rules = subscription.rules.as_ref().map_or(&[][..], |rules| &rules.rules);
    let rules = rules.iter().map(|rule| {
        let mut object = Map::new();
        text(&mut object, "match", &rule.r#match);
        text(&mut object, "path", &rule.path);
        Value::Object(object)
    });
    list(&mut object, "rules", rules.collect());
    object.insert("deadLetterTopic".into(), Value::from(subscription.dead_letter_topic.as_str()));
    object.insert("type".into(), Value::from(subscription.r#type().as_str_name()));
    Value::Object(object)
}

fn app_connection(app: &v1::AppConnectionProperties) -> Map<String, Value> {
    let mut object = Map::new();
    if app.port != 0 {
        object.insert("port".into(), Value::from(app.port));
    }
    text(&mut object, "protocol", &app.protocol);
    text(&mut object, "channelAddress", &app.channel_address);
    if app.max_concurrency != 0 {
        object.insert("maxConcurrency".into(), Value::from(app.max_concurrency));
    }
    if let Some(health) = &app.health {
        let mut probe = Map::new();
        text(&mut probe, "healthCheckPath", &health.health_check_path);
        text(&mut probe, "healthProbeInterval", &health.health_probe_interval);
        text(&mut probe, "healthProbeTimeout", &health.health_probe_timeout);
        if health.health_threshold != 0 {
            probe.insert("healthThreshold".into(), Value::from(health.health_threshold));
        }
        object.insert("health".into(), Value::Object(probe));
    }
    object
}

fn actor_runtime(actors: &v1::ActorRuntime) -> Value {
    let mut object = Map::new();
    object.insert("runtimeStatus".into(), Value::from(actors.runtime_status().as_str_name()));
    list(&mut object, "activeActors", actors.active_actors.iter().map(actor_count).collect());
    object.insert("hostReady".into(), Value::from(actors.host_ready));
    text(&mut object, "placement", &actors.placement);
    Value::Object(object)
}
