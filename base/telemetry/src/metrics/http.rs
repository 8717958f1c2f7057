//! What is counted of HTTP: requests to the API, requests to the app, its health probes. Called by the doors and the app channel,
//! once per call: a label set is resolved when it is first seen.

use std::time::Duration;

use super::names;
use super::paths::HttpLabels;
use super::table::Table;
use super::{Counter, Histogram, Metrics};

/// Numbers of statuses are below this.
const STATUSES: u32 = 1 << 16;

/// Requests to the API.
#[derive(Debug, Default)]
pub struct HttpServer(Option<Box<Server>>);

#[derive(Debug)]
struct Server {
    rows: Rows<Served>,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

#[derive(Debug)]
struct Served {
    requests: Counter,
    responses: Counter,
    latency: Histogram,
}

/// Rows by path, method and status; those beyond the bound without a path.
struct Rows<V> {
    metrics: Metrics,
    labels: HttpLabels,
    rewrites: bool,
    known: Table<1, V>,
    folded: Table<0, V>,
}

impl<V: std::fmt::Debug> std::fmt::Debug for Rows<V> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rows").field("known", &self.known).finish_non_exhaustive()
    }
}

impl<V> Rows<V> {
    fn new(metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.clone(),
            labels: metrics.labels(),
            rewrites: metrics.rewrites(),
            known: Table::default(),
            folded: Table::default(),
        }
    }

    /// Counts in the row of these labels.
    fn count(&self, path: &str, (method, number): (&str, u32), status: u16, row: Row<V>) {
        let number = number * STATUSES + u32::from(status);
        let make = |path: &str| {
            let mut digits = [0; 5];
            (row.make)(&self.metrics, [method, path, decimal(status, &mut digits)])
        };
        if let Some(known) = self.known.get([path], number, || make(path)) {
            return (row.count)(known);
        }
        // A rule may bring any number of paths together: the registry knows.
        let folded = if self.rewrites { None } else { self.folded.get([], number, || make("")) };
        match folded {
            Some(folded) => (row.count)(folded),
            None => (row.count)(&make(path)),
        }
    }
}

/// How a row is made, and what is done with it.
struct Row<'a, V> {
    make: &'a dyn Fn(&Metrics, [&str; 3]) -> V,
    count: &'a dyn Fn(&V),
}

/// A status as text. Zero, which no answer has, is none.
fn decimal(status: u16, digits: &mut [u8; 5]) -> &str {
    let mut left = status;
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        if left == 0 {
            break;
        }
        *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
        start -= 1;
    }
    digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
}

impl HttpServer {
    /// Counts in these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let server = || Server {
            rows: Rows::new(metrics),
            request_bytes: metrics.histogram(&names::HTTP_SERVER_REQUEST_BYTES, &[]),
            response_bytes: metrics.histogram(&names::HTTP_SERVER_RESPONSE_BYTES, &[]),
        };
        Self(metrics.is_on().then(|| Box::new(server())))
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One request that was answered: its method, its decoded and cleaned path, the bytes of its body and of the answer's.
    pub fn answered(&self, (method, path): (&str, &str), status: u16, bytes: (u64, u64), elapsed: Duration) {
        let Some(server) = &self.0 else { return };
        let labels = &server.rows.labels;
        let make = |metrics: &Metrics, values: [&str; 3]| Served {
            requests: metrics.counter(&names::HTTP_SERVER_REQUESTS, &values),
            responses: if labels.counts_responses() {
                metrics.counter(&names::HTTP_SERVER_RESPONSES, &values)
            } else {
                Counter::default()
            },
            latency: metrics.histogram(&names::HTTP_SERVER_LATENCY, &values),
        };
        let count = |row: &Served| {
            row.requests.add(1);
            row.responses.add(1);
            row.latency.time(elapsed);
        };
        let row = Row { make: &make, count: &count };
        server.rows.count(&labels.server(path), labels.method(method), status, row);
        server.request_bytes.bytes(bytes.0);
        server.response_bytes.bytes(bytes.1);
    }
}

/// Requests to HTTP apps.
#[derive(Debug, Default)]
pub struct HttpClient(Option<Box<Client>>);

#[derive(Debug)]
struct Client {
    sent: Rows<Histogram>,
    answered: Rows<(Counter, Histogram)>,
    received: Histogram,
    probes: Rows<(Counter, Histogram)>,
}

impl HttpClient {
    /// Counts in these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let client = || Client {
            sent: Rows::new(metrics),
            answered: Rows::new(metrics),
            received: metrics.histogram(&names::HTTP_CLIENT_RECEIVED_BYTES, &[]),
            probes: Rows::new(metrics),
        };
        Self(metrics.is_on().then(|| Box::new(client())))
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One request that goes to the app: its method, its path, the bytes of its body as far as they are known.
    pub fn sent(&self, (method, path): (&str, &str), bytes: u64) {
        let Some(client) = &self.0 else { return };
        let labels = &client.sent.labels;
        let make = |metrics: &Metrics, values: [&str; 3]| metrics.histogram(&names::HTTP_CLIENT_SENT_BYTES, &values);
        let row = Row { make: &make, count: &|sent: &Histogram| sent.bytes(bytes) };
        client.sent.count(&labels.client(path), labels.method(method), 0, row);
    }

    /// What became of it: the app's status, the bytes of its answer as far as they are known, and when its head was there.
    pub fn answered(&self, (method, path): (&str, &str), status: u16, bytes: u64, elapsed: Duration) {
        let Some(client) = &self.0 else { return };
        let labels = &client.answered.labels;
        let make = |metrics: &Metrics, values: [&str; 3]| {
            (
                metrics.counter(&names::HTTP_CLIENT_COMPLETED, &values),
                metrics.histogram(&names::HTTP_CLIENT_LATENCY, &values),
            )
        };
        let row = Row { make: &make, count: &|row: &(Counter, Histogram)| count(row, elapsed) };
        client.answered.count(&labels.client(path), labels.method(method), status, row);
        client.received.bytes(bytes);
    }

    /// One health probe of the app.
    pub fn probed(&self, status: u16, elapsed: Duration) {
        let Some(client) = &self.0 else { return };
        let make = |metrics: &Metrics, [_, _, status]: [&str; 3]| {
            (metrics.counter(&names::HTTP_PROBES, &[status]), metrics.histogram(&names::HTTP_PROBE_LATENCY, &[status]))
        };
        let row = Row { make: &make, count: &|row: &(Counter, Histogram)| count(row, elapsed) };
        client.probes.count("", ("", 0), status, row);
    }
}

fn count((number, latency): &(Counter, Histogram), elapsed: Duration) {
    number.add(1);
    latency.time(elapsed);
}
