//! What is counted of gRPC: calls that are served, calls that are made, health probes of the app. Called once per call: a label
//! set is resolved when it is first seen.

use std::sync::Arc;
use std::time::Duration;

use super::names::{self, Family};
use super::table::Table;
use super::{Counter, Histogram, Metrics};

/// The names of the codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

fn code_name(code: i32) -> &'static str {
    // A code that there is not is Unknown.
    usize::try_from(code).ok().and_then(|code| CODES.get(code)).copied().unwrap_or("Unknown")
}

/// The four families of one direction.
#[derive(Debug)]
struct Direction {
    completed: &'static Family,
    latency: &'static Family,
    received: &'static Family,
    sent: &'static Family,
}

const SERVER: Direction = Direction {
    completed: &names::GRPC_SERVER_COMPLETED,
    latency: &names::GRPC_SERVER_LATENCY,
    received: &names::GRPC_SERVER_RECEIVED_BYTES,
    sent: &names::GRPC_SERVER_SENT_BYTES,
};
const CLIENT: Direction = Direction {
    completed: &names::GRPC_CLIENT_COMPLETED,
    latency: &names::GRPC_CLIENT_LATENCY,
    received: &names::GRPC_CLIENT_RECEIVED_BYTES,
    sent: &names::GRPC_CLIENT_SENT_BYTES,
};

struct Calls {
    metrics: Metrics,
    direction: Direction,
    ends: Table<1, (Counter, Histogram)>,
    sizes: Table<1, (Histogram, Histogram)>,
}

impl Calls {
    fn new(metrics: &Metrics, direction: Direction) -> Self {
        Self { metrics: metrics.clone(), direction, ends: Table::default(), sizes: Table::default() }
    }

    fn ended(&self, method: &str, code: i32, elapsed: Duration) {
        let status = code_name(code);
        let make = |method: &str| {
            let values = [method, status];
            (
                self.metrics.counter(self.direction.completed, &values),
                self.metrics.histogram(self.direction.latency, &values),
            )
        };
        let number = u32::try_from(code).unwrap_or(u32::MAX).min(u32::from(u16::MAX));
        let count = |(completed, latency): &(Counter, Histogram)| {
            completed.add(1);
            latency.time(elapsed);
        };
        match self.ends.get([method], number, || make(method)).or_else(|| self.ends.get([""], number, || make(""))) {
            Some(known) => count(known),
            None => count(&make("")),
        }
    }

    fn carried(&self, method: &str, (received, sent): (u64, u64)) {
        let make = || {
            (
                self.metrics.histogram(self.direction.received, &[method]),
                self.metrics.histogram(self.direction.sent, &[method]),
            )
        };
        if let Some((receives, sends)) = self.sizes.get([method], 0, make) {
            receives.bytes(received);
            sends.bytes(sent);
        }
    }
}

/// Calls that are served. A clone counts in the same families.
#[derive(Clone, Default)]
pub struct GrpcServer(Option<Arc<Calls>>);

impl GrpcServer {
    /// Counts in these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self(metrics.is_on().then(|| Arc::new(Calls::new(metrics, SERVER))))
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One call that has ended: the path of its method, its code, and for calls of one message each way the bytes of both.
    pub fn answered(&self, method: &str, code: i32, bytes: Option<(u64, u64)>, elapsed: Duration) {
        let Some(calls) = &self.0 else { return };
        calls.ended(method, code, elapsed);
        if let Some(bytes) = bytes {
            calls.carried(method, bytes);
        }
    }
}

/// Calls that are made.
#[derive(Default)]
pub struct GrpcClient(Option<Box<Client>>);

struct Client {
    calls: Calls,
    probes: Table<0, (Counter, Histogram)>,
}

impl GrpcClient {
    /// Counts in these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let client = || Client { calls: Calls::new(metrics, CLIENT), probes: Table::default() };
        Self(metrics.is_on().then(|| Box::new(client())))
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One call that has ended: the path of its method, its code, the bytes of request and answer.
    pub fn ended(&self, method: &str, code: i32, (sent, received): (u64, u64), elapsed: Duration) {
        let Some(Client { calls, .. }) = self.0.as_deref() else { return };
        calls.ended(method, code, elapsed);
        calls.carried(method, (received, sent));
    }

    /// One health probe of the app.
    pub fn probed(&self, code: i32, elapsed: Duration) {
        let Some(Client { calls, probes }) = self.0.as_deref() else { return };
        let make = || {
            let values = [code_name(code)];
            (
                calls.metrics.counter(&names::GRPC_PROBES, &values),
                calls.metrics.histogram(&names::GRPC_PROBE_LATENCY, &values),
            )
        };
        if let Some((completed, latency)) = probes.get([], u32::try_from(code).unwrap_or(u32::MAX), make) {
            completed.add(1);
            latency.time(elapsed);
        }
    }
}
