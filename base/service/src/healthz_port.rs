//! The healthz port of the control plane: `/healthz` answers 200 while the role is well and 503 else, without a body.
//! Called by every role of the control plane.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use hyper::service::service_fn;

use crate::{Body, Health, Listener, ServeOptions, Shutdown, Tasks, body, serve};

/// The path that is answered.
const PATH: &str = "/healthz";

/// Serves until a stop is requested. With log level debug it says which parts are missing.
pub async fn serve_healthz(listener: Listener, health: Health, shutdown: Shutdown, tasks: Tasks) {
    let service = service_fn(move |request: Request<Body>| {
        let status = match (request.uri().path(), health.is_ready()) {
            (PATH, true) => StatusCode::OK,
            (PATH, false) => {
                tracing::debug!(target: "dapr.healthz", targets = ?health.missing(), "targets are unhealthy");
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::NOT_FOUND,
        };
        let mut answer: Response<Body> = Response::new(body::empty());
        *answer.status_mut() = status;
        async move { Ok::<_, Infallible>(answer) }
    });
    serve(listener, service, ServeOptions::default(), shutdown, tasks).await;
}
