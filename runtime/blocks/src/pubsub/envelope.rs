//! The event that stands for what an app publishes: made around its data, or kept and completed where the data is one already.
//! Called by publishing, once per message. Attributes, their order and their defaults are the target's.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component::Metadata;
use errors::json;
use prost::Message as _;

use super::canonical::{canonical, first_value, members};
use super::content_type::Content;
use super::date;
use super::metadata;

/// What metadata that stands for an attribute begins with.
const PREFIX: &str = "cloudevent.";
/// Where an attribute is not given.
const TYPE: &str = "com.dapr.event.sent";
const SOURCE: &str = "Dapr";
const CONTENT_TYPE: &str = "text/plain";
const VERSION: &str = "1.0";
/// The last second that a general formatter knows, since 1970.
const LAST: u64 = 253_402_207_200;

/// What an event is made from.
pub(super) struct Draft<'a> {
    pub(super) app: &'a str,
    pub(super) pubsub: &'a str,
    /// As the app calls it.
    pub(super) topic: &'a str,
    pub(super) content_type: &'a str,
    pub(super) data: &'a Bytes,
    /// `traceparent` and `tracestate`, empty where there are none.
    pub(super) trace: (&'a str, &'a str),
    pub(super) metadata: &'a Metadata,
    /// Whether the broker lets messages expire by itself.
    pub(super) broker_expires: bool,
}

/// The data was announced as a cloud event and is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoCloudEvent;

impl Draft<'_> {
    /// The event as JSON.
    pub(super) fn event(&self, now: SystemTime) -> Result<Bytes, NoCloudEvent> {
        match Content::of(self.content_type) {
            Content::CloudEvent => self.kept(now),
            content => Ok(self.made(content, now)),
        }
    }

    fn made(&self, content: Content, now: SystemTime) -> Bytes {
        let given = |name: &str| self.overriding(name).filter(|value| !value.is_empty());
        // An override that is empty asks for the default, not for what would stand there without it.
        let source = self.overriding("source").map_or(self.app, |given| given);
        let (trace_id, trace_state) = self.trace;
        let trace_id = given("traceparent").or(self.overriding("traceid")).unwrap_or(trace_id);
        let or_default = |value, default| if str::is_empty(value) { default } else { value };
        let mut new_id = uuid::Uuid::encode_buffer();
        let id = given("id").unwrap_or_else(|| uuid::Uuid::new_v4().hyphenated().encode_lower(&mut new_id));
        let mut out = String::with_capacity(self.data.len() + 512);
        self.write_data(&mut out, content);
        let mut text = |name: &'static str, value: &str| attribute(&mut out, name, |out| json::string(out, value));
        text("datacontenttype", or_default(self.content_type, CONTENT_TYPE));
        if let Some(expiration) = self.expiration(now) {
            text("expiration", &expiration);
        }
        text("id", id);
        text("pubsubname", self.pubsub);
        text("source", or_default(source, SOURCE));
        text("specversion", VERSION);
        if let Some(subject) = given("subject") {
            text("subject", subject);
        }
        text("time", &rfc3339(now));
        text("topic", self.topic);
        text("traceid", trace_id);
        text("traceparent", trace_id);
        text("tracestate", self.overriding("tracestate").unwrap_or(trace_state));
        text("type", given("type").unwrap_or(TYPE));
        out.push('}');
        out.into()
    }

    /// Writes `data` or `data_base64`. What is not UTF-8 and was not said to be text is bytes: as a text it would be lost.
    fn write_data(&self, out: &mut String, content: Content) {
        let binary = match content {
            Content::Binary | Content::CloudEventProtobuf => true,
            Content::Protobuf => ProtobufEvent::decode(self.data.clone()).is_ok(),
            Content::CloudEvent | Content::Json | Content::Text | Content::Other => false,
        };
        let text = match content {
            _ if binary => None,
            // What is UTF-8 is told far quicker than what is not is mended.
            content => match std::str::from_utf8(self.data) {
                Ok(text) => Some(Cow::Borrowed(text)),
                Err(_) if matches!(content, Content::Json | Content::Text) => Some(String::from_utf8_lossy(self.data)),
                Err(_) => None,
            },
        };
        match text {
            None => attribute(out, "data_base64", |out| {
                out.push('"');
                STANDARD.encode_string(self.data, out);
                out.push('"');
            }),
            Some(text) => {
                let json = (content == Content::Json).then(|| first_value(&text).and_then(canonical)).flatten();
                attribute(out, "data", |out| match json {
                    Some(json) => out.push_str(&json),
                    None => json::string(out, &text),
                });
            }
        }
    }

    fn kept(&self, now: SystemTime) -> Result<Bytes, NoCloudEvent> {
        let text = String::from_utf8_lossy(self.data);
        let mut event = first_value(&text).and_then(members).ok_or(NoCloudEvent)?;
        let text = |value: &str| {
            let mut out = String::with_capacity(value.len() + 2);
            json::string(&mut out, value);
            out
        };
        let (trace_id, trace_state) = self.trace;
        event.entry("time".to_owned()).or_insert_with(|| text(&rfc3339(now)));
        if !event.contains_key("traceid") {
            event.insert("traceid".to_owned(), text(trace_id));
            event.insert("traceparent".to_owned(), text(trace_id));
        }
        event.entry("tracestate".to_owned()).or_insert_with(|| text(trace_state));
        event.insert("topic".to_owned(), text(self.topic));
        event.insert("pubsubname".to_owned(), text(self.pubsub));
        for (name, default) in [("source", SOURCE), ("type", TYPE), ("specversion", VERSION)] {
            if event.get(name).is_none_or(|value| value == "null") {
                event.insert(name.to_owned(), text(default));
            }
        }
        if let Some(expiration) = self.expiration(now) {
            event.insert("expiration".to_owned(), text(&expiration));
        }
        let mut out = String::with_capacity(self.data.len() + 512);
        for (name, value) in &event {
            member(&mut out, name, |out| out.push_str(value));
        }
        out.push('}');
        Ok(out.into())
    }

    /// What the metadata says instead of an attribute: `cloudevent.<name>`, in any letter case.
    fn overriding(&self, name: &str) -> Option<&str> {
        let given =
            || self.metadata.iter().filter_map(|(given, value)| Some((given.split_at_checked(PREFIX.len())?, value)));
        let exact = given().find(|((prefix, own), _)| *prefix == PREFIX && *own == name);
        let found = exact.or_else(|| {
            given().find(|((prefix, own), _)| prefix.eq_ignore_ascii_case(PREFIX) && own.eq_ignore_ascii_case(name))
        });
        found.map(|(_, value)| value.as_str())
    }

    /// When the event expires, where that is asked for and the broker does not see to it.
    fn expiration(&self, now: SystemTime) -> Option<String> {
        let left = metadata::time_to_live(self.metadata).filter(|_| !self.broker_expires)?;
        now.checked_add(left).map(rfc3339)
    }
}

/// Appends a member whose name needs no escape to an object that may not have begun.
fn attribute(out: &mut String, name: &'static str, value: impl FnOnce(&mut String)) {
    out.push_str(if out.is_empty() { "{\"" } else { ",\"" });
    out.push_str(name);
    out.push_str("\":");
    value(out);
}

/// Appends a member to an object that may not have begun.
fn member(out: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    out.push(if out.is_empty() { '{' } else { ',' });
    json::string(out, name);
    out.push(':');
    value(out);
}

/// To the second, as the target writes times.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).ok().filter(|since| since.as_secs() <= LAST);
    since.map_or_else(|| uncommon(time), |since| date::written(since.as_secs()))
}

/// A time that is not of these ages.
fn uncommon(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    // Whole seconds, rounded down, are written without a fraction.
    let seconds = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MIN).to_string()
}

/// As much of a cloud event in Protocol Buffers as tells it from other messages.
#[derive(Clone, PartialEq, prost::Message)]
struct ProtobufEvent {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    source: String,
    #[prost(string, tag = "3")]
    spec_version: String,
    #[prost(string, tag = "4")]
    r#type: String,
}

#[cfg(test)]
mod tests;
