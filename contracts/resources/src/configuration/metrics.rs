//! What a Configuration says about metrics.
//!
//! Called by telemetry while the process starts. It must not create a metric.

use super::{Configuration, MetricSpec};

/// Upper bounds of latency histograms in milliseconds when a Configuration names none.
pub const DEFAULT_LATENCY_BUCKETS: [f64; 34] = [
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0, 130.0, 160.0,
    200.0, 250.0, 300.0, 400.0, 500.0, 650.0, 800.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0,
    100_000.0,
];

/// The warning of the target when a Configuration leaves the cardinality open.
pub const INCREASED_CARDINALITY_WARNING: &str =
    "The default value for 'spec.metric.http.increasedCardinality' will change to 'false' in Dapr 1.15 or later";

impl Configuration {
    /// The metrics section in force.
    pub fn metric(&self) -> MetricSpec {
        self.spec.metric.clone().unwrap_or_default()
    }

    /// Moves `spec.metrics` over `spec.metric`, field by field.
    pub(super) fn merge_metrics(&mut self) {
        let Some(second) = self.spec.metrics.clone() else { return };
        let first = self.spec.metric.get_or_insert_default();
        first.enabled = second.enabled.or(first.enabled);
        first.record_error_codes = second.record_error_codes.or(first.record_error_codes);
        first.http = second.http.or(first.http.take());
        first.workflow = second.workflow.or(first.workflow.take());
        let buckets = first.latency_distribution_buckets.take();
        first.latency_distribution_buckets = second.latency_distribution_buckets.or(buckets);
        if !second.rules.is_empty() {
            first.rules = second.rules;
        }
    }
}

impl MetricSpec {
    /// Whether metrics are kept and served; on unless switched off.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Whether answers are counted by error code.
    pub fn records_error_codes(&self) -> bool {
        self.record_error_codes.unwrap_or(false)
    }

    /// Whether paths and methods are labels. None: not said, which means yes with [`INCREASED_CARDINALITY_WARNING`].
    pub fn increased_cardinality(&self) -> Option<bool> {
        self.http.as_ref().and_then(|http| http.increased_cardinality)
    }

    /// Paths that get a label value of their own.
    pub fn path_matching(&self) -> &[String] {
        self.http.as_ref().map_or(&[], |http| &http.path_matching)
    }

    /// Whether the HTTP method is left out of labels.
    pub fn excludes_verbs(&self) -> bool {
        self.http.as_ref().and_then(|http| http.exclude_verbs).unwrap_or(false)
    }

    /// Upper bounds of latency histograms in milliseconds.
    pub fn latency_buckets(&self) -> Vec<f64> {
        match &self.latency_distribution_buckets {
            Some(own) if !own.is_empty() => own.iter().map(|bound| to_float(*bound)).collect(),
            _ => DEFAULT_LATENCY_BUCKETS.to_vec(),
        }
    }

    /// Upper bounds of the workflow histograms in milliseconds; `unit_in_milliseconds` is what
    /// `workflow.latencyDistributionUnits` is worth (1 when it is absent or not positive). None means the shared bounds.
    pub fn workflow_latency_buckets(&self, unit_in_milliseconds: f64) -> Option<Vec<f64>> {
        let own = self.workflow.as_ref()?.latency_distribution_buckets.as_ref().filter(|own| !own.is_empty())?;
        Some(own.iter().map(|bound| to_float(*bound) * unit_in_milliseconds).collect())
    }
}

fn to_float(bound: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "bounds of histograms are far below 2^53")]
    let float = bound as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{MetricHttp, WorkflowMetrics};

    #[test]
    fn the_second_section_wins_field_by_field() {
        let mut configuration = Configuration::default();
        let http = MetricHttp { increased_cardinality: Some(false), ..MetricHttp::default() };
        configuration.spec.metric = Some(MetricSpec { enabled: Some(true), http: Some(http), ..MetricSpec::default() });
        let second = MetricSpec {
            enabled: Some(false),
            latency_distribution_buckets: Some(vec![1, 2]),
            ..MetricSpec::default()
        };
        configuration.spec.metrics = Some(second);
        configuration.merge_metrics();
        let metric = configuration.metric();
        assert!(!metric.is_enabled());
        assert_eq!(metric.increased_cardinality(), Some(false));
        assert_eq!(metric.latency_buckets(), [1.0, 2.0]);
        assert!(!metric.records_error_codes());
    }

    #[test]
    fn absent_sections_mean_the_defaults() {
        let mut configuration = Configuration::default();
        configuration.merge_metrics();
        let metric = configuration.metric();
        assert!(metric.is_enabled());
        assert_eq!(metric.increased_cardinality(), None);
        assert_eq!(metric.latency_buckets(), DEFAULT_LATENCY_BUCKETS);
        assert_eq!(metric.workflow_latency_buckets(1.0), None);
        assert_eq!((metric.path_matching().len(), metric.excludes_verbs()), (0, false));
    }

    #[test]
    fn bounds_of_workflows_are_scaled() {
        let workflow = WorkflowMetrics { latency_distribution_buckets: Some(vec![1, 5]), ..WorkflowMetrics::default() };
        let metric = MetricSpec { workflow: Some(workflow), ..MetricSpec::default() };
        assert_eq!(metric.workflow_latency_buckets(1000.0), Some(vec![1000.0, 5000.0]));
    }
}
