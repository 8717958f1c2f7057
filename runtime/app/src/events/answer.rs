//! What an HTTP app answered to messages, read as the target reads it: one JSON value, names in any case, the rest ignored.
//! Called by the HTTP delivery. Never holds more of an answer than it is given.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The status in the answer to one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// No status: an empty or unreadable answer counts as handled; why it could not be read.
    Unreadable(String),
    /// As the app wrote it; empty where it wrote none.
    Told(String),
}

/// Reads the answer to one message. A `cut` one is the beginning of an answer that was too long: a status that stands in it
/// counts.
pub(super) fn single(body: &[u8], cut: bool) -> Status {
    let mut found = None;
    let read = serde_json::Deserializer::from_slice(body).deserialize_any(Reader(&mut found));
    match (read, found) {
        (Ok(()), None | Some(Value::Null)) => Status::Told(String::new()),
        (Ok(()), Some(Value::String(status))) => Status::Told(status),
        (Err(_), Some(Value::String(status))) if cut => Status::Told(status),
        (Ok(()), Some(other)) => Status::Unreadable(format!("status {other} is not a string")),
        (Err(error), _) => Status::Unreadable(error.to_string()),
    }
}

/// Keeps the value of `status` and skips everything else.
struct Reader<'a>(&'a mut Option<Value>);

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with a status")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key.eq_ignore_ascii_case("status") {
                *self.0 = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Reads the answer to many messages: id and status of each entry that it names, in its order.
///
/// # Errors
/// Why it cannot be read; then nothing is known about any entry.
pub(super) fn bulk(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let answer = values.next().ok_or("EOF")?.map_err(|error| error.to_string())?;
    let list = match answer {
        Value::Null => return Ok(Vec::new()),
        Value::Object(object) => field(object, "statuses"),
        other => return Err(format!("{} is not an object", kind(&other))),
    };
    match list {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => entries.into_iter().map(entry).collect(),
        Some(other) => Err(format!("statuses is {}, not a list", kind(&other))),
    }
}

fn entry(entry: Value) -> Result<(String, String), String> {
    let object = match entry {
        Value::Null => return Ok(<(String, String)>::default()),
        Value::Object(object) => object,
        other => return Err(format!("a status is {}, not an object", kind(&other))),
    };
    let text = |name: &str| match field(object.clone(), name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{name} is {}, not a string", kind(&other))),
    };
    Ok((text("entryId")?, text("status")?))
}

fn field(object: serde_json::Map<String, Value>, name: &str) -> Option<Value> {
    object.into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next_back()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &str) -> Status {
        Status::Told(status.to_owned())
    }

    #[test]
    fn a_status_is_found_in_any_case_and_before_trailing_text() {
        assert_eq!(single(br#"{"a":[{"status":"x"}],"Status":"RETRY"} trailing"#, false), told("RETRY"));
        assert_eq!(single(br#"{"status":null}"#, false), told(""));
        assert_eq!(single(b"null", false), told(""));
        assert_eq!(single(b"{}", false), told(""));
    }

    #[test]
    fn an_answer_that_is_not_an_object_with_a_text_is_unreadable() {
        let bodies: [&[u8]; 6] = [b"", b"OK", b"[]", b"\"RETRY\"", br#"{"status":1}"#, br#"{"status":"RETRY""#];
        for body in bodies {
            assert!(matches!(single(body, false), Status::Unreadable(_)), "{body:?}");
        }
    }

    #[test]
    fn the_beginning_of_a_long_answer_still_tells_its_status() {
        assert_eq!(single(br#"{"status":"DROP","why":"aaaa"#, true), told("DROP"));
        assert!(matches!(single(br#"{"why":"aaaa"#, true), Status::Unreadable(_)));
    }

    #[test]
    fn each_entry_of_a_bulk_answer_is_read() {
        let read = bulk(br#"{"statuses":[{"entryId":"1","status":"SUCCESS"},{"EntryID":"2"},null]}"#).unwrap();
        let texts = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(id, status)| ((*id).to_owned(), (*status).to_owned())).collect()
        };
        assert_eq!(read, texts(&[("1", "SUCCESS"), ("2", ""), ("", "")]));
        assert_eq!(bulk(b"{}").unwrap(), []);
    }

    #[test]
    fn a_bulk_answer_that_cannot_be_read_says_why() {
        let bodies: [&[u8]; 5] = [b"", b"[]", br#"{"statuses":{}}"#, br#"{"statuses":[{"entryId":1}]}"#, b"{"];
        for body in bodies {
            assert!(bulk(body).is_err(), "{body:?}");
        }
    }
}
