//! A message as the protobuf form that gRPC apps and streams get. Called by the gRPC delivery and by streams.
//!
//! The target's form (`GRPCEnvelopeFromSubscriptionMessage`), with data kept where the target loses it without being held
//! to it: data of no content type, binary data, and `data_base64` of many messages.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost_types::{ListValue, Struct, Value as ProtoValue, value::Kind};
use serde_json::{Map, Value};
use wire::runtime::topic_event_bulk_request_entry::Event;
use wire::runtime::{TopicEventBulkRequest, TopicEventBulkRequestEntry, TopicEventCeRequest, TopicEventRequest};

use super::headers::PUBSUB_NAME;
use super::{BulkEntry, BulkPayload, BulkTopicEvent, CloudEvent, TopicEvent};

/// The type of every bulk envelope.
pub(super) const BULK_TYPE: &str = "com.dapr.event.sent.bulk";

/// What stands in fields of its own and is not repeated among the extensions.
const FIELDS: [&str; 7] = ["id", "source", "datacontenttype", "type", "specversion", "data", "data_base64"];

/// The form of one message.
///
/// # Errors
/// Why its data cannot be given to an app.
pub(super) fn single(event: &TopicEvent) -> Result<TopicEventRequest, String> {
    let TopicEventCeRequest { id, source, r#type, spec_version, data_content_type, data, extensions } =
        cloud_event(&event.cloud_event, event.binary.as_ref())?;
    Ok(TopicEventRequest {
        id,
        source,
        r#type,
        spec_version,
        data_content_type,
        data,
        topic: event.topic.clone(),
        pubsub_name: event.pubsub.to_string(),
        path: event.path.clone(),
        extensions,
    })
}

/// The form of many messages: those that have one, and for each that has none, its place and why.
pub(super) fn bulk(event: &BulkTopicEvent) -> (TopicEventBulkRequest, Vec<(usize, String)>) {
    let mut failed = Vec::new();
    let mut entries = Vec::with_capacity(event.entries.len());
    for (at, one) in event.entries.iter().enumerate() {
        match entry(one) {
            Ok(entry) => entries.push(entry),
            Err(reason) => failed.push((at, reason)),
        }
    }
    let mut metadata: HashMap<String, String> = event.metadata.clone().into_iter().collect();
    metadata.insert(PUBSUB_NAME.to_owned(), event.pubsub.to_string());
    let request = TopicEventBulkRequest {
        id: event.id.clone(),
        entries,
        metadata,
        topic: event.topic.clone(),
        pubsub_name: event.pubsub.to_string(),
        r#type: BULK_TYPE.to_owned(),
        path: event.path.clone(),
    };
    (request, failed)
}

fn entry(entry: &BulkEntry) -> Result<TopicEventBulkRequestEntry, String> {
    let event = match &entry.event {
        BulkPayload::Raw(bytes) => Event::Bytes(bytes.clone()),
        BulkPayload::CloudEvent(event) => Event::CloudEvent(cloud_event(event, None)?),
    };
    Ok(TopicEventBulkRequestEntry {
        entry_id: entry.id.clone(),
        content_type: entry.content_type.clone(),
        metadata: entry.metadata.clone().into_iter().collect(),
        event: Some(event),
    })
}

fn cloud_event(event: &CloudEvent, binary: Option<&Bytes>) -> Result<TopicEventCeRequest, String> {
    let data_content_type = text(event, "datacontenttype");
    let data = match binary {
        Some(bytes) => bytes.clone(),
        None => data(event, &data_content_type)?,
    };
    let extensions = event.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str()));
    Ok(TopicEventCeRequest {
        id: text(event, "id"),
        source: text(event, "source"),
        r#type: text(event, "type"),
        spec_version: text(event, "specversion"),
        data_content_type,
        data,
        extensions: Some(fields(extensions)),
    })
}

/// An attribute, empty where it is missing or not a text.
pub(super) fn text(event: &CloudEvent, name: &str) -> String {
    event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn data(event: &CloudEvent, content_type: &str) -> Result<Bytes, String> {
    const UNEXPECTED: &str = "unexpected data type encountered in envelope";
    match event.get("data_base64") {
        None | Some(Value::Null) => {}
        Some(Value::String(encoded)) => {
            return STANDARD.decode(encoded).map(Bytes::from).map_err(|error| format!("data_base64: {error}"));
        }
        Some(_) => return Err(UNEXPECTED.to_owned()),
    }
    match event.get("data") {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(Value::String(text)) if is_text(content_type) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(_) if is_text(content_type) => Err(UNEXPECTED.to_owned()),
        // The target's suite holds that data of any other content type is not given to a gRPC app.
        Some(_) if !is_json(content_type) => Ok(Bytes::new()),
        Some(value) => serde_json::to_vec(value).map(Bytes::from).map_err(|error| error.to_string()),
    }
}

/// Whether data of this content type is kept as a text.
fn is_text(content_type: &str) -> bool {
    content_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
        || media_type(content_type).eq_ignore_ascii_case("application/xml")
}

/// Whether data is JSON: of an event that names no content type it is.
fn is_json(content_type: &str) -> bool {
    ["", "application/json", "application/cloudevents+json"]
        .iter()
        .any(|json| media_type(content_type).eq_ignore_ascii_case(json))
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default()
}

fn fields<'a>(values: impl Iterator<Item = (&'a String, &'a Value)>) -> Struct {
    Struct { fields: values.map(|(name, value)| (name.clone(), proto(value))).collect() }
}

fn proto(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(proto).collect() }),
        Value::Object(object) => Kind::StructValue(object_fields(object)),
    };
    ProtoValue { kind: Some(kind) }
}

fn object_fields(object: &Map<String, Value>) -> Struct {
    fields(object.iter())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn event(value: Value) -> TopicEvent {
        let Value::Object(cloud_event) = value else { panic!("not an object") };
        TopicEvent {
            pubsub: "broker".into(),
            topic: "orders".into(),
            path: "/orders".into(),
            cloud_event,
            payload: Bytes::new(),
            binary: None,
            metadata: BTreeMap::new(),
        }
    }

    fn data_of(value: Value) -> Result<Bytes, String> {
        single(&event(value)).map(|request| request.data)
    }

    #[test]
    fn attributes_have_fields_and_the_rest_are_extensions() {
        let request = single(&event(json!({
            "id": "1", "source": "s", "type": "t", "specversion": "1.0", "datacontenttype": "text/plain",
            "data": "hello", "traceid": "x", "pubsubname": "p", "count": 3, "list": [null, true, {"a": 1.5}],
        })))
        .unwrap();
        assert_eq!((&*request.id, &*request.source, &*request.r#type), ("1", "s", "t"));
        assert_eq!((&*request.spec_version, &*request.topic, &*request.pubsub_name), ("1.0", "orders", "broker"));
        assert_eq!(request.data, "hello");
        let extensions = request.extensions.unwrap().fields;
        assert_eq!(
            extensions.keys().map(String::as_str).collect::<Vec<_>>(),
            ["count", "list", "pubsubname", "traceid"]
        );
        assert_eq!(extensions["count"].kind, Some(Kind::NumberValue(3.0)));
        let Some(Kind::ListValue(list)) = &extensions["list"].kind else { panic!("not a list") };
        assert_eq!(list.values.len(), 3);
    }

    #[test]
    fn data_is_given_as_its_content_type_says() {
        let json_type = "application/json; charset=utf-8";
        assert_eq!(data_of(json!({"datacontenttype": json_type, "data": "a"})).unwrap(), "\"a\"");
        assert_eq!(data_of(json!({"datacontenttype": json_type, "data": {"a": 1}})).unwrap(), r#"{"a":1}"#);
        assert_eq!(data_of(json!({"datacontenttype": "application/xml", "data": "<a/>"})).unwrap(), "<a/>");
        assert_eq!(data_of(json!({"data": null, "datacontenttype": json_type})).unwrap(), "");
        let binary = json!({"datacontenttype": "application/octet-stream", "data_base64": "AP8="});
        assert_eq!(data_of(binary).unwrap(), &[0, 255][..]);
    }

    #[test]
    fn data_of_a_missing_content_type_and_binary_data_are_not_lost() {
        assert_eq!(data_of(json!({"datacontenttype": "application/vnd.x", "data": "a"})).unwrap(), "");
        assert_eq!(data_of(json!({"data": "a"})).unwrap(), "\"a\"");
        let mut beside = event(json!({"datacontenttype": "application/octet-stream"}));
        beside.binary = Some(Bytes::from_static(&[1, 2]));
        assert_eq!(single(&beside).unwrap().data, &[1, 2][..]);
    }

    #[test]
    fn data_that_does_not_fit_its_content_type_is_refused() {
        assert!(data_of(json!({"datacontenttype": "text/plain", "data": {"a": 1}})).is_err());
        assert!(data_of(json!({"data_base64": "%"})).is_err());
        assert!(data_of(json!({"data_base64": 1})).is_err());
    }
}
