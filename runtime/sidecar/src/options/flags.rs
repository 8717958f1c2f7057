//! Every flag of daprd: name, kind, default, help. Names, kinds and defaults are the target's.
//! Read by the parser, by `--help` and by the generated reference page.

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `--flag`, `--flag=true`, `--flag=false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number that is not negative.
    Unsigned,
    /// A duration such as `1m30s`.
    Duration,
    /// A comma-separated list; the flag can be repeated.
    List,
}

/// One flag.
#[derive(Debug)]
pub struct Flag {
    /// The name without dashes.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// The value when it is not given.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// What to say when it is used although it is deprecated; such a flag is not listed by `--help`.
    pub deprecated: Option<&'static str>,
}

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, default, help, deprecated: None }
}

const fn old(name: &'static str, kind: Kind, default: &'static str, instead: &'static str) -> Flag {
    Flag { name, kind, default, help: "Deprecated.", deprecated: Some(instead) }
}

use Kind::{Boolean, Duration, Integer, List, Text, Unsigned};

/// All flags, sorted by name.
pub const ALL: &[Flag] = &[
    flag("actors-disseminate-timeout", Duration, "30s", "Longest round of spreading the actor placement table"),
    old("actors-service", Text, "", "flag no longer has any effect"),
    flag("allowed-origins", Text, "", "Origins that browsers may call from, comma separated; empty is off, * is all"),
    flag("app-binding-options-timeout", Duration, "3s", "Longest wait when asking the app for its input bindings"),
    flag("app-channel-address", Text, "127.0.0.1", "Host the app listens on"),
    flag("app-health-check-path", Text, "/healthz", "Path of the app's health check, HTTP only"),
    flag("app-health-probe-interval", Integer, "5", "Seconds between health probes of the app"),
    flag("app-health-probe-timeout", Integer, "500", "Milliseconds a health probe of the app may take"),
    flag("app-health-threshold", Integer, "3", "Failed probes in a row until the app counts as unhealthy"),
    flag("app-id", Text, "", "Name of the app: how others find it, and the prefix of its state"),
    flag("app-max-concurrency", Integer, "-1", "Calls into the app at the same time; -1 is no limit"),
    flag("app-port", Text, "", "Port the app listens on"),
    flag("app-protocol", Text, "http", "Protocol of the app: http, https, grpc, grpcs, h2c"),
    old("app-ssl", Boolean, "false", "use '--app-protocol https|grpcs'"),
    flag("build-info", Boolean, "false", "Print how this was built and exit"),
    old("components-path", Text, "", "use --resources-path"),
    flag("config", List, "", "Configuration file; can be repeated"),
    flag("control-plane-address", Text, "", "Address of the operator"),
    flag("control-plane-namespace", Text, "default", "Namespace of the control plane"),
    flag("control-plane-trust-domain", Text, "localhost", "Trust domain of the control plane"),
    flag("dapr-block-shutdown-duration", Duration, "0s", "Hold a stop for this long, or until the app is unhealthy"),
    flag("dapr-graceful-shutdown-seconds", Integer, "5", "Seconds that work in flight may take at a stop"),
    flag("dapr-grpc-port", Text, "50001", "Port of the gRPC API"),
    old("dapr-http-max-request-size", Integer, "4", "use '--max-body-size 4Mi'"),
    flag("dapr-http-port", Text, "3500", "Port of the HTTP API"),
    old("dapr-http-read-buffer-size", Integer, "4", "use '--read-buffer-size 4Ki'"),
    flag("dapr-internal-grpc-listen-address", Text, "", "Address to listen on for other sidecars"),
    flag("dapr-internal-grpc-port", Text, "", "Port for other sidecars; empty is one that stays the same per app"),
    flag("dapr-listen-addresses", Text, "", "Addresses to listen on for the APIs, comma separated; empty is all"),
    flag("dapr-public-listen-address", Text, "", "Address to listen on for health and metadata"),
    flag("dapr-public-port", Text, "", "Port for health and metadata without a token; empty is off"),
    flag("disable-builtin-k8s-secret-store", Boolean, "false", "No secret store for the secrets of Kubernetes"),
    flag("disable-init-endpoints", List, "", "Calls to the app at start to leave out: config, subscribe"),
    flag("enable-api-logging", Boolean, "false", "Log calls to the APIs"),
    flag("enable-app-health-check", Boolean, "false", "Probe the health of the app"),
    flag("enable-metrics", Boolean, "true", "Serve metrics"),
    flag("enable-mtls", Boolean, "false", "Mutual TLS between sidecars"),
    flag("enable-profiling", Boolean, "false", "Serve profiles"),
    flag("hot-reload-reconcile-interval", Duration, "0s", "How often to look for changed resources; 0 is 60s"),
    flag("log-as-json", Boolean, "false", "Log JSON objects"),
    flag("log-file", Text, "", "File to append the log to"),
    flag("log-level", Text, "info", "debug, info, warn, error or fatal"),
    flag("max-body-size", Text, "4Mi", "Largest body of the APIs, such as 4Mi"),
    flag("metrics-listen-address", Text, "0.0.0.0", "Address to listen on for metrics"),
    flag("metrics-port", Text, "9090", "Port of the metrics"),
    flag("mode", Text, "standalone", "standalone or kubernetes"),
    flag("placement-host-address", Text, "", "Addresses of the placement service"),
    flag("profile-port", Text, "7777", "Port of the profiles"),
    flag("read-buffer-size", Text, "4Ki", "Largest request headers of the APIs, such as 4Ki"),
    old("reminders-service", Text, "", "flag no longer has any effect"),
    flag("resources-path", List, "", "Folder of resource files; can be repeated"),
    flag("scheduler-host-address", List, "", "Addresses of the scheduler service"),
    flag("scheduler-job-streams", Unsigned, "3", "Streams of jobs from the scheduler"),
    flag("sentry-address", Text, "", "Address of the certificate authority"),
    flag("sentry-request-jwt-audiences", List, "", "Audiences of the token asked of the certificate authority"),
    flag("unix-domain-socket", Text, "", "Folder for unix domain sockets, which then replace the ports of the APIs"),
    flag("version", Boolean, "false", "Print the version and exit"),
    flag("wait", Boolean, "false", "Wait until the sidecar on this HTTP port is ready and exit"),
];

/// The flag of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Flag> {
    ALL.iter().find(|flag| flag.name == name)
}
