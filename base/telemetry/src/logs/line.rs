//! One line of a log: fields in order, quoted as the target quotes them.
//! Called by the subscriber for each event that passes.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

use crate::quote::quote_into;

/// A value of a field.
pub(super) enum Value {
    Text(String),
    /// A number or a boolean, as it is written in both formats.
    Bare(String),
}

/// The message and the fields of an event.
#[derive(Default)]
pub(super) struct Content {
    pub(super) message: String,
    pub(super) fields: BTreeMap<&'static str, Value>,
}

impl Content {
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.fields.insert(name, Value::Text(value.to_owned()));
    }

    fn insert(&mut self, field: &Field, value: Value) {
        // Names that the line has already are marked as the target's logger marks them.
        let name = match field.name() {
            "fatal" => return,
            "time" => "fields.time",
            "level" => "fields.level",
            "msg" => "fields.msg",
            other => other,
        };
        self.fields.insert(name, value);
    }
}

impl Visit for Content {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.insert(field, Value::Text(value.to_owned()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        self.insert(field, if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::Bare(value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a String cannot fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.insert(field, Value::Text(format!("{value:?}")));
        }
    }
}

/// `time="..." level=info msg="..." app_id=x ...`, the fields sorted by name.
pub(super) fn text(time: &str, level: &str, content: &Content) -> String {
    let mut line = String::with_capacity(256 + content.message.len());
    line.push_str("time=");
    text_value(&mut line, time);
    line.push_str(" level=");
    line.push_str(level);
    if !content.message.is_empty() {
        line.push_str(" msg=");
        text_value(&mut line, &content.message);
    }
    for (name, value) in &content.fields {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        let (Value::Text(value) | Value::Bare(value)) = value;
        text_value(&mut line, value);
    }
    line.push('\n');
    line
}

/// One JSON object, all its names sorted.
pub(super) fn json(time: &str, level: &str, content: &Content) -> String {
    let fixed = [("level", level), ("msg", content.message.as_str()), ("time", time)];
    let mut all: BTreeMap<&str, (&str, bool)> = fixed.into_iter().map(|(name, value)| (name, (value, true))).collect();
    for (name, value) in &content.fields {
        let entry = match value {
            Value::Text(text) => (text.as_str(), true),
            Value::Bare(text) => (text.as_str(), false),
        };
        all.insert(name, entry);
    }
    let mut line = String::with_capacity(256 + content.message.len());
    for (name, (value, is_text)) in all {
        line.push(if line.is_empty() { '{' } else { ',' });
        json_text(&mut line, name);
        line.push(':');
        if is_text { json_text(&mut line, value) } else { line.push_str(value) }
    }
    line.push_str("}\n");
    line
}

fn text_value(line: &mut String, value: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
    if value.bytes().all(plain) { line.push_str(value) } else { quote_into(line, value) }
}

/// A JSON string that is also safe inside HTML, as the target's encoder writes it.
fn json_text(line: &mut String, value: &str) {
    line.push('"');
    for character in value.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            }
            _ => line.push(character),
        }
    }
    line.push('"');
}
