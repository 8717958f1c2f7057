//! The heads of calls and answers as they stand on the wire between sidecars: `InternalInvokeRequest` and
//! `InternalInvokeResponse`, written from a call and read into one. The generated types make a map of strings of every head;
//! these keep what came in the buffer in which it came. Used by `mesh`. Bodies are its matter.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use prost::{DecodeError, Message};
use wire::common::{HttpExtension, InvokeRequest, InvokeResponse, StreamPayload};
use wire::internals::{ApiVersion, Status};

use crate::metadata::{Metadata, Value, Values};
use crate::{Answer, Call, Payload, names};

const VERSION: u32 = 1;
const METADATA: u32 = 2;
const MESSAGE: u32 = 3;
const STATUS: u32 = 1;
const HEADERS: u32 = 2;
const TRAILERS: u32 = 3;
const ANSWER: u32 = 4;
const KEY: u32 = 1;
const LIST: u32 = 2;
const ITEM: u32 = 1;
const HEAD: u32 = 1;
const PAYLOAD: u32 = 2;
const METHOD: u32 = 1;
const DATA: u32 = 2;
const CONTENT_TYPE: u32 = 3;
const EXTENSION: u32 = 4;
const ANSWER_DATA: u32 = 1;
const ANSWER_TYPE: u32 = 2;
const TYPE_URL: u32 = 1;

impl Call {
    /// The head of the call as the first frame between sidecars carries it: everything but the body.
    pub fn head(&self) -> Vec<u8> {
        let any = (!self.type_url.is_empty()).then(|| text_len(TYPE_URL, &self.type_url));
        let extension = self.extension.as_ref().map(HttpExtension::encoded_len);
        let message = text_len(METHOD, &self.method)
            + any.map_or(0, |length| part_len(DATA, length))
            + text_len(CONTENT_TYPE, &self.content_type)
            + extension.map_or(0, |length| part_len(EXTENSION, length));
        let version = ApiVersion::V1 as i32;
        let length = encoding::int32::encoded_len(VERSION, &version)
            + metadata_len(METADATA, &self.metadata)
            + part_len(MESSAGE, message);
        let mut head = Vec::with_capacity(length);
        encoding::int32::encode(VERSION, &version, &mut head);
        put_metadata(METADATA, &self.metadata, &mut head);
        put_part(MESSAGE, message, &mut head);
        put_text(METHOD, &self.method, &mut head);
        if let Some(length) = any {
            put_part(DATA, length, &mut head);
            put_text(TYPE_URL, &self.type_url, &mut head);
        }
        put_text(CONTENT_TYPE, &self.content_type, &mut head);
        if let Some((extension, length)) = self.extension.as_ref().zip(extension) {
            put_part(EXTENSION, length, &mut head);
            extension.encode_raw(&mut head);
        }
        head
    }
}

impl Answer {
    /// The head of the answer as the first frame between sidecars carries it: everything but the body.
    pub fn head(&self) -> Vec<u8> {
        let status = self.status.encoded_len();
        let any = (!self.type_url.is_empty()).then(|| text_len(TYPE_URL, &self.type_url));
        let message = any.map_or(0, |length| part_len(ANSWER_DATA, length)) + text_len(ANSWER_TYPE, &self.content_type);
        let length = part_len(STATUS, status)
            + metadata_len(HEADERS, &self.headers)
            + metadata_len(TRAILERS, &self.trailers)
            + part_len(ANSWER, message);
        let mut head = Vec::with_capacity(length);
        put_part(STATUS, status, &mut head);
        self.status.encode_raw(&mut head);
        put_metadata(HEADERS, &self.headers, &mut head);
        put_metadata(TRAILERS, &self.trailers, &mut head);
        put_part(ANSWER, message, &mut head);
        if let Some(length) = any {
            put_part(ANSWER_DATA, length, &mut head);
            put_text(TYPE_URL, &self.type_url, &mut head);
        }
        put_text(ANSWER_TYPE, &self.content_type, &mut head);
        head
    }
}

fn text_len(tag: u32, text: &str) -> usize {
    if text.is_empty() { 0 } else { part_len(tag, text.len()) }
}

/// The length of a field of so many bytes, with its key and length.
fn part_len(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

/// What stands before a field of so many bytes.
fn put_part(tag: u32, length: usize, buffer: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

fn put_text(tag: u32, text: &str, buffer: &mut Vec<u8>) {
    if !text.is_empty() {
        put_part(tag, text.len(), buffer);
        buffer.put_slice(text.as_bytes());
    }
}

fn list_len(values: &Values) -> usize {
    values.iter().map(|value| part_len(ITEM, value.as_bytes().len())).sum()
}

fn entry_len(name: &str, list: usize) -> usize {
    part_len(KEY, name.len()) + part_len(LIST, list)
}

fn metadata_len(tag: u32, metadata: &Metadata) -> usize {
    metadata.iter().map(|(name, values)| part_len(tag, entry_len(name, list_len(values)))).sum()
}

fn put_metadata(tag: u32, metadata: &Metadata, buffer: &mut Vec<u8>) {
    for (name, values) in metadata.iter() {
        let list = list_len(values);
        put_part(tag, entry_len(name, list), buffer);
        put_part(KEY, name.len(), buffer);
        buffer.put_slice(name.as_bytes());
        put_part(LIST, list, buffer);
        for value in values {
            let text = value.as_bytes();
            put_part(ITEM, text.len(), buffer);
            buffer.put_slice(text);
        }
    }
}

/// The head of a call as it arrived.
#[derive(Debug, Default, Clone)]
pub struct CallHead {
    metadata: Metadata,
    message: Option<InvokeRequest>,
}

/// The head of an answer as it arrived.
#[derive(Debug, Default, Clone)]
pub struct AnswerHead {
    status: Option<Status>,
    headers: Metadata,
    trailers: Metadata,
    message: Option<InvokeResponse>,
}

/// One message of a streamed call or answer: `InternalInvokeRequestStream` and `InternalInvokeResponseStream`.
#[derive(Debug, Default, Clone)]
pub struct Frame<H> {
    /// The head, in the first message alone.
    pub head: Option<H>,
    /// A piece of the body.
    pub payload: Option<StreamPayload>,
}

/// A head, as far as frames have to know it.
pub trait Head: Message + Default {
    /// Whether it says anything; frames after the first have none that does.
    fn says_anything(&self) -> bool;
}

impl Head for CallHead {
    fn says_anything(&self) -> bool {
        !self.metadata.is_empty() || self.message.is_some()
    }
}

impl Head for AnswerHead {
    fn says_anything(&self) -> bool {
        self.status.is_some() || !self.headers.is_empty() || self.message.is_some()
    }
}

impl CallHead {
    /// The call that this head and a body stand for; `None` when the head has no message.
    pub fn into_call(mut self, payload: Option<Payload>) -> Option<Call> {
        self.metadata.keep_last();
        let message = self.message?;
        let (type_url, value) = message.data.map(|data| (data.type_url, data.value)).unwrap_or_default();
        Some(Call {
            method: message.method,
            extension: message.http_extension,
            content_type: message.content_type,
            type_url,
            metadata: self.metadata,
            trace: None,
            payload: payload.unwrap_or(Payload::Replayable(value)),
        })
    }
}

impl AnswerHead {
    /// The answer that this head and a body stand for; `None` when the head has no status.
    pub fn into_answer(mut self, payload: Option<Payload>) -> Option<Answer> {
        self.headers.keep_last();
        self.trailers.keep_last();
        let status = self.status?;
        let message = self.message.unwrap_or_default();
        let (type_url, value) = message.data.map(|data| (data.type_url, data.value)).unwrap_or_default();
        Some(Answer {
            status,
            headers: self.headers,
            trailers: self.trailers,
            content_type: message.content_type,
            type_url,
            payload: payload.unwrap_or(Payload::Replayable(value)),
        })
    }
}

/// One entry of a map of headers, while it is read.
#[derive(Debug, Default)]
struct Entry {
    key: Bytes,
    list: List,
}

#[derive(Debug, Default)]
struct List(Values);

fn not_text() -> DecodeError {
    #[expect(deprecated, reason = "prost has no other way to make one")]
    DecodeError::new("invalid string value: data is not UTF-8 encoded")
}

/// An entry as every sender writes one with one value: read in one go. All others are read field by field.
struct Plain<'a> {
    key: &'a [u8],
    /// Where the value begins, and how long it is.
    start: usize,
    length: usize,
}

impl<'a> Plain<'a> {
    /// The entry whose length stands here.
    fn at(here: &'a [u8]) -> Option<Self> {
        let (entry, rest) = length_at(here)?;
        let start = here.len() - rest.len();
        let (key, rest) = part_at(KEY, rest.get(..entry)?)?;
        let (key, rest) = rest.split_at_checked(key)?;
        let (list, rest) = part_at(LIST, rest)?;
        let items = rest.len() == list;
        let (length, value) = part_at(ITEM, rest)?;
        let is_last = items && value.len() == length;
        is_last.then_some(Self { key, start: start + entry - length, length })
    }
}

/// The length of a field that begins here, and what follows.
fn part_at(tag: u32, here: &[u8]) -> Option<(usize, &[u8])> {
    let (key, rest) = here.split_first()?;
    (u32::from(*key) == tag << 3 | WireType::LengthDelimited as u32).then(|| length_at(rest)).flatten()
}

/// A length of one or two bytes, and what follows.
fn length_at(here: &[u8]) -> Option<(usize, &[u8])> {
    match here {
        [first @ 0..128, rest @ ..] => Some((usize::from(*first), rest)),
        [first, second @ 0..128, rest @ ..] => Some((usize::from(*first & 127) | usize::from(*second) << 7, rest)),
        _ => None,
    }
}

fn merge_entry(
    metadata: &mut Metadata,
    wire_type: WireType,
    buffer: &mut impl Buf,
    context: DecodeContext,
) -> Result<(), DecodeError> {
    if wire_type == WireType::LengthDelimited
        && let Some(plain) = Plain::at(buffer.chunk())
    {
        let name = names::kept(std::str::from_utf8(plain.key).map_err(|_| not_text())?);
        let (start, length) = (plain.start, plain.length);
        buffer.advance(start);
        let value = Value::from_wire(buffer.copy_to_bytes(length)).ok_or_else(not_text)?;
        metadata.push(name, Values::from_buf([value]));
        return Ok(());
    }
    let mut entry = Entry::default();
    encoding::message::merge(wire_type, &mut entry, buffer, context)?;
    let name = names::kept(std::str::from_utf8(&entry.key).map_err(|_| not_text())?);
    metadata.push(name, entry.list.0);
    Ok(())
}

/// These are only read: what is sent is written by [`Call::head`] and [`Answer::head`].
macro_rules! read_only {
    ($type:ty $(, $generic:ident)?) => {
        impl$(<$generic: Head>)? Message for $type {
            fn encode_raw(&self, _: &mut impl BufMut) {}

            fn encoded_len(&self) -> usize {
                0
            }

            fn clear(&mut self) {
                *self = Self::default();
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: WireType,
                buffer: &mut impl Buf,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                self.read(tag, wire_type, buffer, context)
            }
        }
    };
}

read_only!(List);
read_only!(Entry);
read_only!(CallHead);
read_only!(AnswerHead);
read_only!(Frame<H>, H);

type Read = Result<(), DecodeError>;

impl List {
    fn read(&mut self, tag: u32, wire_type: WireType, buffer: &mut impl Buf, context: DecodeContext) -> Read {
        if tag != ITEM {
            return encoding::skip_field(wire_type, tag, buffer, context);
        }
        let mut value = Bytes::new();
        encoding::bytes::merge(wire_type, &mut value, buffer, context)?;
        self.0.push(Value::from_wire(value).ok_or_else(not_text)?);
        Ok(())
    }
}

impl Entry {
    fn read(&mut self, tag: u32, wire_type: WireType, buffer: &mut impl Buf, context: DecodeContext) -> Read {
        match tag {
            KEY => encoding::bytes::merge(wire_type, &mut self.key, buffer, context),
            LIST => encoding::message::merge(wire_type, &mut self.list, buffer, context),
            _ => encoding::skip_field(wire_type, tag, buffer, context),
        }
    }
}

impl CallHead {
    fn read(&mut self, tag: u32, wire_type: WireType, buffer: &mut impl Buf, context: DecodeContext) -> Read {
        match tag {
            METADATA => merge_entry(&mut self.metadata, wire_type, buffer, context),
            MESSAGE => encoding::message::merge(wire_type, self.message.get_or_insert_default(), buffer, context),
            _ => encoding::skip_field(wire_type, tag, buffer, context),
        }
    }
}

impl AnswerHead {
    fn read(&mut self, tag: u32, wire_type: WireType, buffer: &mut impl Buf, context: DecodeContext) -> Read {
        match tag {
            STATUS => encoding::message::merge(wire_type, self.status.get_or_insert_default(), buffer, context),
            HEADERS => merge_entry(&mut self.headers, wire_type, buffer, context),
            TRAILERS => merge_entry(&mut self.trailers, wire_type, buffer, context),
            ANSWER => encoding::message::merge(wire_type, self.message.get_or_insert_default(), buffer, context),
            _ => encoding::skip_field(wire_type, tag, buffer, context),
        }
    }
}

impl<H: Head> Frame<H> {
    fn read(&mut self, tag: u32, wire_type: WireType, buffer: &mut impl Buf, context: DecodeContext) -> Read {
        match tag {
            HEAD => encoding::message::merge(wire_type, self.head.get_or_insert_default(), buffer, context),
            PAYLOAD => encoding::message::merge(wire_type, self.payload.get_or_insert_default(), buffer, context),
            _ => encoding::skip_field(wire_type, tag, buffer, context),
        }
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
