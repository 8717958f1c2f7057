//! Counts what is published. Called by publishing, once per request; the handles of a topic are resolved once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use telemetry::metrics::names;
use telemetry::{Counter, Histogram, Metrics};

/// Topics that are counted by name. Apps choose names: those beyond are counted together, without one.
const MAX_TOPICS: usize = 1000;

/// What is counted of each topic.
#[derive(Clone)]
pub(super) struct Egress(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    namespace: Arc<str>,
    /// By component and topic.
    topics: RwLock<HashMap<(String, String), Arc<Handles>>>,
}

/// Of one topic: what failed, and what succeeded.
struct Handles {
    one: [(Counter, Histogram); 2],
    many: [(Counter, Histogram); 2],
    entries: Counter,
}

impl Egress {
    pub(super) fn new(metrics: Metrics, namespace: Arc<str>) -> Self {
        Self(Arc::new(Inner { metrics, namespace, topics: RwLock::default() }))
    }

    /// One message.
    pub(super) fn one(&self, place: (&str, &str), success: bool, elapsed: Duration) {
        record(&self.handles(place).one, success, elapsed);
    }

    /// One request with many messages, of which the broker took so many.
    pub(super) fn many(&self, place: (&str, &str), (success, taken): (bool, usize), elapsed: Duration) {
        let handles = self.handles(place);
        record(&handles.many, success, elapsed);
        if taken > 0 {
            handles.entries.add(taken as u64);
        }
    }

    fn handles(&self, (component, topic): (&str, &str)) -> Arc<Handles> {
        let key = (component.to_owned(), topic.to_owned());
        let topics = self.0.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = topics.get(&key) {
            return Arc::clone(known);
        }
        drop(topics);
        let mut topics = self.0.topics.write().unwrap_or_else(PoisonError::into_inner);
        let key = if topics.len() < MAX_TOPICS { key } else { (key.0, String::new()) };
        let made = || Arc::new(self.0.resolve(&key.0, &key.1));
        Arc::clone(topics.entry(key.clone()).or_insert_with(made))
    }
}

impl Inner {
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
    latency.record(elapsed.as_secs_f64() * 1000.0);
}
