//! The answers that middlewares give themselves. Their texts are the target's.

use component::http::{HttpBody, empty_body, full_body};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};

/// The answer whose body is the name of its status.
pub(crate) fn status(status: StatusCode) -> Response<HttpBody> {
    text(status, status.canonical_reason().unwrap_or_default())
}

/// A line of plain text.
pub(crate) fn text(status: StatusCode, message: &'static str) -> Response<HttpBody> {
    let mut response = Response::new(full_body(message));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A redirect (302).
pub(crate) fn redirect(location: HeaderValue) -> Response<HttpBody> {
    let mut response = Response::new(empty_body());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    response
}
