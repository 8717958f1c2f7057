//! The fields of one message in its JSON form. Errors are worded as the target's reader words them, without the place.

use std::collections::HashMap;

use errors::ApiError;
use serde_json::{Map, Value};
use wire::Duration;

/// A message. Each field is asked for under its two spellings.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

/// A whole body; nothing at all is an empty message.
pub(super) fn whole(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| errors::malformed_request(format!("proto: {error}")))
}

/// A value that does not fit its field.
pub(super) fn wrong(kind: &str, name: &str, value: &Value) -> ApiError {
    errors::malformed_request(format!("proto: invalid value for {kind} field {name}: {value}"))
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a Map<String, Value>) -> Self {
        Self(message)
    }

    fn field(&self, name: &str, other: &str) -> Option<&'a Value> {
        self.0.get(name).or_else(|| self.0.get(other)).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str, other: &str) -> Result<Option<String>, ApiError> {
        match self.field(name, other) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value) => Err(wrong("string", name, value)),
        }
    }

    pub(super) fn flag(&self, name: &str, other: &str) -> Result<Option<bool>, ApiError> {
        match self.field(name, other) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(value) => Err(wrong("bool", name, value)),
        }
    }

    /// A number, which may stand in quotes.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(value) = self.field(name, name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| wrong("double", name, value))
    }

    pub(super) fn object(&self, name: &str, other: &str) -> Result<Option<&'a Map<String, Value>>, ApiError> {
        match self.field(name, other) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(value) => Err(wrong("message", name, value)),
        }
    }

    pub(super) fn message(&self, name: &str, other: &str) -> Result<Option<Fields<'a>>, ApiError> {
        Ok(self.object(name, other)?.map(Fields))
    }

    pub(super) fn list<T>(
        &self,
        name: &str,
        other: &str,
        read: impl Fn(Fields<'a>) -> Result<T, ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        let items = match self.field(name, other) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(value) => return Err(wrong("repeated", name, value)),
        };
        let item = |item: &'a Value| match item {
            Value::Object(members) => read(Fields(members)),
            value => Err(wrong("message", name, value)),
        };
        items.iter().map(item).collect()
    }

    /// An object whose values are texts.
    pub(super) fn texts(&self, name: &str) -> Result<HashMap<String, String>, ApiError> {
        let Some(members) = self.object(name, name)? else { return Ok(HashMap::new()) };
        let pair = |(key, value): (&String, &Value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            value => Err(wrong("string", "value", value)),
        };
        members.iter().map(pair).collect()
    }

    /// A duration such as `86400s` or `1.5s`.
    pub(super) fn duration(&self, name: &str, other: &str) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.text(name, other)? else { return Ok(None) };
        let read = seconds(&text);
        let wrong = || errors::malformed_request(format!("proto: invalid google.protobuf.Duration value {text:?}"));
        read.map(Some).ok_or_else(wrong)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let (seconds, nanos) = (whole.parse::<i64>().ok()?, format!("{fraction:0<9}").parse::<i32>().ok()?);
    // The longest that protobuf has: ten thousand years.
    let sign = if negative { -1 } else { 1 };
    (seconds <= 315_576_000_000).then(|| Duration { seconds: seconds * i64::from(sign), nanos: nanos * sign })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        let read = |text| seconds(text).map(|time| (time.seconds, time.nanos));
        assert_eq!(read("86400s"), Some((86_400, 0)));
        assert_eq!(read("1.5s"), Some((1, 500_000_000)));
        assert_eq!(read("-0.000000001s"), Some((0, -1)));
        for wrong in ["1", "1m", "s", ".5s", "1.s", "+1s", "1.0000000001s", "315576000001s", "1 s"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
