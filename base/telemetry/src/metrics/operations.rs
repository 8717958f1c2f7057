//! What is counted of calls to components of one kind. Called by the blocks, once per call; the handles of a component and operation
//! are resolved when it is first asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::names::{self, Family};
use super::table::Table;
use super::{Counter, Histogram, Metrics};

/// Calls to the components of one kind. A clone counts in the same families.
#[derive(Clone, Default)]
pub struct Operations(Option<Arc<Inner>>);

struct Inner {
    metrics: Metrics,
    calls: &'static Family,
    latency: &'static Family,
    known: Table<2, (Counter, Histogram)>,
}

impl Operations {
    /// Calls to state components.
    #[must_use]
    pub fn state(metrics: &Metrics) -> Self {
        Self::new(metrics, &names::COMPONENT_STATE_CALLS, &names::COMPONENT_STATE_LATENCY)
    }

    /// Calls to secret components.
    #[must_use]
    pub fn secrets(metrics: &Metrics) -> Self {
        Self::new(metrics, &names::COMPONENT_SECRET_CALLS, &names::COMPONENT_SECRET_LATENCY)
    }

    /// Calls to configuration components.
    #[must_use]
    pub fn configuration(metrics: &Metrics) -> Self {
        Self::new(metrics, &names::COMPONENT_CONFIGURATION_CALLS, &names::COMPONENT_CONFIGURATION_LATENCY)
    }

    /// Calls to components of cryptography.
    #[must_use]
    pub fn crypto(metrics: &Metrics) -> Self {
        Self::new(metrics, &names::COMPONENT_CRYPTO_CALLS, &names::COMPONENT_CRYPTO_LATENCY)
    }

    /// Calls to language models; their operation is always empty.
    #[must_use]
    pub fn conversation(metrics: &Metrics) -> Self {
        Self::new(metrics, &names::COMPONENT_CONVERSATION_CALLS, &names::COMPONENT_CONVERSATION_LATENCY)
    }

    fn new(metrics: &Metrics, calls: &'static Family, latency: &'static Family) -> Self {
        let inner = || Inner { metrics: metrics.clone(), calls, latency, known: Table::default() };
        Self(metrics.is_on().then(|| Arc::new(inner())))
    }

    /// Counts a call and what became of it.
    pub async fn watch<T, E>(
        &self,
        component: &str,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = self.start();
        let result = call.await;
        self.done(started, (component, operation), &result);
        result
    }

    /// A call begins; for [`Operations::done`]. The two are [`Operations::watch`] without a future of their own.
    #[must_use]
    pub fn start(&self) -> Option<Instant> {
        self.0.as_ref().map(|_| Instant::now())
    }

    /// A call to a component has ended: its operation, and what became of it.
    pub fn done<T, E>(&self, started: Option<Instant>, place: (&str, &'static str), result: &Result<T, E>) {
        if let Some((inner, started)) = self.0.as_ref().zip(started) {
            inner.count(place, result.is_ok(), started.elapsed());
        }
    }
}

impl Inner {
    fn count(&self, (component, operation): (&str, &'static str), success: bool, elapsed: Duration) {
        let make = || {
            let success = if success { "true" } else { "false" };
            let all = [component, self.metrics.namespace(), operation, success];
            let short = [component, self.metrics.namespace(), success];
            let values: &[&str] = if operation.is_empty() { &short } else { &all };
            (self.metrics.counter(self.calls, values), self.metrics.histogram(self.latency, values))
        };
        let count = |(calls, latency): &(Counter, Histogram)| {
            calls.add(1);
            latency.time(elapsed);
        };
        match self.known.get([component, operation], u32::from(success), make) {
            Some(known) => count(known),
            None => count(&make()),
        }
    }
}
