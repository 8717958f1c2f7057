//! What events look like, byte for byte.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const NOW: Duration = Duration::from_secs(1_774_000_000);

struct Case<'a> {
    content_type: &'a str,
    data: &'a [u8],
    metadata: &'a [(&'a str, &'a str)],
    trace: (&'a str, &'a str),
    broker_expires: bool,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            content_type: "",
            data: b"x",
            metadata: &[("cloudevent.id", "i")],
            trace: ("", ""),
            broker_expires: false,
        }
    }
}

impl Case<'_> {
    fn event(&self) -> Option<String> {
        let metadata = self.metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let draft = Draft {
            app: "app",
            pubsub: "ps",
            topic: "t<1>",
            content_type: self.content_type,
            data: &Bytes::copy_from_slice(self.data),
            trace: self.trace,
            metadata: &metadata,
            broker_expires: self.broker_expires,
        };
        let event = draft.event(SystemTime::UNIX_EPOCH + NOW).ok()?;
        Some(String::from_utf8(event.to_vec()).unwrap())
    }

    fn read(&self) -> Value {
        serde_json::from_str(&self.event().unwrap()).unwrap()
    }
}

#[test]
fn an_event_is_written_as_the_target_writes_it() {
    let case = Case { trace: ("00-a-b-01", "k=v"), ..Case::default() };
    assert_eq!(
        case.event().unwrap(),
        "{\"data\":\"x\",\"datacontenttype\":\"text/plain\",\"id\":\"i\",\"pubsubname\":\"ps\",\"source\":\"app\",\
         \"specversion\":\"1.0\",\"time\":\"2026-03-20T09:46:40Z\",\"topic\":\"t\\u003c1\\u003e\",\"traceid\":\"00-a-b-01\",\
         \"traceparent\":\"00-a-b-01\",\"tracestate\":\"k=v\",\"type\":\"com.dapr.event.sent\"}"
    );
}

#[test]
fn the_content_type_says_how_data_stands_in_the_event() {
    for (content_type, data, expected) in [
        ("", &b"a\"b"[..], r#""data":"a\"b""#),
        (
            "application/json",
            b"{\"b\": 12345678901234567890, \"a\": [1.0]} tail",
            r#""data":{"a":[1.0],"b":12345678901234567890}"#,
        ),
        ("Application/JSON; charset=utf-8", b"null", r#""data":null"#),
        ("application/json", b"not json", r#""data":"not json""#),
        ("application/json", b"", r#""data":"""#),
        ("application/octet-stream", b"\0\xff", r#""data_base64":"AP8=""#),
        ("application/cloudevents+protobuf", b"x", r#""data_base64":"eA==""#),
        ("application/x-protobuf", b"\x0a\x01i", r#""data_base64":"CgFp""#),
        ("application/x-protobuf", b"hello", r#""data":"hello""#),
        ("application/xml", b"<a/>", r#""data":"\u003ca/\u003e""#),
        ("image/png", b"\x89PNG", r#""data_base64":"iVBORw==""#),
        ("", b"\xff", r#""data_base64":"/w==""#),
        ("text/plain", b"a\xff", "\"data\":\"a\u{fffd}\""),
        ("application/json", b"{\"a\":\"\xff\"}", "\"data\":{\"a\":\"\u{fffd}\"}"),
    ] {
        let event = Case { content_type, data, ..Case::default() }.event().unwrap();
        assert!(event.starts_with(&format!("{{{expected},\"datacontenttype\":")), "{content_type}: {event}");
    }
}

#[test]
fn attributes_are_overridden_by_metadata_in_any_letter_case() {
    let metadata = [
        ("CloudEvent.ID", "1"),
        ("cloudevent.source", "s"),
        ("cloudevent.type", "y"),
        ("cloudevent.subject", "u"),
        ("cloudevent.traceid", "a"),
        ("cloudevent.traceparent", "b"),
        ("cloudevent.tracestate", "c"),
        ("cloudevent.topic", "never"),
        ("cloudevent.data", "never"),
        ("cloudevent.datacontenttype", "never"),
        ("cloudevent.pubsub", "never"),
    ];
    let event = Case { metadata: &metadata, trace: ("own", "own"), ..Case::default() }.event().unwrap();
    assert!(!event.contains("never") && !event.contains("own"), "{event}");
    for part in [r#""id":"1""#, r#""source":"s""#, r#""type":"y""#, r#""subject":"u""#, r#""tracestate":"c""#] {
        assert!(event.contains(part), "{event}");
    }
    assert!(event.contains(r#""traceid":"b","traceparent":"b""#), "{event}");
}

#[test]
fn an_empty_override_is_the_default() {
    let metadata = [("cloudevent.source", ""), ("cloudevent.id", ""), ("cloudevent.traceid", "")];
    let event = Case { metadata: &metadata, trace: ("own", ""), ..Case::default() }.read();
    assert_eq!((&event["source"], &event["traceid"]), (&"Dapr".into(), &"".into()));
    assert!(uuid::Uuid::parse_str(event["id"].as_str().unwrap()).is_ok());
    assert!(event.get("subject").is_none());
}

#[test]
fn an_event_expires_where_the_broker_does_not_see_to_it() {
    let expiring = |metadata, broker_expires| Case { metadata, broker_expires, ..Case::default() }.read();
    assert_eq!(expiring(&[("ttlInSeconds", "60")], false)["expiration"], "2026-03-20T09:47:40Z");
    assert_eq!(expiring(&[("ttlInSeconds", "9223372036854775807")], false)["expiration"], "2318-06-30T09:33:56Z");
    for (metadata, broker) in [(&[("ttlInSeconds", "60")][..], true), (&[("ttlInSeconds", "x")], false), (&[], false)] {
        assert!(expiring(metadata, broker).get("expiration").is_none());
    }
}

fn kept(data: &str) -> Option<String> {
    Case {
        content_type: "application/cloudevents+json; charset=utf-8",
        data: data.as_bytes(),
        trace: ("p", "s"),
        metadata: &[("cloudevent.id", "ignored"), ("ttlInSeconds", "60")],
        ..Case::default()
    }
    .event()
}

#[test]
fn an_event_of_the_app_is_kept_and_completed() {
    assert_eq!(
        kept(r#"{"id":"7","data":{"z":1,"a":2},"topic":"mine","own":"<x>","source":null,"time":"yesterday"} tail"#)
            .unwrap(),
        "{\"data\":{\"a\":2,\"z\":1},\"expiration\":\"2026-03-20T09:47:40Z\",\"id\":\"7\",\"own\":\"\\u003cx\\u003e\",\
         \"pubsubname\":\"ps\",\"source\":\"Dapr\",\"specversion\":\"1.0\",\"time\":\"yesterday\",\
         \"topic\":\"t\\u003c1\\u003e\",\"traceid\":\"p\",\"traceparent\":\"p\",\"tracestate\":\"s\",\
         \"type\":\"com.dapr.event.sent\"}"
    );
}

#[test]
fn a_trace_of_the_app_is_kept_of_whatever_type() {
    for trace in ["12345", "{\"a\":[1]}", "null", "true", "\"t\"", "1e400"] {
        let event = kept(&format!("{{\"traceid\":{trace},\"traceparent\":7,\"tracestate\":[]}}")).unwrap();
        assert!(event.contains(&format!("\"traceid\":{trace},\"traceparent\":7,\"tracestate\":[],")), "{event}");
    }
    let event = kept("{\"traceparent\":\"lost\"}").unwrap();
    assert!(event.contains("\"traceparent\":\"p\""), "{event}");
}

#[test]
fn what_is_no_object_is_no_event() {
    for data in ["", "{\"}", "[1]", "7", "\"x\"", "null", "true", "not json", "{\"a\":1"] {
        assert_eq!(kept(data), None, "{data}");
    }
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(kept(&deep), None);
}

#[test]
fn json_that_is_too_deep_is_a_text_and_a_huge_body_is_an_event() {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let event = Case { content_type: "application/json", data: deep.as_bytes(), ..Case::default() }.read();
    assert_eq!(event["data"], deep.as_str());
    let huge = "x".repeat(8 << 20);
    assert_eq!(Case { data: huge.as_bytes(), ..Case::default() }.read()["data"], huge.as_str());
}

proptest! {
    #[test]
    fn whatever_is_published_becomes_an_event_that_can_be_read(
        content_type in prop_oneof![
            Just("application/json"), Just("text/plain"), Just(""), Just("application/octet-stream"), Just("application/x-protobuf")
        ],
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "[\\[\\]{}\",:0-9a-z\\\\ ]{0,32}".prop_map(String::into_bytes),
        ],
    ) {
        let event = Case { content_type, data: &data, ..Case::default() }.read();
        let said_to_be_text = ["application/json", "text/plain"].contains(&content_type);
        let carried = match (&event["data_base64"], &event["data"]) {
            (Value::String(text), _) => STANDARD.decode(text).unwrap(),
            (_, Value::String(text)) if !said_to_be_text => text.clone().into_bytes(),
            (_, value) => {
                prop_assert!(said_to_be_text && event.get("data") == Some(value));
                return Ok(());
            }
        };
        prop_assert_eq!(carried, data);
    }

    #[test]
    fn whatever_is_announced_as_an_event_is_kept_or_refused(data in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        "\\{(\"[a-z]{1,8}\":[\\[\\]{}0-9a-z\"]{1,6},?){0,5}\\}".prop_map(String::into_bytes),
    ]) {
        let case = Case { content_type: "application/cloudevents+json", data: &data, ..Case::default() };
        if let Some(event) = case.event() {
            let event: Value = serde_json::from_str(&event).unwrap();
            prop_assert_eq!(&event["topic"], "t<1>");
        }
    }
}

/// An event with placeholders for what differs each time.
fn comparable(event: &str) -> String {
    let id = regex::Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let time = regex::Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    time.replace_all(&id.replace_all(event, "UUID"), "TIME").replace("\"t\\u003c1\\u003e\"", "\"t\"")
}

#[test]
fn events_are_those_that_were_recorded_from_the_target() {
    let recorded = include_str!("../../../tests/vectors/events.tsv");
    for row in recorded.lines() {
        let [content_type, data, metadata, parent, state, event] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let pairs = metadata.split('&').filter_map(|pair| pair.split_once('='));
        let made = Case {
            content_type,
            data: &STANDARD.decode(data).unwrap(),
            metadata: &pairs.collect::<Vec<_>>(),
            trace: (parent, state),
            broker_expires: false,
        };
        assert_eq!(comparable(&made.event().unwrap()), event, "{row}");
    }
    assert!(recorded.lines().count() > 25);
}
