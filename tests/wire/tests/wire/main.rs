//! Black-box scenarios: apps, sidecars and clients as real processes and sockets, on whatever executable `BIN_DIR` or
//! `TRILBY_BIN` names. One binary, so that it is linked once.

mod access_control;
mod app_events;
mod app_health;
mod configuration_api;
mod connections;
mod conversation;
mod cors;
mod crypto_api;
mod endpoints;
mod headers;
mod hub;
mod identity;
mod invoke_grpc;
mod invoke_http;
mod lifecycle;
mod limits;
mod lock_api;
mod logs;
mod max_concurrency;
mod metadata;
mod metrics;
mod middleware;
mod mutual_tls;
mod namespaces;
mod paths;
mod poison;
mod proxy_streaming;
mod publish;
mod resources;
mod sdk;
mod secrets_api;
mod secrets_env;
mod secrets_kubernetes;
mod sentry;
mod sentry_bundle;
mod sentry_kubernetes;
mod sentry_oidc;
mod sentry_rotation;
mod sentry_tokens;
mod smuggling;
mod state_api;
mod state_query;
mod state_values;
mod streaming_bodies;
mod streaming_subscribe;
mod tokens;
mod unary;

use testkit::{App, Sidecar};

/// A sidecar `a` with this app, and a sidecar `b` without one that calls it.
async fn pair(app: &App) -> (Sidecar, Sidecar) {
    tokio::join!(Sidecar::named("a").app(app).start(), Sidecar::named("b").start())
}
