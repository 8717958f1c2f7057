//! Every flag of sentry: name, kind, default, help. Names, kinds and defaults are the target's; `ca-ttl` and those that begin
//! with `rotation` are ours. Read by the parser and by `--help`.

use service::flags::Kind::{Boolean, Duration, Integer, List, Text};
use service::flags::{Flag, Flags, flag};

/// The command line of sentry.
pub const FLAGS: Flags = Flags { program: "sentry", all: ALL };

/// All flags, sorted by name.
pub const ALL: &[Flag] = &[
    flag("ca-ttl", Duration, "8760h", "How long a root and issuer count that sentry makes"),
    flag("config", Text, "daprsystem", "Configuration file; in Kubernetes mode the name of a Configuration"),
    flag("enable-metrics", Boolean, "true", "Serve metrics"),
    flag("healthz-listen-address", Text, "", "Address to listen on for /healthz; empty is all"),
    flag("healthz-port", Integer, "8080", "Port of /healthz"),
    flag("issuer-ca-filename", Text, "ca.crt", "File of the trust anchors"),
    flag("issuer-certificate-filename", Text, "issuer.crt", "File of the issuer certificate"),
    flag("issuer-credentials", Text, "/var/run/secrets/dapr.io/credentials", "Folder of the files of the bundle"),
    flag("issuer-key-filename", Text, "issuer.key", "File of the issuer's private key"),
    flag("jwks-filename", Text, "jwks.json", "File of the public keys of tokens"),
    flag("jwt-enabled", Boolean, "false", "Issue tokens beside certificates"),
    flag("jwt-issuer", Text, "", "What tokens call their issuer; empty leaves it out"),
    flag("jwt-key-filename", Text, "jwt.key", "File of the private key of tokens"),
    flag("jwt-key-id", Text, "", "What tokens call their key; empty is what the key set calls it"),
    flag("jwt-signing-algorithm", Text, "RS256", "How tokens are signed; a new key is made for it"),
    flag("jwt-ttl", Duration, "24h0m0s", "How long tokens count"),
    flag("kubeconfig", Text, "", "Kubeconfig file; empty is what the pod has, or KUBECONFIG, or ~/.kube/config"),
    flag("listen-address", Text, "", "Address to listen on; empty is all"),
    flag("log-as-json", Boolean, "false", "Log JSON objects"),
    flag("log-file", Text, "", "File to append the log to"),
    flag("log-level", Text, "info", "debug, info, warn, error or fatal"),
    flag("metrics-listen-address", Text, "0.0.0.0", "Address to listen on for metrics"),
    flag("metrics-port", Text, "9090", "Port of the metrics"),
    flag("mode", Text, "standalone", "standalone or kubernetes"),
    flag("oidc-allowed-hosts", List, "", "Hosts that requests for discovery may name; empty is every host"),
    flag("oidc-enabled", Boolean, "false", "Serve discovery and public keys over HTTP; needs jwt-enabled"),
    flag("oidc-jwks-uri", Text, "", "Where the public keys are, when that is elsewhere"),
    flag("oidc-path-prefix", Text, "", "What stands before the paths of discovery"),
    flag("oidc-server-listen-address", Text, "localhost", "Address to listen on for discovery"),
    flag("oidc-server-listen-port", Integer, "9080", "Port of discovery"),
    flag("oidc-server-tls-cert-file", Text, "", "File of the certificate of discovery"),
    flag("oidc-server-tls-enabled", Boolean, "true", "Serve discovery with TLS"),
    flag("oidc-server-tls-key-file", Text, "", "File of the private key of discovery"),
    flag("port", Integer, "50001", "Port of the gRPC service"),
    flag("rotation", Boolean, "true", "Replace the root and issuer that sentry has made before they end"),
    flag("rotation-distribute-at", Text, "0.5", "Part of an issuer's life after which the next root is distributed"),
    flag("rotation-sign-at", Text, "0.95", "Part of an issuer's life after which the next issuer signs"),
    flag("trust-domain", Text, "localhost", "Trust domain of the control plane"),
];
