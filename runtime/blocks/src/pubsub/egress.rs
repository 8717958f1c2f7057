//! Counts what is published. Called by publishing, once per request; the handles of a topic are resolved once.

use std::sync::Arc;
use std::time::Duration;

use telemetry::metrics::{Table, names};
use telemetry::{Counter, Histogram, Metrics};

/// What is counted of each topic.
#[derive(Clone)]
pub(super) struct Egress(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    namespace: Arc<str>,
    /// By component and topic. Apps choose names: topics beyond the bound are counted together, without one.
    topics: Table<2, Handles>,
}

/// Of one topic: what failed, and what succeeded.
struct Handles {
    one: [(Counter, Histogram); 2],
    many: [(Counter, Histogram); 2],
    entries: Counter,
}

impl Egress {
    pub(super) fn new(metrics: Metrics, namespace: Arc<str>) -> Self {
        Self(Arc::new(Inner { metrics, namespace, topics: Table::default() }))
    }

    /// One message.
    pub(super) fn one(&self, place: (&str, &str), success: bool, elapsed: Duration) {
        self.0.with(place, |handles| record(&handles.one, success, elapsed));
    }

    /// One request with many messages, of which the broker took so many.
    pub(super) fn many(&self, place: (&str, &str), (success, taken): (bool, usize), elapsed: Duration) {
        self.0.with(place, |handles| {
            record(&handles.many, success, elapsed);
            if taken > 0 {
                handles.entries.add(taken as u64);
            }
        });
    }
}

impl Inner {
    fn with(&self, (component, topic): (&str, &str), count: impl FnOnce(&Handles)) {
        if !self.metrics.is_on() {
            return;
        }
        let get = |topic: &str| self.topics.get([component, topic], 0, || self.resolve(component, topic));
        match get(topic).or_else(|| get("")) {
            Some(known) => count(known),
            None => count(&self.resolve(component, "")),
        }
    }

    fn resolve(&self, component: &str, topic: &str) -> Handles {
        let pair = |count, latency, success: bool| {
            let values = [component, &self.namespace, if success { "true" } else { "false" }, topic];
            (self.metrics.counter(count, &values), self.metrics.histogram(latency, &values))
        };
        let both = |count, latency| [pair(count, latency, false), pair(count, latency, true)];
        Handles {
            one: both(&names::PUBSUB_EGRESS, &names::PUBSUB_EGRESS_LATENCIES),
            many: both(&names::PUBSUB_EGRESS_BULK, &names::PUBSUB_EGRESS_BULK_LATENCIES),
            entries: self
                .metrics
                .counter(&names::PUBSUB_EGRESS_BULK_EVENTS, &[component, &self.namespace, "true", topic]),
        }
    }
}

fn record(handles: &[(Counter, Histogram); 2], success: bool, elapsed: Duration) {
    let [failed, succeeded] = handles;
    let (count, latency) = if success { succeeded } else { failed };
    count.add(1);
    latency.time(elapsed);
}
