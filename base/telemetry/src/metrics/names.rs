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
    /// Which label has values that clients choose: of such a family only so many series are kept apart.
    pub open: Option<usize>,
    /// Whether the label [`APP_ID`] names who called, rather than this app.
    pub names_caller: bool,
}

/// The label that names an app.
pub const APP_ID: &str = "app_id";

const fn family(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, labels, kind, help, open: None, names_caller: false }
}

impl Family {
    /// The same, with values that clients choose at this place among its labels.
    const fn open(self, label: usize) -> Self {
        Self { open: Some(label), ..self }
    }
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

/// Components initialised; value: component type.
pub const COMPONENTS_INITIALISED: Family = family(
    "dapr_runtime_component_init_total",
    Kind::Counter,
    &[APP_ID, "component"],
    "Components initialised, by type.",
);

/// Invocations sent to other apps; values: destination app, type (`unary` or `streaming`).
pub const SERVICE_INVOCATION_REQUESTS_SENT: Family = family(
    "dapr_runtime_service_invocation_req_sent_total",
    Kind::Counter,
    &[APP_ID, "dst_app_id", "type"],
    "Requests sent to other apps.",
)
.open(1);

/// Invocations received; value: source app.
pub const SERVICE_INVOCATION_REQUESTS_RECEIVED: Family = family(
    "dapr_runtime_service_invocation_req_recv_total",
    Kind::Counter,
    &[APP_ID, "src_app_id"],
    "Requests received from other apps.",
)
.open(1);

/// Answers sent; values: destination app, status.
pub const SERVICE_INVOCATION_RESPONSES_SENT: Family = family(
    "dapr_runtime_service_invocation_res_sent_total",
    Kind::Counter,
    &[APP_ID, "dst_app_id", "status"],
    "Responses sent to other apps.",
)
.open(1);

/// Answers received; values: source app, status, type (`unary` or `streaming`).
pub const SERVICE_INVOCATION_RESPONSES_RECEIVED: Family = family(
    "dapr_runtime_service_invocation_res_recv_total",
    Kind::Counter,
    &[APP_ID, "src_app_id", "status", "type"],
    "Responses received from other apps.",
)
.open(1);

/// Time to the answer; values: source app, status.
pub const SERVICE_INVOCATION_RESPONSE_LATENCY: Family = family(
    "dapr_runtime_service_invocation_res_recv_latency_ms",
    Kind::Latency,
    &[APP_ID, "src_app_id", "status"],
    "Milliseconds from a request to another app to its response.",
)
.open(1);

const HTTP_LABELS: &[&str] = &[APP_ID, "method", "path", "status"];

/// HTTP requests to the API; values: method, path, status.
pub const HTTP_SERVER_REQUESTS: Family =
    family("dapr_http_server_request_count", Kind::Counter, HTTP_LABELS, "HTTP requests to the API.").open(2);

/// The same number again, where paths are told apart; values: method, path, status.
pub const HTTP_SERVER_RESPONSES: Family =
    family("dapr_http_server_response_count", Kind::Counter, HTTP_LABELS, "HTTP responses of the API.").open(2);

/// Time of HTTP requests; values: method, path, status.
pub const HTTP_SERVER_LATENCY: Family =
    family("dapr_http_server_latency", Kind::Latency, HTTP_LABELS, "Milliseconds per HTTP request to the API.").open(2);

/// Bytes of HTTP request bodies.
pub const HTTP_SERVER_REQUEST_BYTES: Family =
    family("dapr_http_server_request_bytes", Kind::Size, &[APP_ID], "Bytes of HTTP request bodies.");

/// Bytes of HTTP response bodies.
pub const HTTP_SERVER_RESPONSE_BYTES: Family =
    family("dapr_http_server_response_bytes", Kind::Size, &[APP_ID], "Bytes of HTTP response bodies.");

/// Bytes of bodies sent to HTTP apps; values: method, path, status (always empty).
pub const HTTP_CLIENT_SENT_BYTES: Family =
    family("dapr_http_client_sent_bytes", Kind::Size, HTTP_LABELS, "Bytes of HTTP request bodies sent to apps.")
        .open(2);

/// Bytes of bodies that HTTP apps answered.
pub const HTTP_CLIENT_RECEIVED_BYTES: Family =
    family("dapr_http_client_received_bytes", Kind::Size, &[APP_ID], "Bytes of HTTP response bodies of apps.");

/// Calls of HTTP apps; values: method, path, status.
pub const HTTP_CLIENT_COMPLETED: Family =
    family("dapr_http_client_completed_count", Kind::Counter, HTTP_LABELS, "HTTP requests answered by apps.").open(2);

/// Time of such calls; values: method, path, status.
pub const HTTP_CLIENT_LATENCY: Family = family(
    "dapr_http_client_roundtrip_latency",
    Kind::Latency,
    HTTP_LABELS,
    "Milliseconds per HTTP request to an app.",
)
.open(2);

/// Health probes of HTTP apps; value: status.
pub const HTTP_PROBES: Family = family(
    "dapr_http_healthprobes_completed_count",
    Kind::Counter,
    &[APP_ID, "status"],
    "Health probes of the app over HTTP.",
);

/// Time of such probes; value: status.
pub const HTTP_PROBE_LATENCY: Family = family(
    "dapr_http_healthprobes_roundtrip_latency",
    Kind::Latency,
    &[APP_ID, "status"],
    "Milliseconds per health probe of the app over HTTP.",
);

const GRPC_SERVER_LABELS: &[&str] = &[APP_ID, "grpc_server_method", "grpc_server_status"];
const GRPC_CLIENT_LABELS: &[&str] = &[APP_ID, "grpc_client_method", "grpc_client_status"];

/// gRPC calls answered; values: method, status.
pub const GRPC_SERVER_COMPLETED: Family =
    family("dapr_grpc_io_server_completed_rpcs", Kind::Counter, GRPC_SERVER_LABELS, "gRPC calls answered.").open(1);

/// Time of gRPC calls; values: method, status.
pub const GRPC_SERVER_LATENCY: Family =
    family("dapr_grpc_io_server_server_latency", Kind::Latency, GRPC_SERVER_LABELS, "Milliseconds per gRPC call.")
        .open(1);

/// Bytes of the messages of requests; value: method.
pub const GRPC_SERVER_RECEIVED_BYTES: Family = family(
    "dapr_grpc_io_server_received_bytes_per_rpc",
    Kind::Size,
    &[APP_ID, "grpc_server_method"],
    "Bytes received per gRPC call.",
)
.open(1);

/// Bytes of the messages of answers; value: method.
pub const GRPC_SERVER_SENT_BYTES: Family = family(
    "dapr_grpc_io_server_sent_bytes_per_rpc",
    Kind::Size,
    &[APP_ID, "grpc_server_method"],
    "Bytes sent per gRPC call.",
)
.open(1);

/// gRPC calls of the app; values: method, status.
pub const GRPC_CLIENT_COMPLETED: Family =
    family("dapr_grpc_io_client_completed_rpcs", Kind::Counter, GRPC_CLIENT_LABELS, "gRPC calls made.");

/// Time of such calls; values: method, status.
pub const GRPC_CLIENT_LATENCY: Family = family(
    "dapr_grpc_io_client_roundtrip_latency",
    Kind::Latency,
    GRPC_CLIENT_LABELS,
    "Milliseconds per gRPC call made.",
);

/// Bytes of the messages of such calls; value: method.
pub const GRPC_CLIENT_SENT_BYTES: Family = family(
    "dapr_grpc_io_client_sent_bytes_per_rpc",
    Kind::Size,
    &[APP_ID, "grpc_client_method"],
    "Bytes sent per gRPC call made.",
);

/// Bytes of the messages of answers to such calls; value: method.
pub const GRPC_CLIENT_RECEIVED_BYTES: Family = family(
    "dapr_grpc_io_client_received_bytes_per_rpc",
    Kind::Size,
    &[APP_ID, "grpc_client_method"],
    "Bytes received per gRPC call made.",
);

/// Health probes of gRPC apps; value: status.
pub const GRPC_PROBES: Family = family(
    "dapr_grpc_io_healthprobes_completed_count",
    Kind::Counter,
    &[APP_ID, "grpc_client_status"],
    "Health probes of the app over gRPC.",
);

/// Time of such probes; value: status.
pub const GRPC_PROBE_LATENCY: Family = family(
    "dapr_grpc_io_healthprobes_roundtrip_latency",
    Kind::Latency,
    &[APP_ID, "grpc_client_status"],
    "Milliseconds per health probe of the app over gRPC.",
);

/// Errors that the API answered with; values: code, category.
pub const ERROR_CODES: Family = family(
    "dapr_error_code_total",
    Kind::Counter,
    &[APP_ID, "error_code", "category"],
    "Errors that the API answered with, by code.",
);

const OPERATION_LABELS: &[&str] = &[APP_ID, "component", "namespace", "operation", "success"];

/// Calls to a state component; values: component, namespace, operation, success.
pub const COMPONENT_STATE_CALLS: Family =
    family("dapr_component_state_count", Kind::Counter, OPERATION_LABELS, "Calls to state components.");

/// Time of calls to a state component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_STATE_LATENCY: Family = family(
    "dapr_component_state_latencies",
    Kind::Latency,
    OPERATION_LABELS,
    "Milliseconds per call to a state component.",
);

/// Calls to a secret component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_SECRET_CALLS: Family =
    family("dapr_component_secret_count", Kind::Counter, OPERATION_LABELS, "Calls to secret components.");

/// Time of calls to a secret component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_SECRET_LATENCY: Family = family(
    "dapr_component_secret_latencies",
    Kind::Latency,
    OPERATION_LABELS,
    "Milliseconds per call to a secret component.",
);

/// Calls to a configuration component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_CONFIGURATION_CALLS: Family =
    family("dapr_component_configuration_count", Kind::Counter, OPERATION_LABELS, "Calls to configuration components.");

/// Time of calls to a configuration component; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_CONFIGURATION_LATENCY: Family = family(
    "dapr_component_configuration_latencies",
    Kind::Latency,
    OPERATION_LABELS,
    "Milliseconds per call to a configuration component.",
);

/// Calls to a component of cryptography; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_CRYPTO_CALLS: Family =
    family("dapr_component_crypto_count", Kind::Counter, OPERATION_LABELS, "Calls to cryptography components.");

/// Time of calls to a component of cryptography; values as in [`COMPONENT_STATE_CALLS`].
pub const COMPONENT_CRYPTO_LATENCY: Family = family(
    "dapr_component_crypto_latencies",
    Kind::Latency,
    OPERATION_LABELS,
    "Milliseconds per call to a cryptography component.",
);

/// Calls to a language model; values: component, namespace, success.
pub const COMPONENT_CONVERSATION_CALLS: Family = family(
    "dapr_component_conversation_count",
    Kind::Counter,
    &[APP_ID, "component", "namespace", "success"],
    "Calls to conversation components.",
);

/// Time of calls to a language model; values as in [`COMPONENT_CONVERSATION_CALLS`].
pub const COMPONENT_CONVERSATION_LATENCY: Family = family(
    "dapr_component_conversation_latencies",
    Kind::Latency,
    &[APP_ID, "component", "namespace", "success"],
    "Milliseconds per call to a conversation component.",
);

const fn policy(name: &'static str, help: &'static str) -> Family {
    let family = family(name, Kind::Counter, &[APP_ID, "namespace", "trustDomain"], help);
    Family { names_caller: true, ..family }.open(0)
}

/// Calls that the policy of their caller let pass; values: the caller's app, namespace and trust domain.
pub const POLICY_ALLOWED: Family =
    policy("dapr_runtime_acl_app_policy_action_allowed_total", "Calls allowed by the policy of their caller.");

/// Calls that the policy of their caller refused; values as in [`POLICY_ALLOWED`].
pub const POLICY_BLOCKED: Family =
    policy("dapr_runtime_acl_app_policy_action_blocked_total", "Calls refused by the policy of their caller.");

/// Calls that the default of the list let pass; values as in [`POLICY_ALLOWED`].
pub const DEFAULT_ALLOWED: Family =
    policy("dapr_runtime_acl_global_policy_action_allowed_total", "Calls allowed by the default of the list.");

/// Calls that the default of the list refused; values as in [`POLICY_ALLOWED`].
pub const DEFAULT_BLOCKED: Family =
    policy("dapr_runtime_acl_global_policy_action_blocked_total", "Calls refused by the default of the list.");

/// Messages published; values: component, namespace, success, topic.
pub const PUBSUB_EGRESS: Family = family(
    "dapr_component_pubsub_egress_count",
    Kind::Counter,
    PUBSUB_EGRESS_LABELS,
    "Messages published to pub/sub components.",
)
.open(4);

/// Time of publishing a message; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_LATENCIES: Family = family(
    "dapr_component_pubsub_egress_latencies",
    Kind::Latency,
    PUBSUB_EGRESS_LABELS,
    "Milliseconds per message published to a pub/sub component.",
)
.open(4);

/// Requests to publish many messages; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_BULK: Family = family(
    "dapr_component_pubsub_egress_bulk_count",
    Kind::Counter,
    PUBSUB_EGRESS_LABELS,
    "Bulk requests to pub/sub components.",
)
.open(4);

/// Messages published by such requests; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_BULK_EVENTS: Family = family(
    "dapr_component_pubsub_egress_bulk_event_count",
    Kind::Counter,
    PUBSUB_EGRESS_LABELS,
    "Messages published to pub/sub components by bulk requests.",
)
.open(4);

/// Time of publishing many messages; values as in [`PUBSUB_EGRESS`].
pub const PUBSUB_EGRESS_BULK_LATENCIES: Family = family(
    "dapr_component_pubsub_egress_bulk_latencies",
    Kind::Latency,
    PUBSUB_EGRESS_LABELS,
    "Milliseconds per bulk request to a pub/sub component.",
)
.open(4);

const PUBSUB_EGRESS_LABELS: &[&str] = &[APP_ID, "component", "namespace", "success", "topic"];

/// Messages that came in; values: component, namespace, process status, status, topic.
pub const PUBSUB_INGRESS: Family = family(
    "dapr_component_pubsub_ingress_count",
    Kind::Counter,
    PUBSUB_INGRESS_LABELS,
    "Messages that came in from pub/sub components, by what became of them.",
)
.open(5);

/// Time the app took for a message; values as in [`PUBSUB_INGRESS`].
pub const PUBSUB_INGRESS_LATENCIES: Family = family(
    "dapr_component_pubsub_ingress_latencies",
    Kind::Latency,
    PUBSUB_INGRESS_LABELS,
    "Milliseconds the app took for a message.",
)
.open(5);

/// Calls to the app with many messages; values: component, namespace, process status (empty), topic.
pub const PUBSUB_INGRESS_BULK: Family = family(
    "dapr_component_pubsub_ingress_bulk_count",
    Kind::Counter,
    PUBSUB_INGRESS_BULK_LABELS,
    "Calls to the app with many messages.",
)
.open(4);

/// Messages of such calls; values: component, namespace, process status, topic.
pub const PUBSUB_INGRESS_BULK_EVENTS: Family = family(
    "dapr_component_pubsub_ingress_bulk_event_count",
    Kind::Counter,
    PUBSUB_INGRESS_BULK_LABELS,
    "Messages of calls with many messages, by what became of them.",
)
.open(4);

/// Time the app took for many messages; values as in [`PUBSUB_INGRESS_BULK`].
pub const PUBSUB_INGRESS_BULK_LATENCIES: Family = family(
    "dapr_component_pubsub_ingress_bulk_latencies",
    Kind::Latency,
    PUBSUB_INGRESS_BULK_LABELS,
    "Milliseconds the app took for many messages.",
)
.open(4);

const PUBSUB_INGRESS_LABELS: &[&str] = &[APP_ID, "component", "namespace", "process_status", "status", "topic"];
const PUBSUB_INGRESS_BULK_LABELS: &[&str] = &[APP_ID, "component", "namespace", "process_status", "topic"];

/// First identities obtained from sentry.
pub const MTLS_INITIALISED: Family =
    family("dapr_runtime_mtls_init_total", Kind::Counter, &[APP_ID], "First identities obtained from sentry.");

/// Identities renewed.
pub const MTLS_ROTATED: Family =
    family("dapr_runtime_mtls_workload_cert_rotated_total", Kind::Counter, &[APP_ID], "Identities renewed.");

/// Identities that could not be obtained or renewed; values: why.
pub const MTLS_ROTATION_FAILED: Family = family(
    "dapr_runtime_mtls_workload_cert_rotated_fail_total",
    Kind::Counter,
    &[APP_ID, "reason"],
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
