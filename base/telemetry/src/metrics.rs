//! The metrics of one role: families by name, handles that are resolved once, and the text of a scrape.
//! Called by whatever counts. There is no global registry, and nothing runs between scrapes.

mod distribution;
mod errors;
mod grpc;
mod http;
mod invocation;
pub mod names;
mod operations;
mod paths;
mod process;
mod registry;
mod render;
mod rules;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use errors::ErrorCodes;
pub use grpc::{GrpcClient, GrpcServer};
pub use http::{HttpClient, HttpServer};
pub use invocation::{Invocations, Received};
pub use operations::Operations;
pub use paths::HttpLabels;
pub use rules::{InvalidRule, Rules};
pub use table::Table;

use distribution::Distribution;
use names::Family;
use registry::Registry;

/// A number that grows. Cloning gives the same number; without metrics it is none.
#[derive(Clone, Debug, Default)]
pub struct Counter(Option<Arc<AtomicU64>>);

impl Counter {
    /// Adds.
    pub fn add(&self, amount: u64) {
        if let Some(number) = &self.0 {
            number.fetch_add(amount, Ordering::Relaxed);
        }
    }
}

/// A number that changes. Cloning gives the same number; without metrics it is none.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Option<Arc<AtomicU64>>);

impl Gauge {
    /// Sets.
    pub fn set(&self, value: f64) {
        if let Some(bits) = &self.0 {
            bits.store(value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Adds; negative values subtract.
    pub fn add(&self, value: f64) {
        if let Some(bits) = &self.0 {
            // The closure always gives a value.
            let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                Some((f64::from_bits(bits) + value).to_bits())
            });
        }
    }
}

/// A distribution over fixed buckets. Cloning gives the same distribution; without metrics it is none.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Option<Arc<Distribution>>);

impl Histogram {
    /// Records a length in bytes, for a family of [`names::Kind::Size`].
    pub fn bytes(&self, length: u64) {
        if let Some(distribution) = &self.0 {
            distribution.record(length);
        }
    }

    /// Records a time, for a family of [`names::Kind::Latency`].
    pub fn time(&self, elapsed: Duration) {
        if let Some(distribution) = &self.0 {
            distribution.record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

/// How metrics are kept.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The namespace of the app, for families that have the label; empty where none is set.
    pub namespace: String,
    /// Upper bounds of latency families in milliseconds; empty for the built-in ones.
    pub latency_buckets: Vec<f64>,
    /// Rewrites of label values.
    pub rules: Rules,
    /// What the HTTP families say of path and method.
    pub http: HttpLabels,
    /// Whether errors of the API are counted by code.
    pub error_codes: bool,
}

/// The registry of a role. A clone is the same registry.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Option<Arc<Registry>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

impl Metrics {
    /// An empty registry. `app_id` is the value of the label of that name in every family that has it.
    /// `latency_buckets`, in milliseconds, replace those of the latency families when not empty.
    #[must_use]
    pub fn new(app_id: &str, latency_buckets: &[f64]) -> Self {
        Self::configured(app_id, Settings { latency_buckets: latency_buckets.to_vec(), ..Settings::default() })
    }

    /// As [`Metrics::new`], with all settings.
    #[must_use]
    pub fn configured(app_id: &str, settings: Settings) -> Self {
        Self { registry: Some(Arc::new(Registry::new(app_id, settings))) }
    }

    /// No metrics: handles count nothing, and a scrape has only what is known of the process.
    #[must_use]
    pub fn off() -> Self {
        Self { registry: None }
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.registry.is_some()
    }

    /// The counter of a family with these values, in the order of its labels without the app's own id; missing ones are
    /// empty. Takes a lock: what is counted often keeps its handle.
    #[must_use]
    pub fn counter(&self, family: &'static Family, values: &[&str]) -> Counter {
        Counter(self.registry.as_ref().map(|registry| registry.number(family, values)))
    }

    /// The gauge of a family; values as in [`Metrics::counter`].
    #[must_use]
    pub fn gauge(&self, family: &'static Family, values: &[&str]) -> Gauge {
        Gauge(self.registry.as_ref().map(|registry| registry.number(family, values)))
    }

    /// The distribution of a family; values as in [`Metrics::counter`].
    #[must_use]
    pub fn histogram(&self, family: &'static Family, values: &[&str]) -> Histogram {
        Histogram(self.registry.as_ref().map(|registry| registry.distribution(family, values)))
    }

    /// All families that were used, sorted by name, and those of the process, in Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        if let Some(registry) = &self.registry {
            render::families_into(&mut page, registry);
        }
        process::render_into(&mut page);
        page
    }

    /// The namespace of the app, as families that have the label tell it.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.registry.as_ref().map_or("", |registry| &registry.namespace)
    }

    fn labels(&self) -> HttpLabels {
        self.registry.as_ref().map(|registry| registry.http.clone()).unwrap_or_default()
    }

    fn has_error_codes(&self) -> bool {
        self.registry.as_ref().is_some_and(|registry| registry.error_codes)
    }

    fn rewrites(&self) -> bool {
        self.registry.as_ref().is_some_and(|registry| registry.rewrites())
    }
}

#[cfg(test)]
mod tests;
