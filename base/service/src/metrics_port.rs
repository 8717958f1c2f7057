//! The metrics port: any path answers with the metrics in Prometheus text.
//! Called by every role whose metrics are enabled. It renders when asked and does nothing between.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use hyper::service::service_fn;

use crate::{Body, Listener, ServeOptions, Shutdown, Tasks, body, serve};

/// The media type of the text format.
const CONTENT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Serves what `render` gives at the moment of each request, until a stop is requested.
pub async fn serve_metrics(
    listener: Listener,
    render: Arc<dyn Fn() -> String + Send + Sync>,
    shutdown: Shutdown,
    tasks: Tasks,
) {
    let service = service_fn(move |_: Request<Body>| {
        let text = render();
        async move {
            let mut response: Response<Body> = Response::new(body::full(text));
            response.headers_mut().insert(CONTENT_TYPE, CONTENT);
            Ok::<_, Infallible>(response)
        }
    });
    serve(listener, service, ServeOptions::default(), shutdown, tasks).await;
}
