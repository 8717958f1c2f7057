//! An app that gets its messages over a stream it has opened: each is sent as an event, and what was made of it comes back
//! by its id. Made by the gRPC door, called by the subscriptions of `blocks`.
//!
//! Nothing waits here but what the subscriptions wait for: events are handed over one by one, as the app reads them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use telemetry::SpanContext;
use tokio::sync::{mpsc, oneshot};
use wire::runtime::TopicEventRequest;

use super::{BulkPayload, BulkTopicEvent, Outcome, Recipient, TopicEvent, envelope, event_id, grpc};

/// The events for the app, in the order to send them in. Dropping it ends the stream: what is not answered yet goes back to
/// its broker.
pub type Events = mpsc::Receiver<TopicEventRequest>;

/// One stream, as a recipient of messages.
pub struct StreamRecipient {
    events: mpsc::Sender<TopicEventRequest>,
    waiting: Mutex<Waiting>,
}

/// Who waits for which id. Several messages may have the same id: they are answered in the order they were sent in.
#[derive(Default)]
struct Waiting {
    count: u64,
    by_id: HashMap<String, VecDeque<(u64, oneshot::Sender<i32>)>>,
}

/// One message that is waited for; it is not, once this is dropped.
struct Expected<'a> {
    recipient: &'a StreamRecipient,
    id: &'a str,
    number: u64,
}

impl StreamRecipient {
    /// A recipient, and the events that are to be sent to it.
    #[must_use]
    pub fn new() -> (Self, Events) {
        let (events, receiver) = mpsc::channel(1);
        (Self { events, waiting: Mutex::default() }, receiver)
    }

    /// Tells what the app made of the message with this id; false when none is waited for.
    pub fn processed(&self, id: &str, status: i32) -> bool {
        let mut waiting = self.lock();
        let Some(queue) = waiting.by_id.get_mut(id) else { return false };
        let next = queue.pop_front();
        if queue.is_empty() {
            waiting.by_id.remove(id);
        }
        next.is_some_and(|(_, sender)| sender.send(status).is_ok())
    }

    /// How many messages the app has not answered yet.
    pub fn unanswered(&self) -> usize {
        self.lock().by_id.values().map(VecDeque::len).sum()
    }

    fn expect<'a>(&'a self, id: &'a str) -> (Expected<'a>, oneshot::Receiver<i32>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.count = waiting.count.wrapping_add(1);
        let number = waiting.count;
        waiting.by_id.entry(id.to_owned()).or_default().push_back((number, sender));
        (Expected { recipient: self, id, number }, receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        let mut waiting = self.recipient.lock();
        let Some(queue) = waiting.by_id.get_mut(self.id) else { return };
        queue.retain(|(number, _)| *number != self.number);
        if queue.is_empty() {
            waiting.by_id.remove(self.id);
        }
    }
}

fn closed() -> Outcome {
    Outcome::Undelivered("stream closed".to_owned())
}

#[async_trait]
impl Recipient for StreamRecipient {
    async fn topic_event(&self, event: &TopicEvent, _: Option<SpanContext>) -> Outcome {
        let message = match envelope::single(event) {
            Ok(message) => message,
            Err(reason) => return grpc::refused(&reason),
        };
        let id = message.id.clone();
        let Ok(place) = self.events.reserve().await else { return closed() };
        let (_expected, answer) = self.expect(&id);
        place.send(message);
        tokio::select! {
            biased;
            status = answer => match status {
                Ok(status) => grpc::judge(&event_id(&event.cloud_event), status),
                Err(_) => closed(),
            },
            () = self.events.closed() => closed(),
        }
    }

    /// One by one: a stream has no other way.
    async fn bulk_topic_event(&self, event: &BulkTopicEvent, trace: Option<SpanContext>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(event.entries.len());
        for entry in &event.entries {
            let BulkPayload::CloudEvent(cloud_event) = &entry.event else {
                outcomes.push(grpc::refused("a stream gets cloud events only"));
                continue;
            };
            let one = TopicEvent {
                pubsub: event.pubsub.clone(),
                topic: event.topic.clone(),
                path: event.path.clone(),
                cloud_event: cloud_event.clone(),
                payload: bytes::Bytes::new(),
                binary: None,
                metadata: entry.metadata.clone(),
            };
            outcomes.push(self.topic_event(&one, trace.clone()).await);
        }
        outcomes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn event(id: &str) -> TopicEvent {
        let Value::Object(cloud_event) = json!({ "id": id, "datacontenttype": "text/plain", "data": "hello" }) else {
            panic!("not an object")
        };
        TopicEvent {
            pubsub: "broker".into(),
            topic: "orders".into(),
            path: "/".into(),
            cloud_event,
            payload: Bytes::new(),
            binary: None,
            metadata: BTreeMap::new(),
        }
    }

    fn sent(recipient: &Arc<StreamRecipient>, id: &str) -> tokio::task::JoinHandle<Outcome> {
        let (recipient, event) = (Arc::clone(recipient), event(id));
        #[expect(clippy::disallowed_methods, reason = "the test awaits its tasks")]
        tokio::spawn(async move { recipient.topic_event(&event, None).await })
    }

    #[tokio::test]
    async fn an_event_is_settled_by_what_comes_back_for_its_id() {
        let (recipient, mut events) = StreamRecipient::new();
        let recipient = Arc::new(recipient);
        let (first, second) = (sent(&recipient, "1"), sent(&recipient, "2"));
        let ids = [events.recv().await.unwrap().id, events.recv().await.unwrap().id];
        assert_eq!(ids, ["1", "2"]);
        assert!(!recipient.processed("3", 0));
        assert!(recipient.processed("2", 1));
        assert!(recipient.processed("1", 0));
        assert!(!recipient.processed("1", 0));
        assert_eq!(first.await.unwrap(), Outcome::Success);
        assert!(matches!(second.await.unwrap(), Outcome::Retry(_)));
        assert_eq!(recipient.unanswered(), 0);
    }

    #[tokio::test]
    async fn messages_with_the_same_id_are_each_answered() {
        let (recipient, mut events) = StreamRecipient::new();
        let recipient = Arc::new(recipient);
        let first = sent(&recipient, "1");
        events.recv().await.unwrap();
        let second = sent(&recipient, "1");
        events.recv().await.unwrap();
        assert!(recipient.processed("1", 2));
        assert!(matches!(first.await.unwrap(), Outcome::Drop(_)));
        assert!(recipient.processed("1", 0));
        assert_eq!(second.await.unwrap(), Outcome::Success);
    }

    #[tokio::test]
    async fn an_ended_stream_gives_back_what_it_did_not_answer_and_takes_nothing() {
        let (recipient, mut events) = StreamRecipient::new();
        let recipient = Arc::new(recipient);
        let taken = sent(&recipient, "1");
        events.recv().await.unwrap();
        let waiting = [sent(&recipient, "2"), sent(&recipient, "3")];
        drop(events);
        assert!(matches!(taken.await.unwrap(), Outcome::Undelivered(_)));
        for one in waiting {
            assert!(matches!(one.await.unwrap(), Outcome::Undelivered(_)));
        }
        assert!(matches!(recipient.topic_event(&event("4"), None).await, Outcome::Undelivered(_)));
        assert_eq!(recipient.unanswered(), 0);
    }

    #[tokio::test]
    async fn a_delivery_that_is_given_up_is_no_longer_waited_for() {
        let (recipient, mut events) = StreamRecipient::new();
        let recipient = Arc::new(recipient);
        let given_up = sent(&recipient, "1");
        events.recv().await.unwrap();
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        assert_eq!(recipient.unanswered(), 0);
        assert!(!recipient.processed("1", 0));
    }
}
