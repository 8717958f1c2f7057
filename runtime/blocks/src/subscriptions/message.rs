//! From a message of a broker to the event that a recipient gets: read, made around raw bytes, or put together from headers.
//! Called once per message; it has no I/O. What comes in is from strangers: no content may end more than its own message.

use std::collections::BTreeMap;
use std::time::SystemTime;

use app::events::CloudEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component::pubsub::Message;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::pubsub::{Content, canonical};

/// What a subscription's messages are, by its own metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Cloud events.
    Events,
    /// Bytes (`rawPayload`).
    Raw,
}

/// A message as it was understood.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    pub(super) event: CloudEvent,
    /// What an HTTP app gets.
    pub(super) payload: Bytes,
    /// Its data, where that is not in the event.
    pub(super) binary: Option<Bytes>,
}

/// Attributes of a trace that brokers keep among their metadata.
const TRACE: [&str; 3] = ["traceid", "traceparent", "tracestate"];
/// Headers of a cloud event in binary content mode.
const HEADER_PREFIX: &str = "ce_";

/// Understands a message of a topic, by the name the app knows.
///
/// # Errors
/// Why it is not what the subscription expects.
pub(super) fn read(message: &Message, form: Form, (pubsub, topic): (&str, &str)) -> Result<Read, String> {
    if form == Form::Raw {
        return raw(message, pubsub, topic);
    }
    let content_type = content_type(message);
    if Content::of(content_type) == Content::Binary {
        return Ok(from_headers(message, content_type));
    }
    let mut event = parse(&message.data)?;
    for name in TRACE {
        if let Some(value) = message.metadata.get(name).filter(|_| !event.contains_key(name)) {
            event.insert(name.to_owned(), Value::String(value.clone()));
            if name == "traceparent" {
                event.insert("traceid".to_owned(), Value::String(value.clone()));
            }
        }
    }
    Ok(Read { event, payload: message.data.clone(), binary: None })
}

/// The content type of the data; that of a cloud event's data where none is known.
fn content_type(message: &Message) -> &str {
    let given = message.content_type.as_deref().or_else(|| message.metadata.get("content-type").map(String::as_str));
    given.unwrap_or("application/json")
}

/// The attributes of an event; `null` has none. What is not UTF-8, and halves of letters, are replaced as Go does.
pub(super) fn parse(data: &[u8]) -> Result<CloudEvent, String> {
    let error = match serde_json::from_slice::<Option<CloudEvent>>(data) {
        Ok(event) => return Ok(event.unwrap_or_default()),
        Err(error) => error,
    };
    let text = String::from_utf8_lossy(data);
    let mended = serde_json::from_str::<&RawValue>(&text).ok().and_then(canonical);
    let event = mended.and_then(|text| serde_json::from_str::<Option<CloudEvent>>(&text).ok());
    event.map(Option::unwrap_or_default).ok_or_else(|| error.to_string())
}

fn raw(message: &Message, pubsub: &str, topic: &str) -> Result<Read, String> {
    let text = |value: &str| Value::String(value.to_owned());
    let mut event = CloudEvent::new();
    event.insert("id".to_owned(), Value::String(uuid::Uuid::new_v4().to_string()));
    event.insert("specversion".to_owned(), text("1.0"));
    event.insert("datacontenttype".to_owned(), text("application/octet-stream"));
    event.insert("source".to_owned(), text("Dapr"));
    event.insert("type".to_owned(), text("com.dapr.event.sent"));
    event.insert("topic".to_owned(), text(topic));
    event.insert("pubsubname".to_owned(), text(pubsub));
    event.insert("data_base64".to_owned(), Value::String(STANDARD.encode(&message.data)));
    for name in TRACE {
        if let Some(value) = message.metadata.get(name) {
            event.insert(name.to_owned(), text(value));
            if name == "traceparent" {
                event.insert("traceid".to_owned(), text(value));
            }
        }
    }
    let payload = serde_json::to_vec(&event).map_err(|error| error.to_string())?;
    Ok(Read { event, payload: payload.into(), binary: None })
}

fn from_headers(message: &Message, content_type: &str) -> Read {
    let mut event = CloudEvent::new();
    for (name, value) in &message.metadata {
        if let Some(attribute) = name.to_lowercase().strip_prefix(HEADER_PREFIX) {
            event.insert(attribute.to_owned(), Value::String(value.clone()));
        }
    }
    event.insert("datacontenttype".to_owned(), Value::String(content_type.to_owned()));
    Read { event, payload: message.data.clone(), binary: Some(message.data.clone()) }
}

/// Whether the event's time is over. A time that cannot be read is none.
pub(super) fn has_expired(event: &CloudEvent, now: SystemTime) -> bool {
    let Some(Value::String(expiration)) = event.get("expiration") else { return false };
    match expiration.parse::<jiff::Timestamp>() {
        Ok(expiration) => SystemTime::from(expiration) < now,
        Err(_) => false,
    }
}

/// The trace the event is part of, as a `traceparent`.
pub(super) fn trace_parent(event: &CloudEvent) -> Option<&str> {
    let given = |name| event.get(name).filter(|value| !value.is_null());
    given("traceparent").or_else(|| given("traceid")).and_then(Value::as_str)
}

/// An attribute for log lines.
pub(super) fn shown(event: &CloudEvent, name: &str) -> String {
    match event.get(name) {
        None | Some(Value::Null) => "<nil>".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What the recipient is told beside the event.
pub(super) fn metadata(message: &mut Message, pubsub: &str) -> BTreeMap<String, String> {
    let mut metadata = std::mem::take(&mut message.metadata);
    if let Some(content_type) = &message.content_type {
        metadata.insert("content-type".to_owned(), content_type.clone());
    }
    metadata.insert("pubsubName".to_owned(), pubsub.to_owned());
    metadata
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(data: &[u8], metadata: &[(&str, &str)]) -> Message {
        Message {
            topic: "t".to_owned(),
            data: Bytes::copy_from_slice(data),
            content_type: None,
            metadata: metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn events(message: &Message) -> Result<Read, String> {
        read(message, Form::Events, ("p", "t"))
    }

    #[test]
    fn an_event_is_passed_on_byte_for_byte_and_gets_the_brokers_trace_if_it_has_none() {
        let read =
            events(&message(br#"{ "id":"1","data":1.50 }"#, &[("traceparent", "b"), ("tracestate", "c")])).unwrap();
        assert_eq!(&read.payload[..], br#"{ "id":"1","data":1.50 }"#);
        assert_eq!((&read.event["traceid"], &read.event["tracestate"]), (&json!("b"), &json!("c")));
        let own = events(&message(br#"{"traceparent":"own"}"#, &[("traceparent", "b")])).unwrap();
        assert_eq!(own.event["traceparent"], json!("own"));
        assert!(!own.event.contains_key("traceid"));
    }

    #[test]
    fn raw_bytes_become_the_data_of_an_event() {
        let read = read(&message(b"\xff\x00", &[("traceid", "x")]), Form::Raw, ("p", "topic")).unwrap();
        let sent: Value = serde_json::from_slice(&read.payload).unwrap();
        assert_eq!(sent["data_base64"], json!("/wA="));
        assert_eq!(
            (&sent["topic"], &sent["pubsubname"], &sent["traceid"]),
            (&json!("topic"), &json!("p"), &json!("x"))
        );
        assert_eq!(sent["type"], json!("com.dapr.event.sent"));
        assert!(sent["id"].as_str().unwrap().len() == 36);
    }

    #[test]
    fn a_binary_event_is_put_together_from_its_headers() {
        let mut message = message(b"\x01\x02", &[("ce_id", "7"), ("CE_Type", "made"), ("other", "x")]);
        message.content_type = Some("application/octet-stream".to_owned());
        let read = events(&message).unwrap();
        assert_eq!(
            Value::Object(read.event),
            json!({"id": "7", "type": "made", "datacontenttype": "application/octet-stream"})
        );
        assert_eq!(read.binary.as_deref(), Some(&b"\x01\x02"[..]));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let deep = "{\"a\":".repeat(20_000);
        for data in ["", "[1]", "\"a\"", "7", "{\"a\":1} x", "{", deep.as_str()] {
            assert!(events(&message(data.as_bytes(), &[])).is_err(), "{data:.20}");
        }
        assert_eq!(events(&message(b"null", &[("traceid", "x")])).unwrap().event["traceid"], json!("x"));
    }

    #[test]
    fn letters_that_are_none_are_replaced_and_the_message_goes_on() {
        let broken = events(&message(b"{\"id\":\"\xff\",\"a\":\"\\ud800\"}", &[])).unwrap();
        assert_eq!(broken.event["id"], json!("\u{fffd}"));
    }

    #[test]
    fn an_event_whose_time_is_over_has_expired() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let expired = |value: Value| has_expired(json!({ "expiration": value }).as_object().unwrap(), now);
        assert!(expired(json!("2001-09-09T01:46:39Z")));
        assert!(expired(json!("2001-09-09T02:46:39+01:00")));
        assert!(!expired(json!("2001-09-09T01:46:41Z")));
        for other in [json!(""), json!("soon"), json!(17), json!(null), json!({})] {
            assert!(!expired(other));
        }
    }

    #[test]
    fn a_trace_of_another_type_is_none() {
        let of = |event: Value| trace_parent(event.as_object().unwrap()).map(str::to_owned);
        assert_eq!(of(json!({"traceid": "a", "traceparent": null})), Some("a".to_owned()));
        assert_eq!(of(json!({"traceid": "a", "traceparent": "b"})), Some("b".to_owned()));
        assert_eq!(of(json!({"traceid": 12345})), None);
        assert_eq!(of(json!({"traceid": "a", "traceparent": {}})), None);
    }

    proptest! {
        #[test]
        fn no_message_ends_more_than_itself(
            data in proptest::collection::vec(any::<u8>(), 0..200),
            content_type in proptest::option::of("[a-z/+-]{0,20}"),
            raw in any::<bool>(),
        ) {
            let mut message = message(&data, &[("traceparent", "\u{0}")]);
            message.content_type = content_type;
            let form = if raw { Form::Raw } else { Form::Events };
            if let Ok(read) = read(&message, form, ("p", "t")) {
                has_expired(&read.event, SystemTime::now());
                trace_parent(&read.event);
                shown(&read.event, "id");
            }
        }
    }
}
