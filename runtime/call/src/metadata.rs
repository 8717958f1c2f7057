//! The header map of an invocation as it stands on the wire between sidecars (`map<string, ListStringValue>`).
//!
//! Names keep the case of their origin: canonical (`Content-Type`) when the call came over HTTP, lower case when it came
//! over gRPC. The receiver's conversions depend on that case, so it is kept exactly. A call has about ten of them, so they stand in a
//! list, and what came from a connection stays in the buffer in which it came.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use smallvec::SmallVec;

/// Up to here a list is searched faster than a set is built.
const FEW: usize = 16;

/// Headers of a call or an answer, by name in the case of their origin.
#[derive(Debug, Clone, Default)]
pub struct Metadata(Vec<(Name, Values)>);

/// The name of a header.
pub type Name = Cow<'static, str>;

/// The values of one header, in order of arrival.
pub type Values = SmallVec<[Value; 1]>;

/// One value: text. A clone is cheap.
#[derive(Clone)]
pub struct Value(Kind);

#[derive(Clone)]
enum Kind {
    /// Visible ASCII, so a legal header.
    Header(HeaderValue),
    /// UTF-8 that may be no legal header.
    Text(Bytes),
}

impl Value {
    /// Text that came over the wire; `None` unless it is UTF-8.
    pub(crate) fn from_wire(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(Kind::Text(bytes)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Both hold by construction.
        match &self.0 {
            Kind::Header(value) => value.to_str().unwrap_or_default(),
            Kind::Text(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        }
    }

    /// The bytes of the text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Header(value) => value.as_bytes(),
            Kind::Text(bytes) => bytes,
        }
    }

    /// The value as a header.
    ///
    /// # Errors
    /// When HTTP does not allow it.
    pub(crate) fn to_header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        match &self.0 {
            Kind::Header(value) => Ok(value.clone()),
            Kind::Text(bytes) => HeaderValue::from_maybe_shared(bytes.clone()),
        }
    }
}

impl From<&HeaderValue> for Value {
    fn from(value: &HeaderValue) -> Self {
        match value.to_str() {
            Ok(_) => Self(Kind::Header(value.clone())),
            Err(_) => String::from_utf8_lossy(value.as_bytes()).into_owned().into(),
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(Kind::Text(text.into()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(Kind::Text(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Metadata {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing, with room for so many names.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.0.iter().map(|(name, values)| (&**name, values))
    }

    /// The values of exactly this name.
    pub fn get(&self, name: &str) -> Option<&Values> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, values)| values)
    }

    /// The values of exactly this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Values> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, values)| values)
    }

    /// Adds a value to those of exactly this name.
    pub fn append(&mut self, name: impl Into<Name>, value: impl Into<Value>) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(values) => values.push(value.into()),
            None => self.push(name, SmallVec::from_buf([value.into()])),
        }
    }

    /// Keeps the names for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Values) -> bool) {
        self.0.retain_mut(|(name, values)| keep(name, values));
    }

    /// The values of the name that was added last.
    pub(crate) fn last_mut(&mut self) -> Option<&mut Values> {
        self.0.last_mut().map(|(_, values)| values)
    }

    /// Adds a name that is not there yet.
    pub(crate) fn push(&mut self, name: Name, values: Values) {
        self.0.push((name, values));
    }

    /// Of names that came several times, keeps the last: what a map of the wire means.
    pub(crate) fn keep_last(&mut self) {
        if self.0.len() <= FEW {
            let mut index = 0;
            while let Some((name, _)) = self.0.get(index) {
                if self.0.iter().skip(index + 1).any(|(other, _)| other == name) {
                    self.0.remove(index);
                } else {
                    index += 1;
                }
            }
            return;
        }
        let mut seen = HashSet::with_capacity(self.0.len());
        let mut last: Vec<bool> = self.0.iter().rev().map(|(name, _)| seen.insert(name.clone())).collect();
        self.0.retain(|_| last.pop().unwrap_or(true));
    }
}

impl<N: Into<Name>, V: Into<Value>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut metadata = Self::new();
        pairs.into_iter().for_each(|(name, value)| metadata.append(name, value));
        metadata
    }
}

/// The first value of `name`, compared without case; that of exactly this name, if it is there.
pub fn first<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a str> {
    let values = metadata.get(name).or_else(|| {
        let mut others = metadata.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        others.next().map(|(_, values)| values)
    });
    values?.first().map(Value::as_str)
}

/// Replaces whatever stands under `name`, in any case, with one value.
pub fn set(metadata: &mut Metadata, name: &'static str, value: impl Into<Value>) {
    remove_ignoring_case(metadata, name);
    metadata.push(Name::Borrowed(name), SmallVec::from_buf([value.into()]));
}

/// Removes every spelling of `name`.
pub fn remove_ignoring_case(metadata: &mut Metadata, name: &str) {
    metadata.retain(|key, _| !key.eq_ignore_ascii_case(name));
}

/// Whether the call came in over gRPC: the target tells by the lower-case `content-type` key.
pub fn is_grpc(metadata: &Metadata) -> bool {
    let value = metadata.get("content-type").and_then(|values| values.first());
    value.is_some_and(|value| value.as_str().starts_with("application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_every_spelling() {
        let spoofed = [("Dapr-Caller-App-Id", "spoof"), ("DAPR-CALLER-APP-ID", "spoof")];
        let mut metadata: Metadata = spoofed.into_iter().collect();
        set(&mut metadata, "dapr-caller-app-id", "me");
        assert_eq!(metadata.len(), 1);
        assert_eq!(first(&metadata, "DAPR-caller-app-id"), Some("me"));
    }

    #[test]
    fn only_the_lower_case_content_type_marks_grpc() {
        let mut metadata: Metadata = [("Content-Type", "application/grpc")].into_iter().collect();
        assert!(!is_grpc(&metadata));
        metadata.append("content-type", "application/grpc+proto");
        assert!(is_grpc(&metadata));
    }

    #[test]
    fn of_a_name_that_came_twice_the_last_counts() {
        for others in [0, 40] {
            let mut metadata = Metadata::new();
            metadata.push("a".into(), SmallVec::from_buf(["1".into()]));
            for number in 0..others {
                metadata.push(format!("x-{number}").into(), SmallVec::from_buf(["x".into()]));
            }
            metadata.push("b".into(), SmallVec::from_buf(["2".into()]));
            metadata.push("a".into(), SmallVec::from_buf(["3".into()]));
            metadata.keep_last();
            assert_eq!(metadata.len(), 2 + others);
            assert_eq!((first(&metadata, "a"), first(&metadata, "b")), (Some("3"), Some("2")));
        }
    }

    #[test]
    fn a_header_that_is_not_ascii_becomes_text() {
        let value = Value::from(&HeaderValue::from_bytes(b"caf\xe9").unwrap());
        assert_eq!(value.as_str(), "caf\u{fffd}");
        assert_eq!(Value::from(&HeaderValue::from_static("a b")).to_header().unwrap(), "a b");
        assert!(Value::from("a\nb").to_header().is_err());
    }
}
