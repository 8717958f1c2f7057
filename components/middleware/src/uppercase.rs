//! `middleware.http.uppercase`: makes the letters of bodies large. A body is changed as it streams; only the bytes of one
//! letter that is cut in two are held.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next};
use component::{Backend, Constructing, Settings, Setup};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::{Body, Frame};

/// The metadata of `middleware.http.uppercase`.
#[derive(Settings)]
pub(crate) struct UppercaseSettings {
    /// Which bodies: `request`, `response` or `both`. Anything else means `request`.
    #[setting(default = "request")]
    direction: String,
}

struct Uppercase {
    request: bool,
    response: bool,
}

/// Reads the settings.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let settings = UppercaseSettings::parse(&setup.properties)?;
        let response = ["response", "both"].iter().any(|word| settings.direction.eq_ignore_ascii_case(word));
        let request = !settings.direction.eq_ignore_ascii_case("response");
        let middleware: Arc<dyn HttpMiddleware> = Arc::new(Uppercase { request, response });
        Ok(middleware)
    })
}

impl Backend for Uppercase {}

#[async_trait]
impl HttpMiddleware for Uppercase {
    async fn handle(&self, mut request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        if self.request {
            request.headers_mut().remove(CONTENT_LENGTH);
            request = request.map(|body| HttpBody::new(Raised::new(body)));
        }
        let mut response = next.run(request).await;
        if self.response {
            response.headers_mut().remove(CONTENT_LENGTH);
            response = response.map(|body| HttpBody::new(Raised::new(body)));
        }
        response
    }
}

/// A body with large letters.
struct Raised {
    body: HttpBody,
    /// The first bytes of a letter whose others are still to come.
    cut: BytesMut,
}

impl Raised {
    fn new(body: HttpBody) -> Self {
        Self { body, cut: BytesMut::new() }
    }

    fn raise(&mut self, data: &Bytes, last: bool) -> Bytes {
        self.cut.extend_from_slice(data);
        let bytes = std::mem::take(&mut self.cut);
        let mut out = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.extend(chunk.valid().chars().map(raise));
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if !last && bytes.ends_with(invalid) && is_start_of_letter(invalid) {
                self.cut.extend_from_slice(invalid);
                continue;
            }
            out.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, invalid.len()));
        }
        Bytes::from(out)
    }
}

/// Whether more bytes could make a letter of these.
fn is_start_of_letter(bytes: &[u8]) -> bool {
    let wanted = match bytes.first() {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 0,
    };
    bytes.len() < wanted
}

/// The large form of a letter, where that is one letter too.
fn raise(letter: char) -> char {
    let mut large = letter.to_uppercase();
    match (large.next(), large.next()) {
        (Some(large), None) => large,
        _ => letter,
    }
}

impl Body for Raised {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame.map_data(|data| self.raise(&data, false)),
            None if !self.cut.is_empty() => Frame::data(self.raise(&Bytes::new(), true)),
            other => return Poll::Ready(other),
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use component::http::full_body;

    use super::*;

    fn raised(pieces: &[&[u8]]) -> String {
        let mut body = Raised::new(full_body(""));
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&body.raise(&Bytes::copy_from_slice(piece), false));
        }
        out.extend_from_slice(&body.raise(&Bytes::new(), true));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn letters_are_raised_one_by_one() {
        assert_eq!(raised(&[b"hello, W1!"]), "HELLO, W1!");
        assert_eq!(raised(&["ünïcode ß".as_bytes()]), "ÜNÏCODE ß");
    }

    #[test]
    fn a_letter_that_is_cut_in_two_stays_one() {
        let text = "aéz€𐐨".as_bytes();
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(raised(&[first, second]), "AÉZ€𐐀", "{cut}");
        }
        let singles: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(raised(&singles), "AÉZ€𐐀");
    }

    #[test]
    fn bytes_that_are_no_letters_are_replaced_and_nothing_is_held_back() {
        assert_eq!(raised(&[b"a\xff", b"b"]), "A\u{fffd}B");
        assert_eq!(raised(&[b"a\xe2\x82"]), "A\u{fffd}\u{fffd}");
        let mut body = Raised::new(full_body(""));
        body.raise(&Bytes::from_static(b"\xf0\x90\x90"), false);
        assert_eq!(body.cut.len(), 3);
    }
}
