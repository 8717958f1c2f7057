//! Messages of topics on their way to the app: which ones it wants, the sending of one or many, and what the app made of
//! them. Called by the subscriptions of `blocks`, which decide what an outcome means for the broker. Nothing here talks to a
//! broker.

mod answer;
mod channel;
mod envelope;
mod grpc;
mod headers;
mod http;
mod listing;
mod stream;

pub use stream::{Events, StreamRecipient};

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use telemetry::SpanContext;

/// A cloud event as a JSON object; `data_base64` and `data` as its maker wrote them.
pub type CloudEvent = Map<String, Value>;

/// One message for the app.
#[derive(Debug, Clone)]
pub struct TopicEvent {
    /// Name of the component.
    pub pubsub: Arc<str>,
    /// The message's own topic.
    pub topic: String,
    /// Path of the app.
    pub path: String,
    /// Its attributes.
    pub cloud_event: CloudEvent,
    /// What an HTTP app is sent, as `application/cloudevents+json`.
    pub payload: Bytes,
    /// The event's data where it came beside its attributes (a binary content type), not as JSON.
    pub binary: Option<Bytes>,
    /// From the broker; an HTTP app sees it as headers, a gRPC app as metadata.
    pub metadata: BTreeMap<String, String>,
}

/// Many messages of one topic for one path of the app.
#[derive(Debug, Clone)]
pub struct BulkTopicEvent {
    /// Of this call.
    pub id: String,
    /// Name of the component.
    pub pubsub: Arc<str>,
    /// Their topic.
    pub topic: String,
    /// Path of the app.
    pub path: String,
    /// The messages.
    pub entries: Vec<BulkEntry>,
    /// Of the whole call.
    pub metadata: BTreeMap<String, String>,
}

/// One of many messages.
#[derive(Debug, Clone)]
pub struct BulkEntry {
    /// Tells it from the others of its call.
    pub id: String,
    /// Of the message.
    pub content_type: String,
    /// From the broker.
    pub metadata: BTreeMap<String, String>,
    /// The message.
    pub event: BulkPayload,
}

/// A message as an app of bulk subscriptions gets it.
#[derive(Debug, Clone)]
pub enum BulkPayload {
    /// A cloud event.
    CloudEvent(CloudEvent),
    /// A message that was not published as one (`rawPayload`).
    Raw(Bytes),
}

/// What the app made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Handled.
    Success,
    /// To be sent again; why, in the target's words.
    Retry(Retry),
    /// Never to be sent again, and not handled; why, in the target's words.
    Drop(String),
    /// Not handled, and nobody failed: there is no one to send it to any more, such as a stream that has ended. It goes back
    /// to the broker, and never to a dead-letter topic.
    Undelivered(String),
}

/// Why a message is to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// In the target's words.
    pub reason: String,
    /// The HTTP status or gRPC code the app answered with, where it answered with an error.
    pub code: Option<i32>,
}

/// Who gets messages: the app through its channel, or a stream that an app has opened.
#[async_trait]
pub trait Recipient: Send + Sync {
    /// Sends one message and waits for what is made of it. `trace` is sent along.
    async fn topic_event(&self, event: &TopicEvent, trace: Option<SpanContext>) -> Outcome;

    /// Sends many messages and waits for what is made of each, in their order.
    async fn bulk_topic_event(&self, event: &BulkTopicEvent, trace: Option<SpanContext>) -> Vec<Outcome>;
}

impl Outcome {
    /// The app was not there, or went away before it had answered: that is no failure of the message.
    fn unanswered(reason: String) -> Self {
        tracing::warn!(target: "dapr.runtime.processor.subscription", "{reason}");
        Self::Undelivered(reason)
    }

    fn retry(reason: String) -> Self {
        Self::Retry(Retry { reason, code: None })
    }

    fn retry_with(reason: String, code: i32) -> Self {
        Self::Retry(Retry { reason, code: Some(code) })
    }
}

/// The id of an event as log lines have it.
fn event_id(event: &CloudEvent) -> String {
    match event.get("id") {
        None | Some(Value::Null) => "<nil>".to_owned(),
        Some(Value::String(id)) => id.clone(),
        Some(other) => other.to_string(),
    }
}

/// Keeps the outcome of an entry. One that was answered twice is sent again if either answer says so.
fn keep(place: &mut Option<Outcome>, outcome: Outcome) {
    if !matches!(place, Some(Outcome::Retry(_))) {
        *place = Some(outcome);
    }
}

/// The outcome of every entry: one that the app did not name is sent again.
fn complete(entries: &[BulkEntry], outcomes: Vec<Option<Outcome>>) -> Vec<Outcome> {
    let missing = |id: &str| {
        Outcome::retry(format!(
            "response not received, RETRY required while processing bulk subscribe event for entry id: {id}"
        ))
    };
    let pairs = entries.iter().zip(outcomes);
    pairs.map(|(entry, outcome)| outcome.unwrap_or_else(|| missing(&entry.id))).collect()
}
