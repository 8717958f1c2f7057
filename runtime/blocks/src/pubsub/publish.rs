//! Publishing, whatever door it comes through: which broker and topic are meant and whether the app may use them, one message or
//! many, and what the broker did not take. Called by `front`, and for what goes to another topic by the subscriptions.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use component::pubsub::{BulkPublishEntry, BulkPublishFailure, BulkPublishRequest, PublishRequest};
use component::{CallContext, Error as ComponentError, Metadata};
use futures_util::stream::{self, StreamExt as _};
use loaded::{LoadedComponents, Pinned};
use telemetry::{Metrics, SpanContext, Tracing};

use super::egress::Egress;
use super::envelope::{Draft, NoCloudEvent};
use super::{Error, TopicRules, metadata};

/// How many messages are on their way to a broker that takes them one by one. From the target.
const AT_ONCE: usize = 100;

/// The publishing half of the API of one app.
#[derive(Clone)]
pub struct PubSub {
    app: Arc<str>,
    namespace: Arc<str>,
    components: LoadedComponents,
    egress: Egress,
}

/// A topic of a broker, held for one request. The app may not be allowed to use it.
pub struct Topic<'a> {
    pubsub: &'a PubSub,
    component: &'a str,
    /// As the app calls it.
    name: &'a str,
    broker: Pinned<dyn component::pubsub::PubSub>,
}

/// One message of an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// As the app sent it.
    pub data: Bytes,
    /// Of the data; may be empty.
    pub content_type: String,
    /// For the broker and for the event's attributes.
    pub metadata: Metadata,
}

/// One of many messages of an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Tells it from the others.
    pub id: String,
    /// The message.
    pub event: Event,
}

/// What a broker did not take of many messages.
#[derive(Debug)]
pub struct NotTaken {
    /// The first reason.
    pub message: String,
    /// Id and reason of each, in the order of the request.
    pub entries: Vec<(String, String)>,
}

impl PubSub {
    /// Publishing for an app over `components`. `namespace` is the app's own; it is put in front of topics of components
    /// that ask for that.
    pub fn new(app: Arc<str>, namespace: Arc<str>, components: LoadedComponents, metrics: &Metrics) -> Self {
        let egress = Egress::new(metrics.clone());
        Self { app, namespace, components, egress }
    }

    /// The topic of a component. Doors ask for it before they read a body, so that wrong names are told first.
    ///
    /// # Errors
    /// `NameEmpty`, `NotFound` or `TopicEmpty`.
    pub fn topic<'a>(&'a self, component: &'a str, name: &'a str) -> Result<Topic<'a>, Error> {
        if component.is_empty() {
            return Err(Error::NameEmpty);
        }
        let broker = self.components.pub_sub(component).and_then(|broker| broker.pin().ok());
        let Some(broker) = broker else { return Err(Error::NotFound { pubsub: component.to_owned() }) };
        if name.is_empty() {
            return Err(Error::TopicEmpty { pubsub: component.to_owned() });
        }
        Ok(Topic { pubsub: self, component, name, broker })
    }
}

impl Topic<'_> {
    /// Whether the metadata of a request asks for its data to go out as it is.
    ///
    /// # Errors
    /// `RawPayload`.
    pub fn is_raw(&self, metadata: &Metadata) -> Result<bool, Error> {
        metadata::is_raw(metadata).map_err(|message| Error::RawPayload { pubsub: self.component.to_owned(), message })
    }

    /// Publishes a message: its event, or with `rawPayload` its data.
    ///
    /// # Errors
    /// `RawPayload`, `CloudEvent`, `Forbidden` or `Publish`.
    pub async fn publish(&self, context: &CallContext, event: Event, span: Option<&SpanContext>) -> Result<(), Error> {
        let data = match self.is_raw(&event.metadata)? {
            true => event.data,
            false => self.enveloped(&event, span, SystemTime::now())?,
        };
        self.hand_over(context, data, None, event.metadata).await
    }

    /// Hands bytes to the broker as they are, if the app may publish to this topic.
    ///
    /// # Errors
    /// `Forbidden` or `Publish`.
    pub async fn hand_over(
        &self,
        context: &CallContext,
        data: Bytes,
        content_type: Option<String>,
        metadata: Metadata,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let done = async {
            let topic = self.permitted()?;
            let request = PublishRequest { topic, data, content_type, metadata };
            let done = self.broker.call(context, "publish", |broker| broker.publish(context, &request)).await;
            done.map_err(|source: ComponentError| Error::Publish { place: self.place(), source })
        };
        let done = done.await;
        self.pubsub.egress.one((self.component, self.name), done.is_ok(), started.elapsed());
        done
    }

    /// Publishes many messages. `metadata` is that of the request: it counts for every entry that does not say otherwise.
    ///
    /// # Errors
    /// `RawPayload`, `EntryId`, `CloudEvent` or `Forbidden`, before anything is published; `NotTaken`.
    pub async fn publish_all(
        &self,
        context: &CallContext,
        (entries, metadata): (Vec<Entry>, Metadata),
        (tracing, span): (Tracing, Option<&SpanContext>),
    ) -> Result<(), Error> {
        let raw = self.is_raw(&metadata)?;
        self.check_ids(&entries)?;
        let now = SystemTime::now();
        let mut ready = Vec::with_capacity(entries.len());
        for Entry { id, mut event } in entries {
            for (name, value) in &metadata {
                event.metadata.entry(name.clone()).or_insert_with(|| value.clone());
            }
            // Each message of one request has a span of its own.
            let own = span.and_then(|span| tracing.next(Some(span)));
            let data = if raw { event.data } else { self.enveloped(&event, own.as_ref(), now)? };
            ready.push(BulkPublishEntry { id, data, content_type: event.content_type, metadata: event.metadata });
        }
        let (started, count) = (Instant::now(), ready.len());
        let done = self.hand_over_all(context, ready, metadata).await;
        let taken = match &done {
            Ok(()) => count,
            Err(Error::NotTaken { failure, .. }) => count.saturating_sub(failure.entries.len()),
            Err(_) => 0,
        };
        self.pubsub.egress.many((self.component, self.name), (done.is_ok(), taken), started.elapsed());
        done
    }

    async fn hand_over_all(
        &self,
        context: &CallContext,
        entries: Vec<BulkPublishEntry>,
        metadata: Metadata,
    ) -> Result<(), Error> {
        let topic = self.permitted()?;
        let request = BulkPublishRequest { topic, entries, metadata };
        let done = match self.broker.bulk_publisher() {
            Some(_) => self.all_at_once(context, &request).await,
            None => self.one_by_one(context, &request).await,
        };
        done.map_err(|failure| Error::NotTaken { place: self.place(), failure })
    }

    async fn all_at_once(&self, context: &CallContext, request: &BulkPublishRequest) -> Result<(), NotTaken> {
        let done = self.broker.call(context, "bulk publish", |broker| async move {
            match broker.bulk_publisher() {
                Some(publisher) => publisher.bulk_publish(context, request).await.map_err(Fault::Entries),
                None => Ok(()),
            }
        });
        let done = match done.await {
            Ok(()) => return Ok(()),
            Err(Fault::Entries(failure)) if !failure.entries.is_empty() => failure.entries,
            Err(Fault::Entries(_)) => return Ok(()),
            Err(Fault::Whole(error)) => {
                let message = error.to_string();
                let entries = request.entries.iter().map(|entry| (entry.id.clone(), message.clone())).collect();
                return Err(NotTaken { message, entries });
            }
        };
        let failed: BTreeMap<&str, String> = done.iter().map(|(id, error)| (id.as_str(), error.to_string())).collect();
        let reasons =
            request.entries.iter().filter_map(|entry| Some((entry.id.clone(), failed.get(&*entry.id)?.clone())));
        NotTaken::of(reasons.collect())
    }

    async fn one_by_one(&self, context: &CallContext, request: &BulkPublishRequest) -> Result<(), NotTaken> {
        let publish = |entry: BulkPublishEntry| async move {
            let single = PublishRequest {
                topic: request.topic.clone(),
                data: entry.data,
                content_type: Some(entry.content_type),
                metadata: entry.metadata,
            };
            let done = self.broker.call(context, "publish", |broker| broker.publish(context, &single)).await;
            done.err().map(|error: ComponentError| (entry.id, error.to_string()))
        };
        let working = stream::iter(request.entries.clone()).map(publish).buffered(AT_ONCE);
        NotTaken::of(working.filter_map(|failed| async { failed }).collect().await)
    }

    /// The name of the topic at the broker, if the app may publish to it.
    fn permitted(&self) -> Result<String, Error> {
        let rules = TopicRules::of(self.broker.details());
        if !rules.may_publish(self.name) {
            let app = self.pubsub.app.to_string();
            return Err(Error::Forbidden { place: self.place(), app });
        }
        Ok(rules.complete(&self.pubsub.namespace, self.name))
    }

    fn check_ids(&self, entries: &[Entry]) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(entries.len());
        match entries.iter().all(|entry| !entry.id.is_empty() && seen.insert(entry.id.as_str())) {
            true => Ok(()),
            false => Err(Error::EntryId { place: self.place(), app: self.pubsub.app.to_string() }),
        }
    }

    fn enveloped(&self, event: &Event, span: Option<&SpanContext>, now: SystemTime) -> Result<Bytes, Error> {
        let parent = span.map(SpanContext::traceparent).unwrap_or_default();
        let state = span.and_then(|span| span.state.clone()).unwrap_or_default();
        let draft = Draft {
            app: &self.pubsub.app,
            pubsub: self.component,
            topic: self.name,
            content_type: &event.content_type,
            data: &event.data,
            trace: (&parent, &state),
            metadata: &event.metadata,
            broker_expires: self.broker.message_ttl(),
        };
        draft.event(now).map_err(|NoCloudEvent| Error::CloudEvent {
            pubsub: self.component.to_owned(),
            app: self.pubsub.app.to_string(),
            data: event.data.clone(),
        })
    }

    fn place(&self) -> super::Place {
        super::Place { pubsub: self.component.to_owned(), topic: self.name.to_owned() }
    }
}

impl NotTaken {
    fn of(entries: Vec<(String, String)>) -> Result<(), Self> {
        match entries.first() {
            None => Ok(()),
            Some((_, message)) => Err(Self { message: message.clone(), entries }),
        }
    }
}

/// Why a broker that takes many messages at once did not.
enum Fault {
    Entries(BulkPublishFailure),
    Whole(ComponentError),
}

impl From<ComponentError> for Fault {
    fn from(error: ComponentError) -> Self {
        Self::Whole(error)
    }
}

#[cfg(test)]
mod tests;
