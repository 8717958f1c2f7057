//! The frames of `CallLocalStream`: gRPC messages that each carry a piece of a body, without copying the body.
//!
//! Used by both ends of a hop: `sidecars` (we call) and `server` (we are called). A message is at most [`PIECE`] bytes of
//! body; the first one also carries the head. Sequence numbers count the pieces from zero, as the target demands.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use call::Head;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use service::{Body, BoxError};
use tonic::{Code, Status};
use wire::common::StreamPayload;

/// Body bytes in one message. The target accepts up to its message limit (at least 4 KiB is always safe there).
pub(crate) const PIECE: usize = 64 << 10;
/// Up to here a piece is copied behind its prefix: one frame and one write cost more than the copy.
const COPIED: usize = 8 << 10;
/// Of a message that is not here yet, at most this much is reserved ahead.
const MAX_RESERVED: usize = 2 * PIECE;

/// How long the body of an answer is, on the gRPC answer that carries it, where the answering sidecar has all of it. Ours:
/// the target neither sends nor looks at it.
pub(crate) const LENGTH: HeaderName = HeaderName::from_static("trilby-length");

const HEAD_FIELD: u32 = 1;
const PAYLOAD_FIELD: u32 = 2;
const DATA_FIELD: u32 = 1;
const SEQUENCE_FIELD: u32 = 2;
const PREFIX: usize = 5;

/// A gRPC body: the head and the pieces of a streamed body, then, for an answer, trailers with the status.
pub(crate) struct Framed {
    head: Option<Vec<u8>>,
    body: Body,
    rest: Bytes,
    pending: Option<Bytes>,
    failed: Option<BoxError>,
    sequence: u64,
    trailers: bool,
    ended: bool,
}

impl Framed {
    /// The frames of a request. If the body fails, the stream is reset: a cut body never looks complete.
    pub(crate) fn request(head: Vec<u8>, body: Body) -> Self {
        Self::new(head, body, false)
    }

    /// The frames of an answer. If the body fails, the trailers say so.
    pub(crate) fn answer(head: Vec<u8>, body: Body) -> Self {
        Self::new(head, body, true)
    }

    fn new(head: Vec<u8>, body: Body, trailers: bool) -> Self {
        Self {
            head: Some(head),
            ended: body.is_end_stream(),
            body,
            rest: Bytes::new(),
            pending: None,
            failed: None,
            sequence: 0,
            trailers,
        }
    }

    /// Looks for the first piece before the message is sent, so that a small body leaves together with its head. A body
    /// that has nothing to give yet is not waited for: whoever fills it gets one turn of the scheduler.
    pub(crate) async fn primed(mut self) -> Self {
        let mut turns = 1;
        std::future::poll_fn(|context| {
            match self.poll_rest(context) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.failed = Some(error),
                Poll::Pending if turns > 0 => {
                    turns -= 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => {}
            }
            Poll::Ready(())
        })
        .await;
        self
    }

    /// The message of one piece, as far as it is one frame; the rest is pending.
    fn message(&mut self, piece: Bytes) -> Bytes {
        let mut buffer = self.prefix(piece.len());
        if piece.len() <= COPIED {
            buffer.put_slice(&piece);
        } else {
            self.pending = Some(piece);
        }
        buffer.freeze()
    }

    /// Everything of one message that comes before the body's bytes. The data field is written last, so that the bytes
    /// follow as they are.
    fn prefix(&mut self, data: usize) -> BytesMut {
        let head = self.head.take();
        let mut payload = 0;
        if data > 0 {
            payload = key_len(DATA_FIELD) + encoded_len_varint(data as u64) + data;
            if self.sequence > 0 {
                payload += key_len(SEQUENCE_FIELD) + encoded_len_varint(self.sequence);
            }
        }
        let mut length = 0;
        if let Some(head) = &head {
            length += key_len(HEAD_FIELD) + encoded_len_varint(head.len() as u64) + head.len();
        }
        if data > 0 {
            length += key_len(PAYLOAD_FIELD) + encoded_len_varint(payload as u64) + payload;
        }
        let copied = if data <= COPIED { data } else { 0 };
        let mut buffer = BytesMut::with_capacity(PREFIX + length - data + copied);
        buffer.put_u8(0);
        buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        if let Some(head) = &head {
            encode_key(HEAD_FIELD, WireType::LengthDelimited, &mut buffer);
            encode_varint(head.len() as u64, &mut buffer);
            buffer.put_slice(head);
        }
        if data > 0 {
            encode_key(PAYLOAD_FIELD, WireType::LengthDelimited, &mut buffer);
            encode_varint(payload as u64, &mut buffer);
            if self.sequence > 0 {
                encode_key(SEQUENCE_FIELD, WireType::Varint, &mut buffer);
                encode_varint(self.sequence, &mut buffer);
            }
            encode_key(DATA_FIELD, WireType::LengthDelimited, &mut buffer);
            encode_varint(data as u64, &mut buffer);
            self.sequence += 1;
        }
        buffer
    }

    /// Fetches the next bytes of the body unless some are left: whether there are any, or the body has ended.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, BoxError>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        while self.rest.is_empty() && !self.ended {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest = data;
                    }
                    // Known before it is asked for, the end leaves together with the last piece.
                    self.ended = self.body.is_end_stream();
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Err(error));
                }
                None => self.ended = true,
            }
        }
        Poll::Ready(Ok(!self.rest.is_empty()))
    }

    /// The next piece of the body: `None` at its end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let any = ready!(self.poll_rest(context));
        let size = self.rest.len().min(PIECE);
        Poll::Ready(any.map(|any| any.then(|| self.rest.split_to(size))).transpose())
    }

    fn finish(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.trailers {
            return Poll::Ready(None);
        }
        self.trailers = false;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(status.code() as i32));
        if status.code() != Code::Ok {
            // A message that is no legal header is left out; the code stands.
            let _ = status.add_header(&mut trailers);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(pending) = this.pending.take() {
            return Poll::Ready(Some(Ok(Frame::data(pending))));
        }
        match this.poll_piece(context) {
            Poll::Ready(Some(Ok(piece))) => {
                let message = this.message(piece);
                Poll::Ready(Some(Ok(Frame::data(message))))
            }
            // The head does not wait for the body: a server-sent event stream may stay silent for long.
            Poll::Pending if this.head.is_some() => Poll::Ready(Some(Ok(Frame::data(this.message(Bytes::new()))))),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) if this.head.is_some() => Poll::Ready(Some(Ok(Frame::data(this.message(Bytes::new()))))),
            Poll::Ready(None) => this.finish(&Status::ok("")),
            Poll::Ready(Some(Err(error))) if this.trailers => {
                this.finish(&Status::unknown(format!("error reading the body: {error}")))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let sent = self.rest.is_empty() && self.pending.is_none() && self.head.is_none();
        self.ended && sent && self.failed.is_none() && !self.trailers
    }
}

/// Reads gRPC messages from a body.
pub(crate) struct Decoder {
    body: Body,
    /// What arrived last, as it came; most messages are whole in it.
    arrived: Bytes,
    /// The start of a message that came in parts. Either this or `arrived` is empty.
    parts: BytesMut,
    limit: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl Decoder {
    /// Messages of at most `limit` bytes each.
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        Self { body, arrived: Bytes::new(), parts: BytesMut::new(), limit, trailers: None, ended: false }
    }

    /// The next message; `None` after the last.
    pub(crate) fn poll_message<M: Message + Default>(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<M, Status>>> {
        loop {
            match self.buffered() {
                Ok(Some(bytes)) => {
                    let decoded = M::decode(bytes);
                    let refused = |error| Status::internal(format!("failed to decode a message: {error}"));
                    return Poll::Ready(Some(decoded.map_err(refused)));
                }
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            if self.ended {
                let complete = self.arrived.is_empty() && self.parts.is_empty();
                return Poll::Ready((!complete).then(|| Err(Status::internal("the stream ended inside a message"))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if self.arrived.is_empty() && self.parts.is_empty() => self.arrived = data,
                    Ok(data) => self.join(&data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(Status::unavailable(format!(
                        "error reading from the peer: {error}"
                    )))));
                }
                None => self.ended = true,
            }
        }
    }

    /// The next message, awaited.
    pub(crate) async fn message<M: Message + Default>(&mut self) -> Option<Result<M, Status>> {
        std::future::poll_fn(|context| self.poll_message(context)).await
    }

    /// Whether the trailers say that all went well, once the last message was read.
    pub(crate) fn is_ok(&self) -> bool {
        self.trailers.as_ref().and_then(|trailers| trailers.get("grpc-status")).is_some_and(|code| code == "0")
    }

    /// The status in the trailers, once the last message was read. A peer that sent none broke off.
    pub(crate) fn status(&self) -> Status {
        let trailers = self.trailers.as_ref().and_then(Status::from_header_map);
        trailers.unwrap_or_else(|| Status::internal("the peer ended the stream without a status"))
    }

    /// Puts what came behind the part of a message that is here.
    fn join(&mut self, data: &[u8]) {
        if self.parts.is_empty() {
            let announced = length(&self.arrived).map_or(0, |length| PREFIX.saturating_add(length));
            self.parts.reserve(announced.min(MAX_RESERVED).max(self.arrived.len() + data.len()));
            self.parts.extend_from_slice(&std::mem::take(&mut self.arrived));
        }
        self.parts.extend_from_slice(data);
    }

    fn buffered(&mut self) -> Result<Option<Bytes>, Status> {
        let here: &[u8] = if self.parts.is_empty() { &self.arrived } else { &self.parts };
        let Some(length) = length(here) else { return Ok(None) };
        if here.first() != Some(&0) {
            return Err(Status::unimplemented("compressed messages are not supported between sidecars"));
        }
        if length > self.limit {
            let limit = self.limit;
            return Err(Status::resource_exhausted(format!(
                "grpc: received message larger than max ({length} vs. {limit})"
            )));
        }
        if here.len() - PREFIX < length {
            return Ok(None);
        }
        if self.parts.is_empty() {
            self.arrived.advance(PREFIX);
            return Ok(Some(self.arrived.split_to(length)));
        }
        self.parts.advance(PREFIX);
        Ok(Some(self.parts.split_to(length).freeze()))
    }
}

/// The length that the prefix of a message announces; `None` while the prefix is not whole.
fn length(here: &[u8]) -> Option<usize> {
    let mut length = here.get(1..PREFIX)?;
    Some(length.get_u32() as usize)
}

/// The body that arrives in pieces after a head.
pub(crate) struct Pieces<H> {
    decoder: Decoder,
    first: Option<StreamPayload>,
    expected: u64,
    /// Whether the end must carry an OK status (an answer) or is simply the end (a request).
    checked: bool,
    done: bool,
    head: std::marker::PhantomData<fn() -> H>,
}

impl<H: Head> Pieces<H> {
    /// The body after a head whose message carried `first`.
    pub(crate) fn new(decoder: Decoder, first: Option<StreamPayload>, checked: bool) -> Self {
        Self { decoder, first, expected: 0, checked, done: false, head: std::marker::PhantomData }
    }

    fn accept(&mut self, payload: StreamPayload) -> Result<Bytes, BoxError> {
        if payload.seq != self.expected {
            let (seq, expected) = (payload.seq, self.expected);
            return Err(format!("invalid sequence number received: {seq} (expected: {expected})").into());
        }
        self.expected += 1;
        Ok(payload.data)
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            let payload = match self.first.take() {
                Some(payload) => Some(payload),
                None => match ready!(self.decoder.poll_message::<call::Frame<H>>(context)) {
                    Some(Ok(message)) if message.head.as_ref().is_some_and(Head::says_anything) => {
                        return Poll::Ready(Some(Err("metadata found in non-leading chunk".into())));
                    }
                    Some(Ok(message)) => message.payload,
                    Some(Err(status)) => return Poll::Ready(Some(Err(status.into()))),
                    None => return Poll::Ready(self.end()),
                },
            };
            let Some(payload) = payload else { continue };
            let data = self.accept(payload);
            if !matches!(&data, Ok(data) if data.is_empty()) {
                return Poll::Ready(Some(data));
            }
        }
    }

    fn end(&self) -> Option<Result<Bytes, BoxError>> {
        let is_bad = self.checked && !self.decoder.is_ok();
        is_bad.then(|| Err(self.decoder.status().into()))
    }
}

impl<H: Head> http_body::Body for Pieces<H> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let data = ready!(self.poll_data(context));
        self.done = !matches!(data, Some(Ok(_)));
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
