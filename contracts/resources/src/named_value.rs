//! A name with a value, a reference to a secret, or a reference to a variable: how resources write their settings.
//!
//! Used by every kind with settings or headers. References are resolved in [`crate::references`], not here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::meta::unset;
use crate::scalar::json_float;

/// One setting or header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamedValue {
    /// Its name.
    pub name: String,
    /// Its value; none when it is absent or `null`.
    #[serde(skip_serializing_if = "unset")]
    pub value: Option<DynamicValue>,
    /// The secret that holds its value; an empty name means none.
    #[serde(skip_serializing_if = "unset")]
    pub secret_key_ref: SecretKeyRef,
    /// The variable that holds its value; empty means none.
    #[serde(skip_serializing_if = "unset")]
    pub env_ref: String,
}

impl NamedValue {
    /// The value as components see it; empty when there is none.
    pub fn text(&self) -> String {
        self.value.as_ref().map_or_else(String::new, ToString::to_string)
    }
}

/// Where a secret is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKeyRef {
    /// Name of the secret in its store.
    pub name: String,
    /// Key inside the secret; empty means the secret's name.
    pub key: String,
}

impl SecretKeyRef {
    /// The key to look up.
    pub fn key_or_name(&self) -> &str {
        if self.key.is_empty() { &self.name } else { &self.key }
    }
}

/// A value of any JSON type, or the raw text of a secret or variable that took its place.
#[derive(Clone, PartialEq)]
pub enum DynamicValue {
    /// As written in the document.
    Json(Value),
    /// As a secret store or the environment gave it.
    Raw(String),
}

impl fmt::Debug for DynamicValue {
    /// Hides the value: settings hold passwords.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DynamicValue(…)")
    }
}

impl fmt::Display for DynamicValue {
    /// The value as components see it: strings without quotes, numbers and booleans as JSON writes them, lists and
    /// mappings as compact JSON with sorted keys. Raw text that is itself a quoted string loses its quotes.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(Value::String(text)) => out.write_str(text),
            Self::Json(Value::Null) => Ok(()),
            Self::Json(value) => out.write_str(&compact_json(value)),
            Self::Raw(text) => out.write_str(&unquoted(text)),
        }
    }
}

impl Default for DynamicValue {
    fn default() -> Self {
        Self::Json(Value::Null)
    }
}

impl From<&str> for DynamicValue {
    fn from(text: &str) -> Self {
        Self::Json(Value::String(text.to_owned()))
    }
}

impl Serialize for DynamicValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Raw(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for DynamicValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Json)
    }
}

/// JSON as the target's writer makes it: sorted keys, `<`, `>`, `&` and the two line separators escaped.
fn compact_json(value: &Value) -> String {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (None, None, Some(float)) => json_float(float),
            _ => number.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(compact_json).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.iter().collect();
            names.sort_by_key(|(name, _)| name.as_str());
            let fields: Vec<_> =
                names.iter().map(|(name, value)| format!("{}:{}", quoted(name), compact_json(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for letter in Value::String(text.to_owned()).to_string().chars() {
        match letter {
            '<' => quoted.push_str("\\u003c"),
            '>' => quoted.push_str("\\u003e"),
            '&' => quoted.push_str("\\u0026"),
            '\u{2028}' => quoted.push_str("\\u2028"),
            '\u{2029}' => quoted.push_str("\\u2029"),
            _ => quoted.push(letter),
        }
    }
    quoted
}

/// Raw text without the quotes of a Go string or character literal, if it is one.
fn unquoted(text: &str) -> String {
    if text.len() < 2 {
        return text.to_owned();
    }
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if inside('"').is_some() {
        return serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    }
    if let Some(inner) = inside('`').filter(|inner| !inner.contains('`')) {
        return inner.replace('\r', "");
    }
    match inside('\'') {
        Some(inner) if inner.chars().count() == 1 && !matches!(inner, "\\" | "'" | "\n") => inner.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_look_as_components_expect_them() {
        let shown = |value: Value| DynamicValue::Json(value).to_string();
        assert_eq!(shown(json!("hello \"there\"\n")), "hello \"there\"\n");
        assert_eq!(shown(json!("\"quoted\"")), "\"quoted\"");
        assert_eq!(shown(json!(6)), "6");
        assert_eq!(shown(json!(true)), "true");
        assert_eq!(shown(json!(5.5)), "5.5");
        assert_eq!(shown(json!(1e21)), "1e+21");
        assert_eq!(shown(json!(0.000_000_15)), "1.5e-7");
        assert_eq!(shown(json!(123_456_789.5)), "123456789.5");
        assert_eq!(shown(json!({"b": [1, "<x>"], "a": null})), r#"{"a":null,"b":[1,"\u003cx\u003e"]}"#);
        assert_eq!(shown(Value::Null), "");
    }

    #[test]
    fn raw_text_loses_only_the_quotes_of_a_literal() {
        let shown = |text: &str| DynamicValue::Raw(text.to_owned()).to_string();
        assert_eq!(shown("b"), "b");
        assert_eq!(shown(r#""b""#), "b");
        assert_eq!(shown(r#""b"#), r#""b"#);
        assert_eq!(shown(r#""a"b""#), r#""a"b""#);
        assert_eq!(shown("`a\\n`"), "a\\n");
        assert_eq!(shown("'x'"), "x");
        assert_eq!(shown("'xy'"), "'xy'");
        assert_eq!(shown("\""), "\"");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn debug_output_hides_values() {
        assert!(!format!("{:?}", DynamicValue::from("hunter2")).contains("hunter2"));
    }
}
