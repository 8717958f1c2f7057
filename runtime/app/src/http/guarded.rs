//! Requests that pass a pipeline on their way to the app. Called by the HTTP channel, only where there is a pipeline.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::header::CONTENT_LENGTH;
use ::http::{Request, Response, StatusCode};
use call::Failure;
use loaded::{Next, Pipeline, Unguarded};
use service::{Body, HttpClient};

use super::{Held, failure};
use crate::channel::Slot;

/// Sends a request through the pipeline. The answer is that of the app, or of a middleware that did not let the request
/// pass.
///
/// # Errors
/// When the request passed, and the app gave no answer.
pub(super) async fn send(
    pipeline: &Pipeline,
    client: &HttpClient,
    request: Request<Body>,
    slot: Slot,
) -> Result<Response<Body>, Failure> {
    let failed: Arc<Mutex<Option<Failure>>> = Arc::default();
    let (client, unanswered) = (client.clone(), Arc::clone(&failed));
    let end = Next::new(move |request| async move {
        match client.send(request).await {
            Ok(response) => response.map(|body| service::body::boxed(Held::new(body, slot))),
            Err(error) => {
                *unanswered.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure(error));
                let mut response = Response::new(service::body::empty());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    });
    let response = pipeline.run(request, Unguarded::Refuse, end).await;
    let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
    failed.map_or(Ok(response), Err)
}

/// The length of an answer, if the app or a middleware still announces it.
pub(super) fn announced(response: &Response<Body>) -> Option<u64> {
    let length = http_body::Body::size_hint(response.body()).exact();
    length.or_else(|| response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}
