//! What the trigger of a configuration table sends: JSON with the changed row in `data`, and the kind of change in
//! `action`, as the target's documentation has it. Pure.

use component::configuration::Item;
use serde_json::{Map, Value};

/// One change of one row.
#[derive(Debug, PartialEq)]
pub(super) struct Announcement {
    pub(super) key: String,
    /// The row as it is now; `None` when it was removed.
    pub(super) item: Option<Item>,
}

impl Announcement {
    /// Reads a notification; `None` for what is none of a configuration table.
    pub(super) fn parse(payload: &str) -> Option<Self> {
        let mut payload: Map<String, Value> = serde_json::from_str(payload).ok()?;
        let removed =
            payload.get("action").and_then(Value::as_str).is_some_and(|word| word.eq_ignore_ascii_case("DELETE"));
        let Value::Object(row) = payload.remove("data")? else { return None };
        let (mut key, mut item) = (None, Item::default());
        for (column, value) in row {
            match column.to_ascii_lowercase().as_str() {
                "key" => key = Some(plain(value)),
                "value" => item.value = plain(value),
                "version" => item.version = plain(value),
                "metadata" => {
                    if let Value::Object(object) = value {
                        item.metadata = object.into_iter().map(|(name, value)| (name, plain(value))).collect();
                    }
                }
                _ => {}
            }
        }
        Some(Self { key: key?, item: (!removed).then_some(item) })
    }
}

/// A text as it is, nothing for null, anything else as JSON.
pub(super) fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use component::Metadata;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_row_is_read_out_of_a_notification() {
        let payload = r#"{"table":"t","action":"UPDATE","data":{"KEY":"k","value":"v","version":"2",
            "metadata":{"a":"b","n":1}}}"#;
        let metadata = Metadata::from([("a".to_owned(), "b".to_owned()), ("n".to_owned(), "1".to_owned())]);
        let item = Item { value: "v".to_owned(), version: "2".to_owned(), metadata };
        assert_eq!(Announcement::parse(payload), Some(Announcement { key: "k".to_owned(), item: Some(item) }));
    }

    #[test]
    fn a_removed_row_has_no_value() {
        let payload = r#"{"action":"DELETE","data":{"key":"k","value":"old","metadata":null}}"#;
        assert_eq!(Announcement::parse(payload), Some(Announcement { key: "k".to_owned(), item: None }));
    }

    #[test]
    fn what_is_no_row_is_passed_over() {
        for payload in ["", "7", "{}", r#"{"data":7}"#, r#"{"data":{"value":"v"}}"#] {
            assert_eq!(Announcement::parse(payload), None, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_badly(text in ".*") {
            let _ = Announcement::parse(&text);
        }
    }
}
