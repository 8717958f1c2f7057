//! What the Configuration says, in the terms of the parts that follow it. What it asks for and this build cannot do is told
//! in one line each.

use std::collections::{BTreeSet, HashMap};

use blocks::secrets::Scope;
use front::{Access, ApiLog, Rule};
use resources::Configuration;
use service::Environment;
use telemetry::Tracing;

use crate::{Fatal, Options};

/// Reads and merges the Configuration files, and fills in what variables say.
pub(crate) fn load(options: &Options, environment: &Environment) -> Result<Configuration, Fatal> {
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let mut configuration = if options.configurations.is_empty() {
        Configuration::built_in()
    } else {
        resources::load_configuration(&options.configurations, &variable)
            .map_err(|error| Fatal::new(format!("error loading configuration: {error}")))?
    };
    configuration.fill_tracing(&variable).map_err(|error| Fatal::new(error.to_string()))?;
    Ok(configuration)
}

/// The namespace of topics and of the placeholder `{namespace}`: the target's, which a sidecar outside of a cluster has too.
pub(crate) fn namespace(environment: &Environment) -> &str {
    environment.get("NAMESPACE").unwrap_or("default")
}

/// What the Configuration asks for and this build leaves out, one line each.
pub(crate) fn notices(configuration: &Configuration) -> Vec<String> {
    let mut notices = Vec::new();
    let tracing = configuration.tracing();
    let exports = tracing.stdout
        || tracing.zipkin.as_ref().is_some_and(|zipkin| !zipkin.endpoint_address.is_empty())
        || tracing.otel.as_ref().is_some_and(|otel| !otel.endpoint_address.is_empty());
    if exports {
        notices.push("Trace context is passed on, but spans are not exported in this build yet".to_owned());
    }
    notices
}

pub(crate) fn tracing(configuration: &Configuration) -> Tracing {
    let tracing = configuration.tracing();
    let exports = tracing.stdout
        || tracing.zipkin.as_ref().is_some_and(|zipkin| !zipkin.endpoint_address.is_empty())
        || tracing.otel.as_ref().is_some_and(|otel| !otel.endpoint_address.is_empty());
    Tracing::from_settings(&tracing.sampling_rate, exports)
}

pub(crate) fn access(configuration: &Configuration) -> Access {
    let rules = |rules: &[resources::ApiAccessRule]| {
        let rule = |rule: &resources::ApiAccessRule| Rule {
            name: rule.name.clone(),
            version: rule.version.clone(),
            protocol: rule.protocol.clone(),
        };
        rules.iter().map(rule).collect()
    };
    match &configuration.spec.api {
        Some(api) => Access { allowed: rules(&api.allowed), denied: rules(&api.denied) },
        None => Access::default(),
    }
}

pub(crate) fn api_log(options: &Options, configuration: &Configuration) -> ApiLog {
    let logging = configuration.api_logging();
    ApiLog {
        enabled: options.log.api_calls.unwrap_or(logging.enabled),
        obfuscate_urls: logging.obfuscate_urls,
        omit_health_checks: logging.omit_health_checks,
    }
}

pub(crate) fn secret_scopes(configuration: &Configuration) -> HashMap<String, Scope> {
    let scopes = configuration.spec.secrets.as_ref().map_or(&[][..], |secrets| &secrets.scopes);
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
    let scope = |scope: &resources::SecretsScope| {
        let converted = Scope {
            deny_by_default: scope.default_access.eq_ignore_ascii_case("deny"),
            allowed: set(&scope.allowed_secrets),
            denied: set(&scope.denied_secrets),
        };
        (scope.store_name.clone(), converted)
    };
    scopes.iter().map(scope).collect()
}
