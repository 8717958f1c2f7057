//! From HTTP/1.1 to HTTP/2 on one connection: `Upgrade: h2c` (RFC 7540 3.2).
//! The HTTP/2 library has no such entrance, so the request that asked is written down as frames of stream 1 and put
//! behind the client's preface and settings, where the library reads it like any other. Called by `connection` alone.
//! It must not change what is sent: a request it cannot carry over exactly stays on HTTP/1.1.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::connection::PREFACE;
use crate::{Body, body};

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// Fields that speak of one connection, besides those that `Connection` names.
const OF_THE_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    UPGRADE,
    TRANSFER_ENCODING,
    HTTP2_SETTINGS,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

const FRAME_HEAD: usize = 9;
/// The longest frame a peer may send before settings say otherwise (RFC 9113 4.2).
const MAX_FRAME: usize = 16_384;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Where the request that upgrades its connection is left, as frames of stream 1, for whoever serves the connection on once
/// the 101 is sent.
#[derive(Default)]
pub(super) struct Asked(Mutex<Option<Bytes>>);

impl Asked {
    /// Answers 101 when the request asks for HTTP/2 and can be carried over; every other request is left as it is.
    pub(super) fn accept(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        if !request.headers().contains_key(UPGRADE) || !request.body().is_end_stream() {
            return None;
        }
        let frames = as_frames(request)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(frames);
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("h2c"));
        Some(response)
    }

    /// The request whose upgrade was accepted, once.
    pub(super) fn take(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads the client's preface and its first frame, which must be its settings, and puts the request behind them.
///
/// # Errors
/// When the client leaves, or sends anything else.
pub(super) async fn first_bytes<T: AsyncRead + Unpin>(stream: &mut T, request: &Bytes) -> io::Result<Bytes> {
    let mut start = [0_u8; PREFACE.len() + FRAME_HEAD];
    stream.read_exact(&mut start).await?;
    let not_settings = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP/2 preface with settings after a 101");
    let head = start.strip_prefix(PREFACE).ok_or_else(not_settings)?;
    let [high, middle, low, kind, flags, stream_id @ ..] = head else { return Err(not_settings()) };
    let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
    if *kind != SETTINGS || flags & ACK != 0 || stream_id != [0; 4] || length > MAX_FRAME {
        return Err(not_settings());
    }
    let mut settings = vec![0_u8; length];
    stream.read_exact(&mut settings).await?;
    let mut all = BytesMut::with_capacity(start.len() + length + request.len());
    all.put_slice(&start);
    all.put_slice(&settings);
    all.put_slice(request);
    Ok(all.freeze())
}

/// The request as HEADERS (and CONTINUATION) of stream 1; none when it does not ask for HTTP/2 or cannot be carried.
fn as_frames<B>(request: &Request<B>) -> Option<Bytes> {
    let headers = request.headers();
    let asks = request.version() == Version::HTTP_11
        && request.method() != Method::CONNECT
        && has_token(headers, &UPGRADE, "h2c")
        && has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &CONNECTION, "http2-settings")
        && are_settings(headers);
    if !asks {
        return None;
    }
    let uri = request.uri();
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => Authority::try_from(one(headers, &HOST)?.as_bytes()).ok()?,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut block = Vec::with_capacity(512);
    put_field(&mut block, b":method", request.method().as_str().as_bytes());
    put_field(&mut block, b":scheme", b"http");
    put_field(&mut block, b":authority", authority.as_str().as_bytes());
    put_field(&mut block, b":path", path.as_bytes());
    for (name, value) in headers {
        let is_plain_te = name == TE && value.as_bytes().eq_ignore_ascii_case(b"trailers");
        let stays = name == HOST || (name == TE && !is_plain_te) || OF_THE_CONNECTION.contains(name);
        if !stays && !has_token(headers, &CONNECTION, name.as_str()) {
            put_field(&mut block, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    Some(framed(&block))
}

/// Whether `HTTP2-Settings` is there once and holds whole settings: six bytes each, which base64url writes in eight.
fn are_settings(headers: &HeaderMap) -> bool {
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    one(headers, &HTTP2_SETTINGS).is_some_and(|value| {
        let text = value.as_bytes();
        text.len() % 8 == 0 && text.iter().all(is_base64url)
    })
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(token))
}

/// One field as an HPACK literal without indexing (RFC 7541 6.2.2).
fn put_field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    put_text(block, name);
    put_text(block, value);
}

/// A length in seven bits and more (RFC 7541 5.1), then the bytes as they are.
fn put_text(block: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    if rest < 127 {
        block.push(low_byte(rest));
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(low_byte(rest % 128) | 128);
            rest /= 128;
        }
        block.push(low_byte(rest));
    }
    block.extend_from_slice(text);
}

fn framed(block: &[u8]) -> Bytes {
    let pieces = block.chunks(MAX_FRAME);
    let last = pieces.len().saturating_sub(1);
    let mut frames = BytesMut::with_capacity(block.len() + FRAME_HEAD * (last + 1));
    for (index, piece) in pieces.enumerate() {
        let (kind, stream_ends) = if index == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
        let headers_end = if index == last { END_HEADERS } else { 0 };
        frames.put_uint(u64::try_from(piece.len()).unwrap_or_default(), 3);
        frames.put_u8(kind);
        frames.put_u8(stream_ends | headers_end);
        frames.put_u32(1);
        frames.put_slice(piece);
    }
    frames.freeze()
}

fn low_byte(number: usize) -> u8 {
    u8::try_from(number & 0xff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asking(settings: &str) -> http::request::Builder {
        let request = Request::get("/a?b").header("host", "h:1").header("upgrade", "h2c");
        request.header("connection", "Upgrade, HTTP2-Settings, x-own").header("http2-settings", settings)
    }

    fn frames(request: http::request::Builder) -> Option<Bytes> {
        as_frames(&request.body(()).unwrap())
    }

    #[test]
    fn the_request_becomes_the_headers_of_stream_one() {
        let written = frames(asking("AAMAAABk").header("x-own", "1").header("x-kept", "yes")).unwrap();
        let block = &written[FRAME_HEAD..];
        assert_eq!(written[..FRAME_HEAD], [0, 0, u8::try_from(block.len()).unwrap(), HEADERS, 5, 0, 0, 0, 1]);
        let mut expected = Vec::new();
        for (name, value) in
            [(":method", "GET"), (":scheme", "http"), (":authority", "h:1"), (":path", "/a?b"), ("x-kept", "yes")]
        {
            put_field(&mut expected, name.as_bytes(), value.as_bytes());
        }
        assert_eq!(block, expected);
    }

    #[test]
    fn what_does_not_ask_properly_stays_on_http_1() {
        assert!(frames(asking("")).is_some(), "no settings at all are settings");
        for settings in ["AAMAAAB", "AAMAAABkA", "AAMAAAB=", "AAMAAAB/", "AAM AABk"] {
            assert!(frames(asking(settings)).is_none(), "{settings}");
        }
        assert!(frames(asking("AAMAAABk").header("http2-settings", "AAMAAABk")).is_none(), "twice");
        assert!(frames(asking("AAMAAABk").header("host", "other")).is_none(), "two hosts");
        assert!(frames(asking("AAMAAABk").version(Version::HTTP_10)).is_none());
        assert!(frames(asking("AAMAAABk").method("CONNECT")).is_none());
        let unnamed = Request::get("/").header("host", "h").header("upgrade", "h2c").header("connection", "upgrade");
        assert!(frames(unnamed.header("http2-settings", "AAMAAABk")).is_none());
        let other = Request::get("/").header("host", "h").header("upgrade", "websocket");
        assert!(frames(other.header("connection", "upgrade")).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn blocks_are_split_into_frames_and_stay_whole(block in proptest::collection::vec(any::<u8>(), 1..40_000)) {
            let mut rest = framed(&block);
            let (mut joined, mut flags) = (Vec::new(), Vec::new());
            while !rest.is_empty() {
                let head = rest.split_to(FRAME_HEAD);
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                prop_assert!(length <= MAX_FRAME);
                flags.push((head[3], head[4]));
                joined.extend_from_slice(&rest.split_to(length));
            }
            prop_assert_eq!(joined, block);
            prop_assert_eq!(flags[0].0, HEADERS);
            prop_assert_eq!(flags.iter().filter(|(_, flags)| flags & END_HEADERS != 0).count(), 1);
            prop_assert!(flags.last().unwrap().1 & END_HEADERS != 0);
        }

        #[test]
        fn lengths_are_written_as_hpack_reads_them(length in 0_usize..100_000) {
            let mut written = Vec::new();
            put_text(&mut written, &vec![b'x'; length]);
            let mut bytes = written.iter();
            let mut read = usize::from(*bytes.next().unwrap());
            if read == 127 {
                for shift in (0..).step_by(7) {
                    let byte = usize::from(*bytes.next().unwrap());
                    read += (byte & 127) << shift;
                    if byte < 128 { break }
                }
            }
            prop_assert_eq!(read, length);
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
