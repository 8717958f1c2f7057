//! The one body type of every request and response, and reading it within a limit.
//! Called wherever a body is made, passed on or read. Bodies stream: only `read_bounded` holds a whole one.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;

/// Any error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A streamed body of bytes and trailers.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Of a body that may turn out small, at most this much is reserved ahead.
const MAX_RESERVED: usize = 64 * 1024;

/// A body without content.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body whose content is known.
pub fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body as a connection receives it.
#[must_use]
pub fn from_incoming(incoming: Incoming) -> Body {
    boxed(incoming)
}

/// Any other body.
pub fn boxed<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// A body has more bytes than it may have. Limited bodies fail with it; find it with `downcast_ref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTooLarge {
    /// The limit, in bytes.
    pub limit: u64,
}

impl fmt::Display for BodyTooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the body is larger than the limit of {} bytes", self.limit)
    }
}

impl Error for BodyTooLarge {}

/// Why a body could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// It is larger than allowed.
    TooLarge(BodyTooLarge),
    /// The connection or the sender failed.
    Failed(BoxError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(error) => error.fmt(formatter),
            Self::Failed(error) => write!(formatter, "reading the body failed: {error}"),
        }
    }
}

impl Error for ReadError {}

/// A body that fails with [`BodyTooLarge`] as soon as more than the limit has passed, or is announced.
#[derive(Debug)]
pub struct Limited<B> {
    inner: B,
    limit: u64,
    remaining: u64,
}

/// Limits a body to `limit` bytes of data; trailers do not count.
pub fn limit<B>(body: B, limit: u64) -> Limited<B> {
    Limited { inner: body, limit, remaining: limit }
}

impl<B> HttpBody for Limited<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let too_large = BodyTooLarge { limit: self.limit };
        if self.inner.size_hint().lower() > self.remaining {
            return Poll::Ready(Some(Err(too_large.into())));
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        if let Some(data) = frame.data_ref() {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            match self.remaining.checked_sub(length) {
                Some(rest) => self.remaining = rest,
                None => {
                    self.remaining = 0;
                    return Poll::Ready(Some(Err(too_large.into())));
                }
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body of at most `limit` bytes of data. One whose connection keeps it to a length that is not larger is left as it is.
#[must_use]
pub fn limit_received(body: Body, max: u64) -> Body {
    match body.size_hint().exact() {
        Some(length) if length <= max => body,
        _ => boxed(limit(body, max)),
    }
}

/// Reads a whole body of at most `max` bytes; trailers are dropped. A body that arrives in one piece is not copied.
///
/// # Errors
/// [`ReadError::TooLarge`] as soon as the limit is known to be passed, [`ReadError::Failed`] when the sender fails.
pub async fn read_bounded<B>(body: B, max: u64) -> Result<Bytes, ReadError>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut limited = limit(body, max);
    let mut first: Option<Bytes> = None;
    let mut collected = BytesMut::new();
    while let Some(frame) = limited.frame().await {
        let Ok(data) = frame.map_err(read_error)?.into_data() else { continue };
        match first.take() {
            None if collected.is_empty() => first = Some(data),
            None => collected.extend_from_slice(&data),
            Some(start) => {
                let announced = usize::try_from(limited.size_hint().lower()).unwrap_or(MAX_RESERVED);
                collected.reserve(start.len() + data.len() + announced.min(MAX_RESERVED));
                collected.extend_from_slice(&start);
                collected.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| collected.freeze()))
}

fn read_error(error: BoxError) -> ReadError {
    match error.downcast_ref::<BodyTooLarge>() {
        Some(too_large) => ReadError::TooLarge(*too_large),
        None => ReadError::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Yields its pieces one by one.
    struct Pieces(VecDeque<Result<Frame<Bytes>, BoxError>>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn pieces(parts: &[&'static str]) -> Pieces {
        Pieces(parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect())
    }

    #[tokio::test]
    async fn pieces_are_joined_up_to_the_limit() {
        assert_eq!(read_bounded(pieces(&["ab", "", "cd", "e"]), 5).await.unwrap(), "abcde");
        assert_eq!(read_bounded(pieces(&[]), 0).await.unwrap(), "");
        assert_eq!(read_bounded(empty(), 0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn one_byte_too_many_is_refused() {
        let error = read_bounded(pieces(&["ab", "cd"]), 3).await.unwrap_err();
        assert!(matches!(error, ReadError::TooLarge(BodyTooLarge { limit: 3 })));
    }

    #[tokio::test]
    async fn an_announced_length_above_the_limit_is_refused_before_reading() {
        let error = read_bounded(full("abcd"), 3).await.unwrap_err();
        assert!(matches!(error, ReadError::TooLarge(_)));
    }

    #[tokio::test]
    async fn a_failing_sender_is_told_apart_from_a_large_body() {
        let mut body = pieces(&["ab"]);
        body.0.push_back(Err("gone".into()));
        assert!(matches!(read_bounded(body, 9).await.unwrap_err(), ReadError::Failed(_)));
    }

    #[tokio::test]
    async fn trailers_pass_a_limited_body() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let mut body = pieces(&["ab"]);
        body.0.push_back(Ok(Frame::trailers(trailers.clone())));
        let collected = limit(body, 2).collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
    }
}
