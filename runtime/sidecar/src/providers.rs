//! What the metadata API tells of this sidecar, part by part.

use app::Protocol;
use blocks::metadata::Provider;
use blocks::subscriptions::Subscriptions;
use loaded::LoadedComponents;
use resources::Configuration;
use service::release::{OWN_VERSION, TARGET_VERSION};
use wire::runtime as v1;

use crate::Options;

/// Names of resources that are told and not used yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) resiliencies: Vec<String>,
    pub(crate) workflow_access_policies: Vec<String>,
}

/// Every provider, in the order in which they are asked.
pub(crate) fn all(
    options: &Options,
    configuration: &Configuration,
    components: &LoadedComponents,
    endpoints: Vec<String>,
    names: &Names,
) -> Vec<Provider> {
    vec![
        itself(options, configuration),
        app_connection(options),
        loaded_components(components.clone()),
        resource_names(endpoints, names.clone()),
    ]
}

fn itself(options: &Options, configuration: &Configuration) -> Provider {
    let id = options.app_id.clone();
    let features: Vec<String> = configuration.enabled_features().into_iter().map(str::to_owned).collect();
    Box::new(move |answer| {
        answer.id.clone_from(&id);
        answer.runtime_version = TARGET_VERSION.to_owned();
        answer.enabled_features.clone_from(&features);
        answer.extended_metadata.insert("daprRuntimeVersion".to_owned(), TARGET_VERSION.to_owned());
        answer.extended_metadata.insert("trilbyVersion".to_owned(), OWN_VERSION.to_owned());
        answer.actor_runtime = Some(v1::ActorRuntime {
            runtime_status: v1::actor_runtime::ActorRuntimeStatus::Disabled as i32,
            placement: "placement: disconnected".to_owned(),
            ..v1::ActorRuntime::default()
        });
        answer.workflows = Some(v1::MetadataWorkflows::default());
    })
}

fn app_connection(options: &Options) -> Provider {
    let app = &options.app;
    let is_http = app.protocol.as_str().parse::<Protocol>().is_ok_and(Protocol::is_http);
    let health = app.health.map(|health| v1::AppConnectionHealthProperties {
        health_check_path: if is_http { app.health_path.clone() } else { String::new() },
        health_probe_interval: schedule::format_go_duration(health.interval),
        health_probe_timeout: schedule::format_go_duration(health.timeout),
        health_threshold: i32::try_from(health.threshold).unwrap_or(i32::MAX),
    });
    let connection = v1::AppConnectionProperties {
        port: app.port.map_or(0, i32::from),
        protocol: app.protocol.as_str().to_owned(),
        channel_address: app.host.clone(),
        max_concurrency: app.max_concurrency.map_or(0, |limit| i32::try_from(limit).unwrap_or(i32::MAX)),
        health,
    };
    Box::new(move |answer| answer.app_connection_properties = Some(connection.clone()))
}

fn loaded_components(components: LoadedComponents) -> Provider {
    Box::new(move |answer| {
        let told = components.list().into_iter().map(|info| v1::RegisteredComponents {
            name: info.name,
            r#type: info.component_type,
            version: info.version,
            capabilities: info.capabilities.into_iter().map(str::to_owned).collect(),
        });
        answer.registered_components = told.collect();
    })
}

/// What is subscribed to.
pub(crate) fn subscriptions(subscriptions: Subscriptions) -> Provider {
    Box::new(move |answer| answer.subscriptions = subscriptions.list())
}

fn resource_names(endpoints: Vec<String>, names: Names) -> Provider {
    Box::new(move |answer| {
        answer.http_endpoints = endpoints.iter().map(|name| v1::MetadataHttpEndpoint { name: name.clone() }).collect();
        let resiliency = |name: &String| v1::MetadataResiliency { name: name.clone() };
        answer.resiliencies = names.resiliencies.iter().map(resiliency).collect();
        let policy = |name: &String| v1::MetadataWorkflowAccessPolicy { name: name.clone() };
        answer.workflow_access_policies = names.workflow_access_policies.iter().map(policy).collect();
    })
}
