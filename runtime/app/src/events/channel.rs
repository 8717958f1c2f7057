//! The app as a recipient of messages, over its channel: health, concurrency and protocol. Called by the subscriptions of
//! `blocks`.

use async_trait::async_trait;
use call::Failure;
use resources::SubscriptionSpec;
use telemetry::SpanContext;

use super::{BulkTopicEvent, Outcome, Recipient, TopicEvent};
use crate::Channel;
use crate::channel::{Kind, UNWELL};

#[async_trait]
impl Recipient for Channel {
    async fn topic_event(&self, event: &TopicEvent, trace: Option<SpanContext>) -> Outcome {
        if !self.is_well() {
            return Outcome::Undelivered(UNWELL.to_owned());
        }
        let slot = self.slot().await;
        match self.kind() {
            Kind::Http(channel) => channel.deliver(event, trace, slot).await,
            Kind::Grpc(channel) => channel.deliver(event, trace, slot).await,
        }
    }

    async fn bulk_topic_event(&self, event: &BulkTopicEvent, trace: Option<SpanContext>) -> Vec<Outcome> {
        if !self.is_well() {
            return vec![Outcome::Undelivered(UNWELL.to_owned()); event.entries.len()];
        }
        let slot = self.slot().await;
        match self.kind() {
            Kind::Http(channel) => channel.deliver_bulk(event, trace, slot).await,
            Kind::Grpc(channel) => channel.deliver_bulk(event, trace, slot).await,
        }
    }
}

impl Channel {
    /// The topics that the app itself asks for: `GET /dapr/subscribe` of an HTTP app, `ListTopicSubscriptions` of a gRPC
    /// app. An app that has neither asks for none. A call that fails is made again a few times, as in the target.
    ///
    /// # Errors
    /// When the app cannot be reached, or its answer cannot be read.
    pub async fn topic_subscriptions(&self, app_id: &str) -> Result<Vec<SubscriptionSpec>, Failure> {
        match self.kind() {
            Kind::Http(channel) => channel.topic_subscriptions(self, app_id).await,
            Kind::Grpc(channel) => channel.topic_subscriptions().await,
        }
    }
}
