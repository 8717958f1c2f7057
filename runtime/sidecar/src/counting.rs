//! What is counted, as the options and the Configuration say it. Called once, at start.

use resources::Configuration;
use telemetry::Metrics;
use telemetry::metrics::{HttpLabels, InvalidRule, Rules, Settings};

use crate::{Fatal, Options};

const TARGET: &str = "dapr.runtime.diagnostics";

/// The metrics of a sidecar; none where nobody can ask for them.
///
/// # Errors
/// A path pattern that is none.
pub(crate) fn metrics(options: &Options, configuration: &Configuration) -> Result<Metrics, Fatal> {
    let spec = configuration.metric();
    if options.listen.metrics.is_none() || !spec.is_enabled() {
        return Ok(Metrics::off());
    }
    let increased = spec.increased_cardinality().unwrap_or_else(|| {
        tracing::warn!(target: TARGET, "{}", resources::INCREASED_CARDINALITY_WARNING);
        true
    });
    let http = HttpLabels::new(increased, spec.excludes_verbs(), spec.path_matching())
        .map_err(|pattern| Fatal::new(format!("{pattern:?} of spec.metrics.http.pathMatching is no path pattern")))?;
    let namespace = options.namespace.clone();
    let (latency_buckets, error_codes) = (spec.latency_buckets(), spec.records_error_codes());
    let settings = Settings { namespace, latency_buckets, rules: rules(&spec), http, error_codes };
    Ok(Metrics::configured(&options.app_id, settings))
}

/// The rules. One that is none is left out, as in the target, and told.
fn rules(spec: &resources::MetricSpec) -> Rules {
    let mut rules = Rules::default();
    for rule in &spec.rules {
        for label in &rule.labels {
            for (replacement, expression) in &label.regex {
                let added: Result<(), InvalidRule> = rules.add((&rule.name, &label.name), expression, replacement);
                if let Err(invalid) = added {
                    tracing::error!(target: TARGET, "[INIT_FAILURE]: initialization error occurred for metrics: {invalid}");
                }
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use resources::{MetricLabel, MetricSpec, MetricsRule};

    #[test]
    fn a_rule_that_is_none_does_not_take_the_others_with_it() {
        let regex = [("{id}".to_owned(), "[0-9]+".to_owned()), ("x".to_owned(), "(".to_owned())].into();
        let label = MetricLabel { name: "path".into(), regex };
        let rule = MetricsRule { name: "dapr_http_server_request_count".into(), labels: vec![label] };
        let spec = MetricSpec { rules: vec![rule], ..MetricSpec::default() };
        let settings = Settings { rules: rules(&spec), ..Settings::default() };
        let metrics = Metrics::configured("a", settings);
        let values = ["GET", "/orders/7", "200"];
        metrics.counter(&telemetry::metrics::names::HTTP_SERVER_REQUESTS, &values).add(1);
        assert!(metrics.render().contains(r#"path="/orders/{id}""#));
    }
}
