//! Every metric family this build exports: name, labels, kind, help. Names, labels and buckets are the target's.
//! Called through `Metrics`; a family that is not here cannot be counted.

/// What a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that grows.
    Counter,
    /// A number that changes.
    Gauge,
    /// Milliseconds in [`LATENCY_BUCKETS`].
    Latency,
    /// Bytes in [`SIZE_BUCKETS`].
    Size,
}

/// A metric family.
#[derive(Debug)]
pub struct Family {
    /// The full name.
    pub name: &'static str,
    /// Names of the labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
    /// One sentence for the scrape.
    pub help: &'static str,
}

const fn family(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, labels, kind, help }
}

/// Milliseconds.
pub const LATENCY_BUCKETS: &[f64] = &[
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0, 130.0, 160.0,
    200.0, 250.0, 300.0, 400.0, 500.0, 650.0, 800.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 50000.0, 100_000.0,
];

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;
const GIB: f64 = 1024.0 * MIB;

/// Bytes.
pub const SIZE_BUCKETS: &[f64] = &[
    KIB,
    2.0 * KIB,
    4.0 * KIB,
    16.0 * KIB,
    64.0 * KIB,
    256.0 * KIB,
    MIB,
    4.0 * MIB,
    16.0 * MIB,
    64.0 * MIB,
    256.0 * MIB,
    GIB,
    4.0 * GIB,
];

/// Components loaded.
pub const COMPONENTS_LOADED: Family =
    family("dapr_runtime_component_loaded", Kind::Counter, &["app_id"], "Components loaded.");

/// Components initialised; value: component type.
pub const COMPONENTS_INITIALISED: Family = family(
    "dapr_runtime_component_init_total",
    Kind::Counter,
    &["app_id", "component"],
    "Components initialised, by type.",
);

/// Components that failed to start; values: component type, reason, component name.
pub const COMPONENTS_FAILED: Family = family(
    "dapr_runtime_component_init_fail_total",
    Kind::Counter,
    &["app_id", "component", "reason", "componentName"],
    "Components that could not be initialised.",
);

/// Invocations sent to other apps; values: destination app, type (`unary` or `streaming`).
pub const SERVICE_INVOCATION_REQUESTS_SENT: Family = family(
    "dapr_runtime_service_invocation_req_sent_total",
    Kind::Counter,
    &["app_id", "dst_app_id", "type"],
    "Requests sent to other apps.",
);

/// Invocations received; value: source app.
pub const SERVICE_INVOCATION_REQUESTS_RECEIVED: Family = family(
    "dapr_runtime_service_invocation_req_recv_total",
    Kind::Counter,
    &["app_id", "src_app_id"],
    "Requests received from other apps.",
);

/// Answers sent; values: destination app, status.
pub const SERVICE_INVOCATION_RESPONSES_SENT: Family = family(
    "dapr_runtime_service_invocation_res_sent_total",
    Kind::Counter,
    &["app_id", "dst_app_id", "status"],
    "Responses sent to other apps.",
);

/// Answers received; values: source app, status, type (`unary` or `streaming`).
pub const SERVICE_INVOCATION_RESPONSES_RECEIVED: Family = family(
    "dapr_runtime_service_invocation_res_recv_total",
    Kind::Counter,
    &["app_id", "src_app_id", "status", "type"],
    "Responses received from other apps.",
);

/// Time to the answer; values: source app, status.
pub const SERVICE_INVOCATION_RESPONSE_LATENCY: Family = family(
    "dapr_runtime_service_invocation_res_recv_latency_ms",
    Kind::Latency,
    &["app_id", "src_app_id", "status"],
    "Milliseconds from a request to another app to its response.",
);

/// HTTP requests begun; values: method, path, status.
pub const HTTP_SERVER_REQUESTS: Family = family(
    "dapr_http_server_request_count",
    Kind::Counter,
    &["app_id", "method", "path", "status"],
    "HTTP requests to the API.",
);

/// HTTP requests answered; values: method, path, status.
pub const HTTP_SERVER_RESPONSES: Family = family(
    "dapr_http_server_response_count",
    Kind::Counter,
    &["app_id", "method", "path", "status"],
    "HTTP responses of the API.",
);

/// Time of HTTP requests; values: method, path, status.
pub const HTTP_SERVER_LATENCY: Family = family(
    "dapr_http_server_latency",
    Kind::Latency,
    &["app_id", "method", "path", "status"],
    "Milliseconds per HTTP request to the API.",
);

/// Bytes of HTTP request bodies.
pub const HTTP_SERVER_REQUEST_BYTES: Family =
    family("dapr_http_server_request_bytes", Kind::Size, &["app_id"], "Bytes of HTTP request bodies.");

/// Bytes of HTTP response bodies.
pub const HTTP_SERVER_RESPONSE_BYTES: Family =
    family("dapr_http_server_response_bytes", Kind::Size, &["app_id"], "Bytes of HTTP response bodies.");

/// gRPC calls answered; values: method, status.
pub const GRPC_SERVER_COMPLETED: Family = family(
    "dapr_grpc_io_server_completed_rpcs",
    Kind::Counter,
    &["app_id", "grpc_server_method", "grpc_server_status"],
    "gRPC calls answered.",
);

/// Time of gRPC calls; values: method, status.
pub const GRPC_SERVER_LATENCY: Family = family(
    "dapr_grpc_io_server_server_latency",
    Kind::Latency,
    &["app_id", "grpc_server_method", "grpc_server_status"],
    "Milliseconds per gRPC call.",
);

/// Calls to a state component; values: component, namespace, operation, success.
pub const COMPONENT_STATE_CALLS: Family = family(
    "dapr_component_state_count",
    Kind::Counter,
    &["app_id", "component", "namespace", "operation", "success"],
    "Calls to state components.",
);

/// Time of calls to a state component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_STATE_LATENCY: Family = family(
    "dapr_component_state_latencies",
    Kind::Latency,
    &["app_id", "component", "namespace", "operation", "success"],
    "Milliseconds per call to a state component.",
);

/// Calls to a secret component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_SECRET_CALLS: Family = family(
    "dapr_component_secret_count",
    Kind::Counter,
    &["app_id", "component", "namespace", "operation", "success"],
    "Calls to secret components.",
);

/// Time of calls to a secret component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_SECRET_LATENCY: Family = family(
    "dapr_component_secret_latencies",
    Kind::Latency,
    &["app_id", "component", "namespace", "operation", "success"],
    "Milliseconds per call to a secret component.",
);

/// Messages published; values: component, namespace, success, topic.
pub const PUBSUB_EGRESS: Family = family(
    "dapr_component_pubsub_egress_count",
    Kind::Counter,
    PUBSUB_EGRESS_LABELS,
    "Messages published to pub/sub components.",
);

/// Time of publishing a message; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_LATENCIES: Family = family(
    "dapr_component_pubsub_egress_latencies",
    Kind::Latency,
    PUBSUB_EGRESS_LABELS,
    "Milliseconds per message published to a pub/sub component.",
);

/// Requests to publish many messages; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_BULK: Family = family(
    "dapr_component_pubsub_egress_bulk_count",
    Kind::Counter,
    PUBSUB_EGRESS_LABELS,
    "Bulk requests to pub/sub components.",
);

/// Messages published by such requests; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_BULK_EVENTS: Family = family(
    "dapr_component_pubsub_egress_bulk_event_count",
    Kind::Counter,
    PUBSUB_EGRESS_LABELS,
    "Messages published to pub/sub components by bulk requests.",
);

/// Time of publishing many messages; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_BULK_LATENCIES: Family = family(
    "dapr_component_pubsub_egress_bulk_latencies",
    Kind::Latency,
    PUBSUB_EGRESS_LABELS,
    "Milliseconds per bulk request to a pub/sub component.",
);

const PUBSUB_EGRESS_LABELS: &[&str] = &["app_id", "component", "namespace", "success", "topic"];

/// Messages that came in; values: component, namespace, process status, status, topic.
pub const PUBSUB_INGRESS: Family = family(
    "dapr_component_pubsub_ingress_count",
    Kind::Counter,
    PUBSUB_INGRESS_LABELS,
    "Messages that came in from pub/sub components, by what became of them.",
);

/// Time the app took for a message; values as in [`PUBSUB_INGRESS`].
pub const PUBSUB_INGRESS_LATENCIES: Family = family(
    "dapr_component_pubsub_ingress_latencies",
    Kind::Latency,
    PUBSUB_INGRESS_LABELS,
    "Milliseconds the app took for a message.",
);

/// Calls to the app with many messages; values: component, namespace, process status (empty), topic.
pub const PUBSUB_INGRESS_BULK: Family = family(
    "dapr_component_pubsub_ingress_bulk_count",
    Kind::Counter,
    PUBSUB_INGRESS_BULK_LABELS,
    "Calls to the app with many messages.",
);

/// Messages of such calls; values: component, namespace, process status, topic.
pub const PUBSUB_INGRESS_BULK_EVENTS: Family = family(
    "dapr_component_pubsub_ingress_bulk_event_count",
    Kind::Counter,
    PUBSUB_INGRESS_BULK_LABELS,
    "Messages of calls with many messages, by what became of them.",
);

/// Time the app took for many messages; values as in [`PUBSUB_INGRESS_BULK`].
pub const PUBSUB_INGRESS_BULK_LATENCIES: Family = family(
    "dapr_component_pubsub_ingress_bulk_latencies",
    Kind::Latency,
    PUBSUB_INGRESS_BULK_LABELS,
    "Milliseconds the app took for many messages.",
);

const PUBSUB_INGRESS_LABELS: &[&str] = &["app_id", "component", "namespace", "process_status", "status", "topic"];
const PUBSUB_INGRESS_BULK_LABELS: &[&str] = &["app_id", "component", "namespace", "process_status", "topic"];

/// Errors answered, when recording them is enabled; values: error code, category.
pub const ERROR_CODES: Family =
    family("dapr_error_code_total", Kind::Counter, &["app_id", "error_code", "category"], "Errors answered, by code.");

/// First identities obtained from sentry.
pub const MTLS_INITIALISED: Family =
    family("dapr_runtime_mtls_init_total", Kind::Counter, &["app_id"], "First identities obtained from sentry.");

/// Identities renewed.
pub const MTLS_ROTATED: Family =
    family("dapr_runtime_mtls_workload_cert_rotated_total", Kind::Counter, &["app_id"], "Identities renewed.");

/// Identities that could not be obtained or renewed; values: why.
pub const MTLS_ROTATION_FAILED: Family = family(
    "dapr_runtime_mtls_workload_cert_rotated_fail_total",
    Kind::Counter,
    &["app_id", "reason"],
    "Identities that could not be obtained or renewed.",
);

/// Requests to sign that sentry has received.
pub const SENTRY_SIGN_REQUESTS: Family =
    family("dapr_sentry_cert_sign_request_received_total", Kind::Counter, &[], "Signing requests received.");

/// Certificates that sentry has signed.
pub const SENTRY_SIGN_SUCCESSES: Family =
    family("dapr_sentry_cert_sign_success_total", Kind::Counter, &[], "Certificates signed.");

/// Requests to sign that sentry has refused; value: `sign`, or `issuer_expired` when nothing can be signed.
pub const SENTRY_SIGN_FAILURES: Family =
    family("dapr_sentry_cert_sign_failure_total", Kind::Counter, &["reason"], "Signing requests refused, by reason.");

/// Failures of sentry to certify itself; value: reason.
pub const SENTRY_OWN_FAILURES: Family = family(
    "dapr_sentry_servercert_issue_failed_total",
    Kind::Counter,
    &["reason"],
    "Failures to make the certificate of the certificate authority's own server, by reason.",
);

/// How often the issuer has become another one, the first included.
pub const SENTRY_ISSUER_CHANGES: Family =
    family("dapr_sentry_issuercert_changed_total", Kind::Counter, &[], "Changes of the issuer certificate.");

/// When the issuer ends, in seconds since 1970.
pub const SENTRY_ISSUER_EXPIRY: Family = family(
    "dapr_sentry_issuercert_expiry_timestamp",
    Kind::Gauge,
    &[],
    "Unix time when the issuer certificate expires.",
);

/// Every family above.
pub const ALL: &[&Family] = &[
    &COMPONENTS_LOADED,
    &COMPONENTS_INITIALISED,
    &COMPONENTS_FAILED,
    &SERVICE_INVOCATION_REQUESTS_SENT,
    &SERVICE_INVOCATION_REQUESTS_RECEIVED,
    &SERVICE_INVOCATION_RESPONSES_SENT,
    &SERVICE_INVOCATION_RESPONSES_RECEIVED,
    &SERVICE_INVOCATION_RESPONSE_LATENCY,
    &HTTP_SERVER_REQUESTS,
    &HTTP_SERVER_RESPONSES,
    &HTTP_SERVER_LATENCY,
    &HTTP_SERVER_REQUEST_BYTES,
    &HTTP_SERVER_RESPONSE_BYTES,
    &GRPC_SERVER_COMPLETED,
    &GRPC_SERVER_LATENCY,
    &COMPONENT_STATE_CALLS,
    &COMPONENT_STATE_LATENCY,
    &COMPONENT_SECRET_CALLS,
    &COMPONENT_SECRET_LATENCY,
    &PUBSUB_EGRESS,
    &PUBSUB_EGRESS_LATENCIES,
    &PUBSUB_EGRESS_BULK,
    &PUBSUB_EGRESS_BULK_EVENTS,
    &PUBSUB_EGRESS_BULK_LATENCIES,
    &PUBSUB_INGRESS,
    &PUBSUB_INGRESS_LATENCIES,
    &PUBSUB_INGRESS_BULK,
    &PUBSUB_INGRESS_BULK_EVENTS,
    &PUBSUB_INGRESS_BULK_LATENCIES,
    &ERROR_CODES,
    &MTLS_INITIALISED,
    &MTLS_ROTATED,
    &MTLS_ROTATION_FAILED,
    &SENTRY_SIGN_REQUESTS,
    &SENTRY_SIGN_SUCCESSES,
    &SENTRY_SIGN_FAILURES,
    &SENTRY_OWN_FAILURES,
    &SENTRY_ISSUER_CHANGES,
    &SENTRY_ISSUER_EXPIRY,
];
