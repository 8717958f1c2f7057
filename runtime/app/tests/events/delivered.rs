//! Channels to apps, and messages for them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use service::Tasks;
use trilby_app::events::{BulkEntry, BulkPayload, BulkTopicEvent, CloudEvent, Outcome, TopicEvent};
use trilby_app::{Address, Channel, Health, Options, Protocol};

pub(crate) const TOKEN: &str = "token-of-the-app";

/// How to reach an app of this protocol.
pub(crate) fn options(port: u16, protocol: Protocol) -> Options {
    Options {
        address: Address { host: "127.0.0.1".into(), port },
        protocol,
        max_concurrency: None,
        token: Some(TOKEN.parse().unwrap()),
        max_message: 4 << 20,
        max_headers: 4 << 10,
        health_path: "/healthz".into(),
        pipeline: None,
        metrics: telemetry::Metrics::off(),
    }
}

/// A channel to an app that is always well.
pub(crate) fn channel(port: u16, protocol: Protocol) -> Channel {
    Channel::new(options(port, protocol), Health::always(), &Tasks::new()).unwrap()
}

pub(crate) fn cloud_event() -> CloudEvent {
    let event = json!({
        "id": "1", "source": "test", "type": "order", "specversion": "1.0", "datacontenttype": "application/json",
        "data": { "count": 1 }, "topic": "orders", "pubsubname": "broker",
    });
    match event {
        Value::Object(event) => event,
        _ => panic!("not an object"),
    }
}

/// A message with this metadata.
pub(crate) fn event(metadata: &[(&str, &str)]) -> TopicEvent {
    let cloud_event = cloud_event();
    TopicEvent {
        pubsub: "broker".into(),
        topic: "orders".into(),
        path: "/orders".into(),
        payload: serde_json::to_vec(&cloud_event).unwrap().into(),
        cloud_event,
        binary: None,
        metadata: pairs(metadata),
    }
}

/// Two messages, the second one raw.
pub(crate) fn bulk() -> BulkTopicEvent {
    let entry = |id: &str, event: BulkPayload| BulkEntry {
        id: id.to_owned(),
        content_type: String::new(),
        metadata: pairs(&[("tenant", "blue")]),
        event,
    };
    BulkTopicEvent {
        id: "call".into(),
        pubsub: "broker".into(),
        topic: "orders".into(),
        path: "/orders".into(),
        entries: vec![
            entry("a", BulkPayload::CloudEvent(cloud_event())),
            entry("b", BulkPayload::Raw(Bytes::from_static(&[0, 255]))),
        ],
        metadata: pairs(&[("tenant", "red")]),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("an outcome in time")
}

/// What kind of outcome it is, and the code that it carries.
pub(crate) fn kind(outcome: &Outcome) -> (&'static str, Option<i32>) {
    match outcome {
        Outcome::Success => ("success", None),
        Outcome::Retry(retry) => ("retry", retry.code),
        Outcome::Drop(_) => ("drop", None),
        Outcome::Undelivered(_) => ("undelivered", None),
    }
}
