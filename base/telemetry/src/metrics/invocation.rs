//! What is counted of service invocation, and of the access control list. Called once per call; the handles of an app are resolved
//! when it is first seen.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::names::{self, Family};
use super::table::Table;
use super::{Counter, Histogram, Metrics};

/// Calls between apps. A clone counts in the same families.
#[derive(Clone, Default)]
pub struct Invocations(Option<Arc<Inner>>);

struct Inner {
    metrics: Metrics,
    sent: Table<1, Counter>,
    peers: Table<1, Peer>,
    others: OnceLock<Peer>,
    answers: Table<1, (Counter, Histogram)>,
    judged: Table<3, Counter>,
}

/// Another app that calls.
struct Peer {
    app: Box<str>,
    received: Counter,
    answered: Table<0, Counter>,
}

/// A request from another app, until it is answered.
pub struct Received<'a>(Option<(&'a Inner, &'a Peer)>);

impl Received<'_> {
    /// It was answered with this status.
    pub fn answered(self, status: i32) {
        let Some((inner, peer)) = self.0 else { return };
        let make =
            || inner.metrics.counter(&names::SERVICE_INVOCATION_RESPONSES_SENT, &[&peer.app, &status.to_string()]);
        match peer.answered.get([], status.cast_unsigned(), make) {
            Some(answered) => answered.add(1),
            None => make().add(1),
        }
    }
}

const UNARY: &str = "unary";
const STREAMING: &str = "streaming";

impl Invocations {
    /// Counts in these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let inner = || Inner {
            metrics: metrics.clone(),
            sent: Table::default(),
            peers: Table::default(),
            others: OnceLock::new(),
            answers: Table::default(),
            judged: Table::default(),
        };
        Self(metrics.is_on().then(|| Arc::new(inner())))
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A request goes to another app, or to a server outside.
    pub fn sent(&self, app: &str, is_stream: bool) {
        let Some(inner) = &self.0 else { return };
        let kind = if is_stream { STREAMING } else { UNARY };
        let make = |app: &str| inner.metrics.counter(&names::SERVICE_INVOCATION_REQUESTS_SENT, &[app, kind]);
        with(&inner.sent, app, u32::from(is_stream), make, |sent| sent.add(1));
    }

    /// A request came from another app.
    pub fn received(&self, app: &str) -> Received<'_> {
        let Some(inner) = &self.0 else { return Received(None) };
        let make = |app: &str| Peer {
            app: app.into(),
            received: inner.metrics.counter(&names::SERVICE_INVOCATION_REQUESTS_RECEIVED, &[app]),
            answered: Table::default(),
        };
        let known = inner.peers.get([app], 0, || make(app));
        // The registry counts those beyond the bound together, and so does this.
        let peer = known.unwrap_or_else(|| inner.others.get_or_init(|| make("")));
        peer.received.add(1);
        Received(Some((inner, peer)))
    }

    /// Another app has answered with this status.
    pub fn answer(&self, app: &str, status: i32, elapsed: Duration) {
        let Some(inner) = &self.0 else { return };
        let make = |app: &str| {
            let status = status.to_string();
            (
                inner.metrics.counter(&names::SERVICE_INVOCATION_RESPONSES_RECEIVED, &[app, &status, UNARY]),
                inner.metrics.histogram(&names::SERVICE_INVOCATION_RESPONSE_LATENCY, &[app, &status]),
            )
        };
        with(&inner.answers, app, status.cast_unsigned(), make, |(answers, latency)| {
            answers.add(1);
            latency.time(elapsed);
        });
    }

    /// The access control list has judged a call of `[app, namespace, trust domain]` (empty where nothing was proven), by a policy of
    /// its own or by the default of the list.
    pub fn judged(&self, caller: [&str; 3], by_policy: bool, is_allowed: bool) {
        let Some(inner) = &self.0 else { return };
        let family: &'static Family = match (by_policy, is_allowed) {
            (true, true) => &names::POLICY_ALLOWED,
            (true, false) => &names::POLICY_BLOCKED,
            (false, true) => &names::DEFAULT_ALLOWED,
            (false, false) => &names::DEFAULT_BLOCKED,
        };
        let number = u32::from(by_policy) * 2 + u32::from(is_allowed);
        let make = || inner.metrics.counter(family, &caller);
        match inner.judged.get(caller, number, make) {
            Some(judged) => judged.add(1),
            None => make().add(1),
        }
    }
}

/// Does something with the handle of an app; where there is no room for its name, with that of all such apps.
fn with<V>(table: &Table<1, V>, app: &str, number: u32, make: impl Fn(&str) -> V, count: impl Fn(&V)) {
    match table.get([app], number, || make(app)).or_else(|| table.get([""], number, || make(""))) {
        Some(known) => count(known),
        None => count(&make("")),
    }
}
