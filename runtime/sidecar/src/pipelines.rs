//! The HTTP pipelines of the Configuration: in front of the API, and in front of the app. What they name and is not there is
//! told at start, because the requests it guards are refused.

use loaded::{LoadedComponents, Pipeline, Stage};
use resources::{Configuration, PipelineSpec};

/// The pipelines of a sidecar; `None` where the Configuration names no middleware.
pub(crate) struct Pipelines {
    /// In front of the HTTP API.
    pub(crate) server: Option<Pipeline>,
    /// In front of an HTTP app and of HTTP endpoints.
    pub(crate) app: Option<Pipeline>,
}

/// The pipelines over components that are loaded already.
pub(crate) fn build(configuration: &Configuration, components: &LoadedComponents) -> Pipelines {
    let spec = &configuration.spec;
    Pipelines {
        server: pipeline("server", spec.http_pipeline.as_ref(), components),
        app: pipeline("app", spec.app_http_pipeline.as_ref(), components),
    }
}

fn pipeline(name: &'static str, spec: Option<&PipelineSpec>, components: &LoadedComponents) -> Option<Pipeline> {
    let stage = |handler: &resources::HandlerSpec| Stage {
        name: handler.name.clone(),
        component_type: handler.r#type.clone(),
        version: handler.version.clone(),
    };
    let stages = spec?.handlers.iter().map(stage).collect();
    let pipeline = Pipeline::new(name, stages, components.clone())?;
    tracing::info!(target: "dapr.middleware.http", "Building pipeline {name}");
    for handler in spec?.handlers.iter().filter(|handler| handler.selector.is_some()) {
        tracing::warn!(
            target: "dapr.middleware.http",
            "pipeline {name}: the selector of {} is not read, as in Dapr: the middleware sees every request",
            handler.name
        );
    }
    for (Stage { name: missing, component_type, .. }, guards) in pipeline.missing() {
        if guards {
            tracing::error!(
                target: "dapr.middleware.http",
                "pipeline {name}: the middleware {missing} ({component_type}) is not loaded: requests are refused until it is"
            );
        } else {
            tracing::warn!(
                target: "dapr.middleware.http",
                "pipeline {name}: the middleware {missing} ({component_type}) is not loaded: requests pass without it"
            );
        }
    }
    Some(pipeline)
}
