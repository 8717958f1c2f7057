//! What the server tells of a stream: its entries, and which of them are pending. Only forms; nothing is asked here.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use component::Metadata;
use component::pubsub::Message;
use redis::Value;

/// The names of an entry's fields, the target's.
pub(super) const DATA: &str = "data";
pub(super) const METADATA: &str = "metadata";

/// One message as it lies in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) data: Bytes,
    pub(super) metadata: Metadata,
    /// Whether metadata was there that is not what it should be.
    pub(super) is_odd: bool,
}

/// One message that was handed to a consumer and is not acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: String,
    /// For how long nobody has claimed it.
    pub(super) idle: Duration,
    /// How often it was delivered.
    pub(super) deliveries: u64,
}

impl Entry {
    pub(super) fn into_message(self, topic: &str) -> Message {
        Message { topic: topic.to_owned(), data: self.data, content_type: None, metadata: self.metadata }
    }
}

/// The entries that a group was handed of one stream; `None` for an answer of another form.
pub(super) fn read(answer: Value) -> Option<Vec<Entry>> {
    match answer {
        Value::Nil => Some(Vec::new()),
        Value::Array(mut streams) => match streams.pop() {
            None => Some(Vec::new()),
            Some(Value::Array(mut stream)) => entries(stream.pop()?),
            Some(_) => None,
        },
        _ => None,
    }
}

/// A list of entries. What is deleted is nothing (before Redis 7) or not there.
pub(super) fn entries(answer: Value) -> Option<Vec<Entry>> {
    let Value::Array(items) = answer else { return matches!(answer, Value::Nil).then(Vec::new) };
    items.into_iter().filter(|item| *item != Value::Nil).map(entry).collect()
}

fn entry(item: Value) -> Option<Entry> {
    let Value::Array(parts) = item else { return None };
    let mut parts = parts.into_iter();
    let id = text(parts.next()?)?;
    let mut found = Entry { id, data: Bytes::new(), metadata: Metadata::new(), is_odd: false };
    let fields = match parts.next() {
        Some(Value::Array(fields)) => fields,
        _ => Vec::new(),
    };
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match (name, value) {
            (Value::BulkString(name), Value::BulkString(value)) if name == DATA.as_bytes() => found.data = value.into(),
            (Value::BulkString(name), Value::BulkString(value)) if name == METADATA.as_bytes() => {
                (found.metadata, found.is_odd) = metadata(&value);
            }
            _ => {}
        }
    }
    Some(found)
}

/// The texts in a JSON object, and whether there was anything else.
fn metadata(json: &[u8]) -> (Metadata, bool) {
    let Ok(read) = serde_json::from_slice::<Option<BTreeMap<String, serde_json::Value>>>(json) else {
        return (Metadata::new(), true);
    };
    let (mut texts, mut is_odd) = (Metadata::new(), false);
    for (name, value) in read.unwrap_or_default() {
        match value {
            serde_json::Value::String(value) => drop(texts.insert(name, value)),
            serde_json::Value::Null => drop(texts.insert(name, String::new())),
            _ => is_odd = true,
        }
    }
    (texts, is_odd)
}

/// A page of what is pending; `None` for an answer of another form.
pub(super) fn pending(answer: Value) -> Option<Vec<Pending>> {
    let Value::Array(rows) = answer else { return matches!(answer, Value::Nil).then(Vec::new) };
    let row = |row| {
        let Value::Array(parts) = row else { return None };
        let mut parts = parts.into_iter();
        let (id, _consumer) = (text(parts.next()?)?, parts.next()?);
        let (Value::Int(idle), Value::Int(deliveries)) = (parts.next()?, parts.next()?) else { return None };
        let idle = Duration::from_millis(u64::try_from(idle).unwrap_or(0));
        Some(Pending { id, idle, deliveries: u64::try_from(deliveries).unwrap_or(0) })
    };
    rows.into_iter().map(row).collect()
}

/// The smallest id behind another one. Servers before 6.2 know no open intervals.
pub(super) fn behind(id: &str) -> String {
    match id.split_once('-').map(|(time, number)| (time, number.parse::<u64>())) {
        Some((time, Ok(number))) if number < u64::MAX => format!("{time}-{}", number + 1),
        Some((time, _)) => format!("{}-0", time.parse::<u64>().unwrap_or(0).saturating_add(1)),
        None => id.to_owned(),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn stored(fields: &[&str]) -> Value {
        Value::Array(vec![bulk("5-1"), Value::Array(fields.iter().map(|field| bulk(field)).collect())])
    }

    fn one(fields: &[&str]) -> Entry {
        entries(Value::Array(vec![stored(fields)])).unwrap().pop().unwrap()
    }

    #[test]
    fn an_entry_is_data_and_metadata_in_any_order_and_with_anything_beside() {
        let whole = one(&["metadata", r#"{"a":"b"}"#, "other", "x", "data", "d"]);
        assert_eq!((&whole.id[..], &whole.data[..], whole.is_odd), ("5-1", &b"d"[..], false));
        assert_eq!(whole.metadata, Metadata::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!(one(&["data"]).data, "", "half a field is none");
        assert_eq!(one(&[]).data, "");
    }

    #[test]
    fn odd_metadata_costs_no_message() {
        for odd in ["{", "[]", "7", r#"{"a":1}"#] {
            let entry = one(&["data", "d", "metadata", odd]);
            assert_eq!((&entry.data[..], entry.is_odd), (&b"d"[..], true), "{odd}");
        }
        let entry = one(&["metadata", r#"{"a":1,"b":"c"}"#]);
        assert_eq!(entry.metadata, Metadata::from([("b".to_owned(), "c".to_owned())]));
        assert!(!one(&["metadata", "null"]).is_odd);
    }

    #[test]
    fn answers_of_every_version_are_read_and_others_are_refused() {
        let stream = Value::Array(vec![bulk("s"), Value::Array(vec![stored(&["data", "1"]), stored(&["data", "2"])])]);
        assert_eq!(read(Value::Array(vec![stream])).unwrap().len(), 2);
        assert_eq!(read(Value::Nil), Some(Vec::new()));
        assert_eq!(read(Value::Okay), None);
        assert_eq!(entries(Value::Array(vec![Value::Nil, stored(&[])])).unwrap().len(), 1);
        let row = Value::Array(vec![bulk("5-1"), bulk("c"), Value::Int(250), Value::Int(3)]);
        let row = pending(Value::Array(vec![row])).unwrap().pop().unwrap();
        assert_eq!(row, Pending { id: "5-1".to_owned(), idle: Duration::from_millis(250), deliveries: 3 });
        assert_eq!(pending(Value::Array(vec![Value::Nil])), None);
    }

    #[test]
    fn the_next_id_is_behind() {
        assert_eq!(behind("5-1"), "5-2");
        assert_eq!(behind("5-18446744073709551615"), "6-0");
    }
}
