//! A gRPC answer of one message that went well, without the machinery of streams. Called where such answers are made by hand:
//! the internal port and the unary methods of the gRPC API.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::{Body, BoxError};

/// The body: one message, then the status.
struct Single {
    message: Option<Bytes>,
    is_over: bool,
}

/// The answer of this message, which has its prefix of five bytes, after these headers.
#[must_use]
pub fn single(mut headers: HeaderMap, message: Bytes) -> Response<Body> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let mut response = Response::new(Single { message: Some(message), is_over: false }.boxed_unsync());
    *response.headers_mut() = headers;
    response
}

impl http_body::Body for Single {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if std::mem::replace(&mut self.is_over, true) {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        // None is told: an answer in gRPC has no content-length.
        SizeHint::default()
    }
}
