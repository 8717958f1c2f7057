//! One message broker in one check: components of one or several consumers.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use component::pubsub::{PubSub, PublishRequest, SubscribeRequest};
use component::{CallContext, Constructor, Error, Metadata};

use super::Brokers;
use super::hearing::Hearing;
use crate::host::{construction_failed, registration};
use crate::{Apparatus, Backend, Ground};

/// A message broker under test.
#[derive(Clone)]
pub struct Subject {
    pub(super) backend: &'static Backend<Brokers>,
    pub(super) broker: Arc<dyn PubSub>,
    pub(super) ground: Arc<dyn Ground>,
    scope: Arc<str>,
    consumer: Arc<str>,
    apparatus: Apparatus,
    /// Every component that this check made and has not closed.
    made: Arc<Mutex<Vec<Arc<dyn PubSub>>>>,
}

impl Subject {
    /// A new component of `backend` on its ground. `scope` begins all topics and consumer ids of the check.
    pub(super) async fn open(backend: &'static Backend<Brokers>, ground: Arc<dyn Ground>, scope: String) -> Self {
        let apparatus = Apparatus::default();
        let consumer = format!("{scope}consumer");
        let broker = open(backend, &*ground, &apparatus, &consumer).await;
        let made = Arc::new(Mutex::new(vec![Arc::clone(&broker)]));
        Self { backend, broker, ground, scope: scope.into(), consumer: consumer.into(), apparatus, made }
    }

    /// Another component of the same consumer; the same one where a backend shares nothing.
    pub(super) async fn another(&self) -> Self {
        self.of_consumer(&self.consumer).await
    }

    /// A component of another consumer.
    pub(super) async fn consumer(&self, name: &str) -> Self {
        self.of_consumer(&format!("{}{name}", self.scope)).await
    }

    async fn of_consumer(&self, consumer: &str) -> Self {
        if !self.backend.profile.shared {
            return self.clone();
        }
        let broker = open(self.backend, &*self.ground, &self.apparatus, consumer).await;
        self.made.lock().expect("no check panics with the list in hand").push(Arc::clone(&broker));
        Self { broker, consumer: consumer.into(), ..self.clone() }
    }

    /// Closes this one component, which no check uses afterwards.
    pub(super) async fn close_alone(&self) {
        let is_other = |broker: &Arc<dyn PubSub>| !Arc::ptr_eq(broker, &self.broker);
        self.made.lock().expect("no check panics with the list in hand").retain(is_other);
        self.broker.close().await.unwrap_or_else(|error| panic!("close: {error}"));
    }

    pub(super) async fn close(self) {
        let brokers = std::mem::take(&mut *self.made.lock().expect("no check panics with the list in hand"));
        for broker in brokers {
            broker.close().await.unwrap_or_else(|error| panic!("close: {error}"));
        }
        self.apparatus.all_tasks_ended().await;
    }

    pub(super) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    pub(super) fn message(&self, topic: &str, data: impl Into<Bytes>) -> PublishRequest {
        PublishRequest { topic: self.topic(topic), data: data.into(), ..PublishRequest::default() }
    }

    pub(super) async fn try_publish(&self, request: &PublishRequest) -> Result<(), Error> {
        self.broker.publish(&CallContext::default(), request).await
    }

    pub(super) async fn publish_all(&self, request: &PublishRequest) {
        let done = self.try_publish(request).await;
        done.unwrap_or_else(|error| panic!("publish to {:?}: {error}", request.topic));
    }

    pub(super) async fn publish(&self, topic: &str, data: &str) {
        self.publish_all(&self.message(topic, data.to_owned())).await;
    }

    pub(super) async fn publish_with(&self, topic: &str, data: &str, metadata: &[(&str, &str)]) {
        let mut request = self.message(topic, data.to_owned());
        request.metadata = named(metadata);
        self.publish_all(&request).await;
    }

    pub(super) async fn try_subscribe(&self, topic: &str) -> Result<Hearing, Error> {
        let request = SubscribeRequest { topic: self.topic(topic), metadata: Metadata::new() };
        let deliveries = self.broker.subscribe(&CallContext::default(), &request).await?;
        Ok(Hearing { topic: request.topic, deliveries })
    }

    pub(super) async fn subscribe(&self, topic: &str) -> Hearing {
        self.try_subscribe(topic).await.unwrap_or_else(|error| panic!("subscribe to {topic:?}: {error}"))
    }
}

pub(super) fn named(metadata: &[(&str, &str)]) -> Metadata {
    metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn open(
    backend: &Backend<Brokers>,
    ground: &dyn Ground,
    apparatus: &Apparatus,
    consumer: &str,
) -> Arc<dyn PubSub> {
    let Constructor::PubSub(construct) = registration(backend.component_type, backend.version).constructor else {
        panic!("{} is no message broker", backend.component_type);
    };
    // The runtime gives every broker a consumer id, whether it has a use for it or not.
    let consumer = ("consumerID".to_owned(), consumer.to_owned());
    let setup = apparatus.setup(ground.properties().into_iter().chain([consumer]).collect());
    construct(setup).await.unwrap_or_else(|error| construction_failed(backend.component_type, &error))
}
