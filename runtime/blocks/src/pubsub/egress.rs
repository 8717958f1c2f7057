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
    /// By component, topic and success. Apps choose names: topics beyond the bound are counted together, without one.
    topics: Table<2, Handles>,
}

/// Of one topic: what failed, or what succeeded.
struct Handles {
    one: (Counter, Histogram),
    many: (Counter, Histogram),
    entries: Counter,
}

impl Egress {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner { metrics, topics: Table::default() }))
    }

    /// One message.
    pub(super) fn one(&self, place: (&str, &str), success: bool, elapsed: Duration) {
        self.0.with(place, success, |handles| record(&handles.one, elapsed));
    }

    /// One request with many messages, of which the broker took so many.
    pub(super) fn many(&self, place: (&str, &str), (success, taken): (bool, usize), elapsed: Duration) {
        self.0.with(place, success, |handles| {
            record(&handles.many, elapsed);
            handles.entries.add(taken as u64);
        });
    }
}

impl Inner {
    fn with(&self, (component, topic): (&str, &str), success: bool, count: impl FnOnce(&Handles)) {
        if !self.metrics.is_on() {
            return;
        }
        let get = |topic: &str| {
            self.topics.get([component, topic], u32::from(success), || self.resolve(component, topic, success))
        };
        match get(topic).or_else(|| get("")) {
            Some(known) => count(known),
            None => count(&self.resolve(component, "", success)),
        }
    }

    fn resolve(&self, component: &str, topic: &str, success: bool) -> Handles {
        let values = [component, self.metrics.namespace(), if success { "true" } else { "false" }, topic];
        // What the broker took is a success, whatever became of the rest.
        let taken = [component, self.metrics.namespace(), "true", topic];
        let pair = |count, latency| (self.metrics.counter(count, &values), self.metrics.histogram(latency, &values));
        Handles {
            one: pair(&names::PUBSUB_EGRESS, &names::PUBSUB_EGRESS_LATENCIES),
            many: pair(&names::PUBSUB_EGRESS_BULK, &names::PUBSUB_EGRESS_BULK_LATENCIES),
            entries: self.metrics.counter(&names::PUBSUB_EGRESS_BULK_EVENTS, &taken),
        }
    }
}

fn record((count, latency): &(Counter, Histogram), elapsed: Duration) {
    count.add(1);
    latency.time(elapsed);
}
