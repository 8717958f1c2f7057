//! Counts what comes in. Called by deliveries; the handles of a topic are resolved once. Names and labels are the target's.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use telemetry::metrics::names;
use telemetry::{Counter, Histogram, Metrics};

/// Topics that are counted by name; a wildcard subscription can have any number.
const MAX_TOPICS: usize = 1000;

/// What is counted for all subscriptions of a sidecar.
#[derive(Clone)]
pub(super) struct Ingress(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    namespace: Arc<str>,
    handles: RwLock<HashMap<Labels, Handles>>,
}

/// Component, topic and what became of the message.
type Labels = (Arc<str>, String, Counted);

#[derive(Clone)]
struct Handles {
    one: (Counter, Histogram),
    many: Counter,
    many_latency: Histogram,
    calls: Counter,
}

/// What became of a message, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    Success,
    Retry,
    /// The app dropped it, or no rule is for it.
    Dropped,
    /// It expired, or went to the dead-letter topic.
    SetAside,
}

impl Counted {
    /// `process_status` and `status`.
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => ("success", ""),
            Self::Retry => ("retry", ""),
            Self::Dropped => ("drop", "success"),
            Self::SetAside => ("drop", ""),
        }
    }
}

impl Ingress {
    pub(super) fn new(metrics: Metrics, namespace: Arc<str>) -> Self {
        Self(Arc::new(Inner { metrics, namespace, handles: RwLock::default() }))
    }

    /// One message, and how long its recipient took if there was one.
    pub(super) fn one(&self, place: (&Arc<str>, &str), counted: Counted, elapsed: Option<Duration>) {
        let handles = self.handles(place, counted);
        let (count, latency) = handles.one;
        count.add(1);
        if let Some(elapsed) = elapsed {
            latency.record(elapsed.as_secs_f64() * 1000.0);
        }
    }

    /// One call with many messages.
    pub(super) fn call(&self, place: (&Arc<str>, &str), elapsed: Duration) {
        let handles = self.handles(place, Counted::Success);
        handles.calls.add(1);
        handles.many_latency.record(elapsed.as_secs_f64() * 1000.0);
    }

    /// One of many messages.
    pub(super) fn entry(&self, place: (&Arc<str>, &str), counted: Counted) {
        self.handles(place, counted).many.add(1);
    }

    fn handles(&self, (component, topic): (&Arc<str>, &str), counted: Counted) -> Handles {
        let key = (Arc::clone(component), topic.to_owned(), counted);
        let known = self.0.handles.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&key) {
            return known.clone();
        }
        drop(known);
        let mut known = self.0.handles.write().unwrap_or_else(PoisonError::into_inner);
        let key = if known.len() < MAX_TOPICS { key } else { (key.0, String::new(), counted) };
        let made = || self.0.resolve(&key.0, &key.1, counted);
        known.entry(key.clone()).or_insert_with(made).clone()
    }
}

impl Inner {
    fn resolve(&self, component: &str, topic: &str, counted: Counted) -> Handles {
        let (process_status, status) = counted.labels();
        let one = [component, &self.namespace, process_status, status, topic];
        // The statuses of bulk messages are written in capitals, and whole calls have none.
        let many = [component, &self.namespace, &process_status.to_uppercase(), topic];
        let calls = [component, &self.namespace, "", topic];
        Handles {
            one: (
                self.metrics.counter(&names::PUBSUB_INGRESS, &one),
                self.metrics.histogram(&names::PUBSUB_INGRESS_LATENCIES, &one),
            ),
            many: self.metrics.counter(&names::PUBSUB_INGRESS_BULK_EVENTS, &many),
            many_latency: self.metrics.histogram(&names::PUBSUB_INGRESS_BULK_LATENCIES, &calls),
            calls: self.metrics.counter(&names::PUBSUB_INGRESS_BULK, &calls),
        }
    }
}
