//! Counts what comes in. Called by deliveries; the handles of a topic are resolved once. Names and labels are the target's.

use std::sync::Arc;
use std::time::Duration;

use telemetry::metrics::{Table, names};
use telemetry::{Counter, Histogram, Metrics};

/// What is counted for all subscriptions of a sidecar.
#[derive(Clone)]
pub(super) struct Ingress(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    /// By component, topic and what became of the message. A wildcard subscription can have any number of topics: those beyond the
    /// bound are counted together, without a name.
    handles: Table<2, Handles>,
}

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
    pub(super) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner { metrics, handles: Table::default() }))
    }

    /// One message, and how long its recipient took if there was one.
    pub(super) fn one(&self, place: (&Arc<str>, &str), counted: Counted, elapsed: Option<Duration>) {
        self.0.with(place, counted, |handles| {
            let (count, latency) = &handles.one;
            count.add(1);
            if let Some(elapsed) = elapsed {
                latency.time(elapsed);
            }
        });
    }

    /// One call with many messages.
    pub(super) fn call(&self, place: (&Arc<str>, &str), elapsed: Duration) {
        self.0.with(place, Counted::Success, |handles| {
            handles.calls.add(1);
            handles.many_latency.time(elapsed);
        });
    }

    /// One of many messages.
    pub(super) fn entry(&self, place: (&Arc<str>, &str), counted: Counted) {
        self.0.with(place, counted, |handles| handles.many.add(1));
    }
}

impl Inner {
    fn with(&self, (component, topic): (&Arc<str>, &str), counted: Counted, count: impl FnOnce(&Handles)) {
        if !self.metrics.is_on() {
            return;
        }
        let get = |topic: &str| {
            self.handles.get([component, topic], counted as u32, || self.resolve(component, topic, counted))
        };
        match get(topic).or_else(|| get("")) {
            Some(known) => count(known),
            None => count(&self.resolve(component, "", counted)),
        }
    }

    fn resolve(&self, component: &str, topic: &str, counted: Counted) -> Handles {
        let (process_status, status) = counted.labels();
        let one = [component, self.metrics.namespace(), process_status, status, topic];
        // The statuses of bulk messages are written in capitals, and whole calls have none.
        let many = [component, self.metrics.namespace(), &process_status.to_uppercase(), topic];
        let calls = [component, self.metrics.namespace(), "", topic];
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
