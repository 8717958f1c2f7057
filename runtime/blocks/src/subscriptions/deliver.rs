//! One message on its way: understood, routed, handed to its recipient, and settled by the delivery rule. Called by `running`
//! for each message; `bulk` uses the parts for many.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use app::events::{CloudEvent, Outcome, Recipient, TopicEvent};
use component::CallContext;
use component::pubsub::{Delivery, Message, Settlement};
use loaded::Pinned;
use resources::SubscriptionSpec;
use telemetry::{SpanContext, Tracing};
use tokio_util::sync::CancellationToken;

use super::ingress::{Counted, Ingress};
use super::message::{self, Form, Read};
use super::routes::Routes;
use super::verdict::{self, OnFailure, Step, Verdict};
use crate::pubsub::{self, PubSub, TopicRules};

const TARGET: &str = "dapr.runtime.processor.subscription";
/// How long publishing to a dead-letter topic may take (the target's `deadLetterPublishTimeout`).
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(30);
/// Before each try to publish to a dead-letter topic; after the last, the broker delivers the message again.
const DEAD_LETTER_WAITS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1)];
/// A message that reached nobody is held for so long before it goes back, so that it does not come again at once.
const HOLD: Duration = Duration::from_millis(500);

/// A running subscription: what its messages are, where they go, and what it needs to settle them.
pub(super) struct Subscription {
    pub(super) spec: SubscriptionSpec,
    pub(super) pubsub: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) form: Form,
    pub(super) routes: Routes,
    pub(super) on_failure: OnFailure,
    pub(super) recipient: Arc<dyn Recipient>,
    pub(super) publisher: PubSub,
    /// Held while it runs, so that the backend is not closed before its messages are settled.
    pub(super) broker: Pinned<dyn component::pubsub::PubSub>,
    pub(super) ingress: Ingress,
    pub(super) tracing: Tracing,
}

/// A message that was understood and has a path, or what becomes of it without a recipient.
pub(super) enum Prepared {
    For(Read, String),
    Settled(Verdict, Counted),
}

impl Subscription {
    /// Handles one message to its end. Once `ending` is cancelled, failures are not held against it.
    pub(super) async fn deliver(&self, mut delivery: Delivery, ending: &CancellationToken) {
        let mut message = std::mem::take(&mut delivery.message);
        message.topic = self.own_topic(&message.topic);
        let verdict = match self.prepare(&message) {
            Prepared::Settled(verdict, counted) => {
                self.ingress.one(self.place(&message), counted, None);
                verdict
            }
            Prepared::For(read, path) => self.attempt(&mut message, read, path).await,
        };
        self.settle(delivery, (message, verdict), ending).await;
    }

    /// The topic as the app calls it.
    pub(super) fn own_topic(&self, topic: &str) -> String {
        TopicRules::of(self.broker.details()).original(&self.namespace, topic).to_owned()
    }

    pub(super) fn place<'a>(&'a self, message: &'a Message) -> (&'a Arc<str>, &'a str) {
        (&self.pubsub, &message.topic)
    }

    /// Understands and routes a message.
    pub(super) fn prepare(&self, message: &Message) -> Prepared {
        let (name, topic) = (&*self.pubsub, &*message.topic);
        let read = match message::read(message, self.form, (name, topic)) {
            Ok(read) => read,
            Err(reason) => {
                tracing::error!(
                    target: TARGET,
                    "error deserializing cloud event in pubsub {name} and topic {topic}: {reason}"
                );
                return Prepared::Settled(Verdict::Failed, Counted::Retry);
            }
        };
        if message::has_expired(&read.event, SystemTime::now()) {
            let (id, end) = (message::shown(&read.event, "id"), message::shown(&read.event, "expiration"));
            tracing::warn!(target: TARGET, "dropping expired pub/sub event {id} as of {end}");
            return Prepared::Settled(Verdict::Dropped, Counted::SetAside);
        }
        let id = || message::shown(&read.event, "id");
        match self.routes.path(&read.event) {
            Ok(Some(path)) => {
                let path = path.to_owned();
                Prepared::For(read, path)
            }
            Ok(None) => {
                tracing::debug!(
                    target: TARGET,
                    "no matching route for event {} in pubsub {name} and topic {topic}; skipping", id()
                );
                Prepared::Settled(Verdict::Dropped, Counted::Dropped)
            }
            Err(reason) => {
                tracing::error!(
                    target: TARGET,
                    "error finding matching route for event {} in pubsub {name} and topic {topic}: {reason}", id()
                );
                Prepared::Settled(Verdict::Failed, Counted::Retry)
            }
        }
    }

    /// The span the recipient continues. Where the event names none that can be read and none is made, the target sends the one
    /// that is all zero, which counts as none.
    pub(super) fn span(&self, event: &CloudEvent) -> Option<SpanContext> {
        // Raw bytes come without a trace where their publisher had none; the target's publisher says so in an empty one.
        let given = message::trace_parent(event).or((self.form == Form::Raw).then_some(""))?;
        let none = SpanContext { trace_id: [0; 16], span_id: [0; 8], flags: 0, state: None };
        let next = self.tracing.next(SpanContext::from_traceparent(given).as_ref());
        next.or(Some(none).filter(|_| self.tracing.is_on()))
    }

    /// Hands a message to its recipient, once. A policy for what comes in would repeat this, and nothing else.
    async fn attempt(&self, message: &mut Message, read: Read, path: String) -> Verdict {
        let trace = self.span(&read.event);
        let event = TopicEvent {
            pubsub: Arc::clone(&self.pubsub),
            topic: message.topic.clone(),
            path,
            cloud_event: read.event,
            payload: read.payload,
            binary: read.binary,
            metadata: message::metadata(message, &self.pubsub),
        };
        let started = Instant::now();
        let outcome = self.recipient.topic_event(&event, trace).await;
        // What was lent to the call goes with the message to a dead-letter topic.
        message.metadata = event.metadata;
        let (verdict, counted) = self.judge(&outcome, &message.topic);
        self.ingress.one(self.place(message), counted, Some(started.elapsed()));
        verdict
    }

    pub(super) fn judge(&self, outcome: &Outcome, topic: &str) -> (Verdict, Counted) {
        match outcome {
            Outcome::Success => (Verdict::Handled, Counted::Success),
            Outcome::Drop(_) => (Verdict::Dropped, Counted::Dropped),
            Outcome::Retry(retry) => {
                tracing::warn!(
                    target: TARGET,
                    "encountered a retriable error while publishing a subscribed message to topic {topic}, err: {}",
                    retry.reason
                );
                (Verdict::Failed, Counted::Retry)
            }
            Outcome::Undelivered(reason) => {
                tracing::debug!(target: TARGET, "a message of topic {topic} goes back to its broker: {reason}");
                (Verdict::Undelivered, Counted::Retry)
            }
        }
    }

    /// Does with a message what its verdict asks for.
    pub(super) async fn settle(
        &self,
        delivery: Delivery,
        (message, verdict): (Message, Verdict),
        ending: &CancellationToken,
    ) {
        let has_dead_letter = !self.spec.dead_letter_topic.is_empty();
        let mut step = verdict::step(verdict, has_dead_letter, self.on_failure, ending.is_cancelled());
        if step == Step::DeadLetter {
            step = match self.dead_letter(&message, ending).await {
                true => Step::Acknowledge,
                false if ending.is_cancelled() => Step::GiveBack,
                false => Step::Again,
            };
            if step == Step::Acknowledge && verdict == Verdict::Failed {
                self.ingress.one(self.place(&message), Counted::SetAside, None);
            }
        }
        let settlement = match step {
            Step::Acknowledge => Settlement::Ack,
            Step::Again => Settlement::Retry,
            Step::DeadLetter | Step::GiveBack => {
                tokio::select! {
                    () = ending.cancelled() => {}
                    () = tokio::time::sleep(HOLD) => {}
                }
                drop(delivery);
                return;
            }
        };
        if let Err(error) = delivery.settle(settlement).await {
            tracing::warn!(
                target: TARGET,
                "the broker of pubsub {} was not told what became of a message of topic {} and may deliver it again: {error}",
                self.pubsub, message.topic
            );
        }
    }

    /// Publishes a message to the dead-letter topic as it came, by the rules for publishing. Whether the broker has it.
    async fn dead_letter(&self, message: &Message, ending: &CancellationToken) -> bool {
        for wait in DEAD_LETTER_WAITS {
            if !wait.is_zero() {
                tokio::select! {
                    () = ending.cancelled() => return false,
                    () = tokio::time::sleep(wait) => {}
                }
            }
            let Err(error) = self.hand_over(message).await else { return true };
            let (origin, topic) = (&message.topic, &self.spec.dead_letter_topic);
            let reason = match &error {
                pubsub::Error::Publish { source, .. } => source.to_string(),
                pubsub::Error::Forbidden { app, .. } => format!("topic {topic} is not allowed for app id {app}"),
                other => format!("{other:?}"),
            };
            tracing::error!(
                target: TARGET,
                "error sending message to dead letter, origin topic: {origin} dead letter topic {topic} err: {reason}"
            );
        }
        false
    }

    async fn hand_over(&self, message: &Message) -> Result<(), pubsub::Error> {
        let deadline = tokio::time::Instant::now() + DEAD_LETTER_TIMEOUT;
        let context = CallContext { deadline: Some(deadline), ..CallContext::default() };
        let topic = self.publisher.topic(&self.pubsub, &self.spec.dead_letter_topic)?;
        let (data, content_type) = (message.data.clone(), message.content_type.clone());
        topic.hand_over(&context, data, content_type, message.metadata.clone()).await
    }
}
