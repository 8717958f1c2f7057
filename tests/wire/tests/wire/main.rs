//! Black-box scenarios: apps, sidecars and clients as real processes and sockets, on whatever executable `BIN_DIR` or
//! `TRILBY_BIN` names. One binary, so that it is linked once.

mod headers;
mod invoke_grpc;
mod invoke_http;
mod proxy_streaming;
mod streaming_bodies;

use testkit::{App, Sidecar};

/// A sidecar `a` with this app, and a sidecar `b` without one that calls it.
async fn pair(app: &App) -> (Sidecar, Sidecar) {
    tokio::join!(Sidecar::named("a").app(app).start(), Sidecar::named("b").start())
}
