//! The frames of `CallLocalStream`: gRPC messages that each carry a piece of a body, without copying the body.
//!
//! Used by both ends of a hop: `sidecars` (we call) and `server` (we are called). A message is at most [`PIECE`] bytes of
//! body; the first one also carries the head. Sequence numbers count the pieces from zero, as the target demands.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use service::{Body, BoxError};
use tonic::{Code, Status};
use wire::common::StreamPayload;
use wire::internals::{
    InternalInvokeRequest, InternalInvokeRequestStream, InternalInvokeResponse, InternalInvokeResponseStream,
};

/// Body bytes in one message. The target accepts up to its message limit (at least 4 KiB is always safe there).
pub(crate) const PIECE: usize = 64 << 10;

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
    sequence: u64,
    trailers: bool,
    ended: bool,
}

impl Framed {
    /// The frames of a request. If the body fails, the stream is reset: a cut body never looks complete.
    pub(crate) fn request(head: &InternalInvokeRequest, body: Body) -> Self {
        Self::new(head.encode_to_vec(), body, false)
    }

    /// The frames of an answer. If the body fails, the trailers say so.
    pub(crate) fn answer(head: &InternalInvokeResponse, body: Body) -> Self {
        Self::new(head.encode_to_vec(), body, true)
    }

    fn new(head: Vec<u8>, body: Body, trailers: bool) -> Self {
        Self { head: Some(head), body, rest: Bytes::new(), pending: None, sequence: 0, trailers, ended: false }
    }

    /// Everything of one message that comes before the body's bytes. The data field is written last, so that the bytes
    /// follow as they are.
    fn prefix(&mut self, data: usize) -> Bytes {
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
        let mut buffer = BytesMut::with_capacity(PREFIX + length - data);
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
        buffer.freeze()
    }

    /// The next piece of the body: `None` at its end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            if !self.rest.is_empty() {
                let size = self.rest.len().min(PIECE);
                return Poll::Ready(Some(Ok(self.rest.split_to(size))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest = data;
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.ended = true,
            }
        }
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
                let prefix = this.prefix(piece.len());
                this.pending = Some(piece);
                Poll::Ready(Some(Ok(Frame::data(prefix))))
            }
            // The head does not wait for the body: a server-sent event stream may stay silent for long.
            Poll::Pending if this.head.is_some() => Poll::Ready(Some(Ok(Frame::data(this.prefix(0))))),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) if this.head.is_some() => Poll::Ready(Some(Ok(Frame::data(this.prefix(0))))),
            Poll::Ready(None) => this.finish(&Status::ok("")),
            Poll::Ready(Some(Err(error))) if this.trailers => {
                this.finish(&Status::unknown(format!("error reading the body: {error}")))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.rest.is_empty() && self.pending.is_none() && self.head.is_none() && !self.trailers
    }
}

/// Reads gRPC messages from a body.
pub(crate) struct Decoder {
    body: Body,
    buffer: BytesMut,
    limit: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl Decoder {
    /// Messages of at most `limit` bytes each.
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        Self { body, buffer: BytesMut::new(), limit, trailers: None, ended: false }
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
                let complete = self.buffer.is_empty();
                return Poll::Ready((!complete).then(|| Err(Status::internal("the stream ended inside a message"))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if self.buffer.is_empty() => self.buffer = BytesMut::from(data),
                    Ok(data) => self.buffer.extend_from_slice(&data),
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

    /// The status in the trailers, once the last message was read. A peer that sent none broke off.
    pub(crate) fn status(&self) -> Status {
        let trailers = self.trailers.as_ref().and_then(Status::from_header_map);
        trailers.unwrap_or_else(|| Status::internal("the peer ended the stream without a status"))
    }

    fn buffered(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((&compressed, rest)) = self.buffer.split_first() else { return Ok(None) };
        let Some(mut length) = rest.get(..PREFIX - 1) else { return Ok(None) };
        let length = length.get_u32() as usize;
        if compressed != 0 {
            return Err(Status::unimplemented("compressed messages are not supported between sidecars"));
        }
        if length > self.limit {
            let limit = self.limit;
            return Err(Status::resource_exhausted(format!(
                "grpc: received message larger than max ({length} vs. {limit})"
            )));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

/// A message of a streamed body.
pub(crate) trait Piece: Message + Default {
    /// Whether it carries a head, which only the first message may.
    fn has_head(&self) -> bool;
    /// Its part of the body.
    fn into_payload(self) -> Option<StreamPayload>;
}

impl Piece for InternalInvokeRequestStream {
    fn has_head(&self) -> bool {
        self.request.as_ref().is_some_and(|request| !request.metadata.is_empty() || request.message.is_some())
    }

    fn into_payload(self) -> Option<StreamPayload> {
        self.payload
    }
}

impl Piece for InternalInvokeResponseStream {
    fn has_head(&self) -> bool {
        self.response.as_ref().is_some_and(|response| {
            response.status.is_some() || !response.headers.is_empty() || response.message.is_some()
        })
    }

    fn into_payload(self) -> Option<StreamPayload> {
        self.payload
    }
}

/// The body that arrives in pieces after a head.
pub(crate) struct Pieces<P> {
    decoder: Decoder,
    first: Option<StreamPayload>,
    expected: u64,
    /// Whether the end must carry an OK status (an answer) or is simply the end (a request).
    checked: bool,
    done: bool,
    message: std::marker::PhantomData<fn() -> P>,
}

impl<P: Piece> Pieces<P> {
    /// The body after a head whose message carried `first`.
    pub(crate) fn new(decoder: Decoder, first: Option<StreamPayload>, checked: bool) -> Self {
        Self { decoder, first, expected: 0, checked, done: false, message: std::marker::PhantomData }
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
                None => match ready!(self.decoder.poll_message::<P>(context)) {
                    Some(Ok(message)) if message.has_head() => {
                        return Poll::Ready(Some(Err("metadata found in non-leading chunk".into())));
                    }
                    Some(Ok(message)) => message.into_payload(),
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
        let status = self.checked.then(|| self.decoder.status()).filter(|status| status.code() != Code::Ok)?;
        Some(Err(status.into()))
    }
}

impl<P: Piece> http_body::Body for Pieces<P> {
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
