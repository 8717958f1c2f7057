//! Takes a stream of bytes apart into the JSON values in it, as they come: the events of a watch, the items of a list. It
//! finds where values end and does not read them; one value is held at a time, up to a limit.

use bytes::{Buf as _, Bytes, BytesMut};
use serde::Deserialize;

use crate::Error;
use crate::object::read;

/// A stream of values.
#[derive(Debug)]
pub(crate) struct Values {
    buffer: BytesMut,
    scan: Option<Scan>,
    limit: usize,
}

/// How far the value at the start of the buffer has been looked at.
#[derive(Clone, Copy, Debug)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    is_scalar: bool,
}

impl Values {
    /// Values of at most so many bytes each.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), scan: None, limit }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing but white space is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.iter().all(u8::is_ascii_whitespace)
    }

    /// The next value, or `None` until more bytes come.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut scan = match self.scan {
            Some(scan) => scan,
            None => {
                let Some(first) = self.peek() else { return Ok(None) };
                Scan::begin(first)?
            }
        };
        let end = scan.go_on(&self.buffer);
        if end.unwrap_or(self.buffer.len()) > self.limit {
            return Err(Error::TooLarge(self.limit));
        }
        self.scan = if end.is_some() { None } else { Some(scan) };
        Ok(end.map(|end| self.buffer.split_to(end).freeze()))
    }

    /// The first byte between values that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let space = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.buffer.advance(space);
        self.buffer.first().copied()
    }

    fn skip(&mut self) {
        self.buffer.advance(self.buffer.len().min(1));
    }
}

impl Scan {
    fn begin(first: u8) -> Result<Self, Error> {
        let mut scan = Self { at: 1, depth: 0, in_string: false, is_escaped: false, is_scalar: false };
        match first {
            b'{' | b'[' => scan.depth = 1,
            b'"' => scan.in_string = true,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => scan.is_scalar = true,
            other => return Err(unexpected(other, "a value")),
        }
        Ok(scan)
    }

    /// Looks at the bytes that are new; where the value ends, if it does.
    fn go_on(&mut self, buffer: &[u8]) -> Option<usize> {
        for byte in buffer.get(self.at..)? {
            if self.is_scalar && (byte.is_ascii_whitespace() || b",]}".contains(byte)) {
                return Some(self.at);
            }
            self.at += 1;
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(self.at);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn unexpected(byte: u8, wanted: &str) -> Error {
    Error::Unreadable(format!("{:?} where {wanted} is due", char::from(byte)))
}

/// A part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// One of its items.
    Item(Bytes),
    /// It is complete; this is its version.
    End(String),
}

/// A list whose items are handed out as they come.
#[derive(Debug)]
pub(crate) struct ListReader {
    values: Values,
    place: Place,
    version: String,
}

/// Where in the list the next byte stands.
#[derive(Debug)]
enum Place {
    Start,
    Field,
    Colon(Bytes),
    Value(Bytes),
    Items,
    End,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    r#continue: Option<String>,
}

impl ListReader {
    /// A list with items of at most so many bytes each.
    pub(crate) fn new(limit: usize) -> Self {
        Self { values: Values::new(limit), place: Place::Start, version: String::new() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.values.push(bytes);
    }

    /// The next part, or `None` until more bytes come.
    pub(crate) fn next(&mut self) -> Result<Option<Part>, Error> {
        loop {
            let Some(byte) = self.values.peek() else { return Ok(None) };
            match (&self.place, byte) {
                (Place::Start, b'{') => self.step(Place::Field),
                (Place::Start, other) => return Err(unexpected(other, "a list")),
                (Place::Field | Place::Items, b',') => self.values.skip(),
                (Place::Field, b'}') => {
                    self.step(Place::End);
                    return Ok(Some(Part::End(std::mem::take(&mut self.version))));
                }
                (Place::Field, b'"') => match self.values.next()? {
                    Some(name) => self.place = Place::Colon(name),
                    None => return Ok(None),
                },
                (Place::Field, other) => return Err(unexpected(other, "a field")),
                (Place::Colon(name), b':') => {
                    let name = name.clone();
                    self.step(Place::Value(name));
                }
                (Place::Colon(_), other) => return Err(unexpected(other, "a colon")),
                (Place::Value(name), b'[') if name.as_ref() == b"\"items\"" => self.step(Place::Items),
                (Place::Value(_), _) => match self.values.next()? {
                    Some(value) => self.field(&value)?,
                    None => return Ok(None),
                },
                (Place::Items, b']') => self.step(Place::Field),
                (Place::Items, _) => return Ok(self.values.next()?.map(Part::Item)),
                (Place::End, other) => return Err(unexpected(other, "nothing")),
            }
        }
    }

    fn step(&mut self, next: Place) {
        self.values.skip();
        self.place = next;
    }

    fn field(&mut self, value: &[u8]) -> Result<(), Error> {
        let Place::Value(name) = std::mem::replace(&mut self.place, Place::Field) else { return Ok(()) };
        if name.as_ref() != b"\"metadata\"" {
            return Ok(());
        }
        let meta: ListMeta = read(value)?;
        if meta.r#continue.is_some_and(|next| !next.is_empty()) {
            return Err(Error::Unreadable("a page of a list, where the whole of it was asked for".to_owned()));
        }
        self.version = meta.resource_version.unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Every value of a text that comes in pieces of so many bytes.
    fn values(text: &str, piece: usize) -> Result<Vec<Value>, Error> {
        let mut values = Values::new(1000);
        let mut found = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            values.push(bytes);
            while let Some(value) = values.next()? {
                found.push(read(&value)?);
            }
        }
        if values.is_empty() { Ok(found) } else { Err(Error::Unreadable("cut".to_owned())) }
    }

    /// The items and the version of a list that comes in pieces of so many bytes.
    fn list(text: &str, piece: usize) -> Result<(Vec<Value>, String), Error> {
        let mut reader = ListReader::new(1000);
        let mut items = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            reader.push(bytes);
            loop {
                match reader.next()? {
                    None => break,
                    Some(Part::Item(item)) => items.push(read(&item)?),
                    Some(Part::End(version)) => return Ok((items, version)),
                }
            }
        }
        Err(Error::Unreadable("cut".to_owned()))
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z\"\\\\{}\\[\\]]{0,4}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_come_out_as_they_went_in(given in prop::collection::vec(any_json(), 0..5), piece in 1_usize..40, pretty: bool) {
            let texts: Vec<String> = given.iter().map(|value| {
                if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
            }).collect();
            prop_assert_eq!(values(&(texts.join("\n") + "\n"), piece).unwrap(), given);
        }

        #[test]
        fn lists_come_out_as_they_went_in(items in prop::collection::vec(any_json(), 0..5), other in any_json(), piece in 1_usize..40) {
            let text = json!({"a": other, "items": items, "metadata": {"resourceVersion": "7", "x": other}, "z": other}).to_string();
            prop_assert_eq!(list(&text, piece).unwrap(), (items, "7".to_owned()));
        }

        #[test]
        fn any_bytes_are_taken_apart_or_refused(text in "[\\[\\]{}\":,a1 \\\\]{0,40}", piece in 1_usize..40) {
            let _ = values(&text, piece);
            let _ = list(&text, piece);
        }
    }

    #[test]
    fn objects_need_nothing_between_them() {
        assert_eq!(values(r#"{"a":"}"}{"b":["\"]"]}"#, 3).unwrap(), [json!({"a": "}"}), json!({"b": ["\"]"]})]);
    }

    #[test]
    fn a_list_without_items_or_version_is_empty() {
        let empty = (vec![], String::new());
        assert_eq!(list(r#"{"kind":"PodList","metadata":{},"items":null}"#, 5).unwrap(), empty);
        assert_eq!(list("{}", 1).unwrap(), empty);
        assert_eq!(list(r#"{"metadata":{"resourceVersion":null},"items":[]}"#, 9).unwrap(), empty);
    }

    #[test]
    fn what_is_no_whole_list_is_refused() {
        assert!(list("[]", 1).is_err());
        assert!(list(r#"{"items":[{}"#, 1).is_err());
        assert!(list(r#"{"items" {}}"#, 1).is_err());
        let page = r#"{"metadata":{"continue":"next"},"items":[]}"#;
        assert!(matches!(list(page, 4).unwrap_err(), Error::Unreadable(reason) if reason.contains("page")));
    }

    #[test]
    fn a_value_beyond_the_limit_is_refused_before_it_is_complete() {
        let mut values = Values::new(10);
        values.push(br#"{"a":"0123456789"#);
        assert_eq!(values.next().unwrap_err(), Error::TooLarge(10));
        let mut values = Values::new(10);
        values.push(br#"{"a":"01"} {"#);
        assert_eq!(values.next().unwrap().unwrap(), r#"{"a":"01"}"#);
        assert_eq!(values.next().unwrap(), None);
    }
}
