//! How answers of the API look over HTTP.

use bytes::Bytes;
use errors::ApiError;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use service::Body;

use crate::noted::Noted;

/// 204.
pub(super) fn empty() -> Response<Body> {
    let mut response = Response::new(service::body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Bytes that are JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(service::body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Plain text, where the target answers so.
pub(super) fn text(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(service::body::full(message.to_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An error of the catalogue.
pub(super) fn error(error: &ApiError) -> Response<Body> {
    let rendered = errors::http::render(error);
    let mut response = json(rendered.status, rendered.body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(rendered.content_type));
    if rendered.content_type.starts_with("text/") {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    note(error, &mut response);
    response
}

/// Says in a response which error it is, for the door, which counts it.
pub(super) fn note(error: &ApiError, response: &mut Response<Body>) {
    if let Some(noted) = Noted::of(error) {
        response.extensions_mut().insert(noted);
    }
}
