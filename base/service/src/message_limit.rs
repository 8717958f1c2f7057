//! The message limit of gRPC (`--max-body-size`) for calls that are served or pass through: only the length in front of each
//! message is read, so that nothing is held back, and a long message is refused before it arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tonic::{Code, Status};

use crate::{Body, BoxError, Watch, Watching, body};

/// Bytes in front of each message: a flag and a length.
const PREFIX: usize = 5;

/// What a stream that had too long a message said of it, and what its messages carried; shared by the two directions of a call.
#[derive(Clone, Debug, Default)]
pub struct Excess(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    too_long: AtomicU64,
    carried: AtomicU64,
}

impl Excess {
    /// The status of a call that was ended for a message too long, if it was.
    #[must_use]
    pub fn status(&self, limit: u64) -> Option<Status> {
        let length = self.0.too_long.load(Ordering::Acquire);
        (length > 0).then(|| too_long(length, limit))
    }

    /// Notes the bytes of a request that is not followed: it is here.
    pub fn carry(&self, bytes: u64) {
        self.0.carried.store(bytes, Ordering::Relaxed);
    }

    /// The bytes of all messages of the request so far.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.0.carried.load(Ordering::Relaxed)
    }
}

/// The code of a call that ends with these headers.
pub(crate) fn code(headers: &HeaderMap) -> Option<i32> {
    Some(Code::from_bytes(headers.get("grpc-status")?.as_bytes()) as i32)
}

fn too_long(length: u64, limit: u64) -> Status {
    Status::new(Code::ResourceExhausted, format!("grpc: received message larger than max ({length} vs. {limit})"))
}

/// One direction of a gRPC call, held to the limit.
pub struct Messages<W: Watch = ()> {
    body: Body,
    limit: u64,
    /// What of a prefix has come, and how much that is.
    prefix: [u8; PREFIX],
    prefixed: usize,
    left: u64,
    /// Of a request, which breaks off at a message too long. An answer tells its end in trailers.
    excess: Option<Excess>,
    over: bool,
    carried: u64,
    watching: Watching<W>,
}

impl Messages<()> {
    /// The messages of a request; a long one breaks the stream off and is noted in `excess`.
    #[must_use]
    pub fn request(content: Body, limit: u64, excess: Excess) -> Body {
        Self::new(content, limit, Some(excess), Watching::new(None)).boxed_unsync()
    }

    /// The messages of an answer; a long one ends it with `ResourceExhausted`.
    #[must_use]
    pub fn answer(content: Body, limit: u64) -> Body {
        Self::new(content, limit, None, Watching::new(None)).boxed_unsync()
    }
}

impl<W: Watch> Messages<W> {
    /// As [`Messages::answer`], with somebody who is told the end.
    #[must_use]
    pub(crate) fn watched(content: Body, limit: u64, watching: Watching<W>) -> Body {
        Self::new(content, limit, None, watching).boxed_unsync()
    }

    fn new(body: Body, limit: u64, excess: Option<Excess>, watching: Watching<W>) -> Self {
        Self { body, limit, prefix: [0; PREFIX], prefixed: 0, left: 0, excess, over: false, carried: 0, watching }
    }

    /// Follows the messages through a piece of the stream; the length of one that is too long.
    fn follow(&mut self, mut data: &[u8]) -> Option<u64> {
        while !data.is_empty() {
            let inside = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            self.left -= inside as u64;
            data = data.get(inside..).unwrap_or_default();
            let space = self.prefix.get_mut(self.prefixed..).unwrap_or_default();
            let here = space.len().min(data.len());
            let (head, rest) = data.split_at_checked(here)?;
            if let Some(space) = space.get_mut(..here) {
                space.copy_from_slice(head);
            }
            self.prefixed += here;
            data = rest;
            if self.prefixed == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.left = u64::from(u32::from_be_bytes(length));
                self.prefixed = 0;
                self.carried += self.left;
                if self.left > self.limit {
                    return Some(self.left);
                }
            }
        }
        None
    }

    fn refuse(&mut self, length: u64) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.over = true;
        self.body = body::empty();
        let status = too_long(length, self.limit);
        if let Some(excess) = &self.excess {
            excess.0.too_long.store(length, Ordering::Release);
            return Poll::Ready(Some(Err(status.into())));
        }
        self.watching.end(Code::ResourceExhausted as i32, self.carried);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(Code::ResourceExhausted as i32));
        // The message has only characters that a header may have.
        let _ = status.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl<W: Watch> http_body::Body for Messages<W> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        if let Some(code) = frame.trailers_ref().and_then(code) {
            this.watching.end(code, this.carried);
        }
        match frame.data_ref().and_then(|data| this.follow(data)) {
            Some(length) => this.refuse(length),
            None => {
                if let Some(excess) = &this.excess {
                    excess.0.carried.store(this.carried, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend(std::iter::repeat_n(7, length as usize));
        bytes
    }

    fn messages(limit: u64) -> Messages {
        Messages::new(body::empty(), limit, None, Watching::new(None))
    }

    proptest! {
        #[test]
        fn the_first_long_message_is_found_however_the_stream_is_cut(
            lengths in proptest::collection::vec(0u32..40, 1..8),
            size in 1usize..17,
        ) {
            let stream: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let mut follower = messages(20);
            let found = stream.chunks(size).find_map(|piece| follower.follow(piece));
            prop_assert_eq!(found, lengths.iter().find(|length| **length > 20).map(|length| u64::from(*length)));
        }
    }
}
