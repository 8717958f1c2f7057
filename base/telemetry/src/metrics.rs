//! The metrics of one role: families by name, handles that are resolved once, and the text of a scrape.
//! Called by whatever counts. There is no global registry, and nothing runs between scrapes.

pub mod names;
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use names::{Family, Kind};

/// Samples of histograms are folded into their buckets after this many, so that memory is bounded without scrapes.
const FOLD_AFTER: u32 = 4096;
const METADATA: Metadata<'static> = Metadata::new("dapr", Level::INFO, None);

/// A number that grows. Cloning gives the same number.
#[derive(Clone)]
pub struct Counter(metrics::Counter);

impl Counter {
    /// Adds.
    pub fn add(&self, amount: u64) {
        self.0.increment(amount);
    }
}

/// A number that changes. Cloning gives the same number.
#[derive(Clone)]
pub struct Gauge(metrics::Gauge);

impl Gauge {
    /// Sets.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Adds; negative values subtract.
    pub fn add(&self, value: f64) {
        self.0.increment(value);
    }
}

/// A distribution over fixed buckets. Cloning gives the same distribution.
#[derive(Clone)]
pub struct Histogram {
    samples: metrics::Histogram,
    inner: Arc<Inner>,
}

impl Histogram {
    /// Records one value, in the unit of the family.
    pub fn record(&self, value: f64) {
        self.samples.record(value);
        if self.inner.unfolded.fetch_add(1, Ordering::Relaxed) >= FOLD_AFTER {
            self.inner.unfolded.store(0, Ordering::Relaxed);
            self.inner.handle.run_upkeep();
        }
    }
}

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    app_id: String,
    unfolded: AtomicU32,
}

/// The registry of a role. A clone is the same registry.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

impl Metrics {
    /// An empty registry. `app_id` is the value of the label of that name in every family that has it.
    /// `latency_buckets`, in milliseconds, replace those of the latency families when not empty.
    #[must_use]
    pub fn new(app_id: &str, latency_buckets: &[f64]) -> Self {
        let mut builder = PrometheusBuilder::new();
        for family in names::ALL {
            let buckets = match family.kind {
                Kind::Counter | Kind::Gauge => continue,
                Kind::Latency if !latency_buckets.is_empty() => latency_buckets,
                Kind::Latency => names::LATENCY_BUCKETS,
                Kind::Size => names::SIZE_BUCKETS,
            };
            let matcher = Matcher::Full(family.name.to_owned());
            // The only error is an empty list, and none is empty here.
            builder = builder.set_buckets_for_metric(matcher, buckets).unwrap_or_else(|_| PrometheusBuilder::new());
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        for family in names::ALL {
            let (name, help) = (family.name.into(), family.help.into());
            match family.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Latency | Kind::Size => recorder.describe_histogram(name, None, help),
            }
        }
        let inner = Inner { recorder, handle, app_id: app_id.to_owned(), unfolded: AtomicU32::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// The counter of a family with these values, in the order of its labels without `app_id`; missing ones are empty.
    #[must_use]
    pub fn counter(&self, family: &Family, values: &[&str]) -> Counter {
        Counter(self.inner.recorder.register_counter(&self.key(family, values), &METADATA))
    }

    /// The gauge of a family; values as in [`Metrics::counter`].
    #[must_use]
    pub fn gauge(&self, family: &Family, values: &[&str]) -> Gauge {
        Gauge(self.inner.recorder.register_gauge(&self.key(family, values), &METADATA))
    }

    /// The distribution of a family; values as in [`Metrics::counter`].
    #[must_use]
    pub fn histogram(&self, family: &Family, values: &[&str]) -> Histogram {
        let samples = self.inner.recorder.register_histogram(&self.key(family, values), &METADATA);
        Histogram { samples, inner: Arc::clone(&self.inner) }
    }

    /// All families that were used, sorted by name, and those of the process, in Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        let text = self.inner.handle.render();
        let mut families: Vec<&str> = text.split("\n\n").map(str::trim_end).filter(|part| !part.is_empty()).collect();
        families.sort_unstable();
        let mut page = families.join("\n");
        if !page.is_empty() {
            page.push('\n');
        }
        process::render_into(&mut page);
        page
    }

    fn key(&self, family: &Family, values: &[&str]) -> Key {
        let mut labels: Vec<(&'static str, &str)> = Vec::with_capacity(family.labels.len());
        let mut values = values.iter();
        for name in family.labels {
            let value =
                if *name == "app_id" { self.inner.app_id.as_str() } else { values.next().copied().unwrap_or("") };
            labels.push((name, value));
        }
        labels.sort_unstable();
        let labels: Vec<Label> = labels.into_iter().map(|(name, value)| Label::new(name, value.to_owned())).collect();
        Key::from_parts(family.name, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_rendered_with_sorted_and_empty_labels() {
        let metrics = Metrics::new("myapp", &[]);
        metrics.counter(&names::SERVICE_INVOCATION_REQUESTS_SENT, &["other"]).add(2);
        metrics.counter(&names::COMPONENTS_LOADED, &[]).add(1);
        let text = metrics.render();
        let sent = r#"dapr_runtime_service_invocation_req_sent_total{app_id="myapp",dst_app_id="other",type=""} 2"#;
        assert!(text.contains(sent), "{text}");
        assert!(text.contains("# TYPE dapr_runtime_component_loaded counter\n"), "{text}");
        assert!(text.contains("# HELP dapr_runtime_component_loaded "), "{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn histograms_keep_their_buckets_and_a_bounded_memory() {
        let metrics = Metrics::new("myapp", &[10.0, 100.0]);
        let latency = metrics.histogram(&names::SERVICE_INVOCATION_RESPONSE_LATENCY, &["other", "200"]);
        for _ in 0..10_000 {
            latency.record(50.0);
        }
        assert!(metrics.inner.unfolded.load(Ordering::Relaxed) <= FOLD_AFTER);
        let text = metrics.render();
        assert!(text.contains(r#"src_app_id="other",status="200",le="10"} 0"#), "{text}");
        assert!(text.contains(r#"src_app_id="other",status="200",le="100"} 10000"#), "{text}");
        assert!(!text.contains("http_server_latency"), "a family appears when it is first used");
    }

    #[test]
    fn registries_do_not_see_each_other() {
        let (first, second) = (Metrics::new("a", &[]), Metrics::new("b", &[]));
        first.counter(&names::COMPONENTS_LOADED, &[]).add(1);
        assert!(!second.render().contains("runtime_component_loaded"));
    }
}
