//! `pubsub.rabbitmq`: a topic is an exchange, and each consumer has a queue for it. Called through `loaded`.

use std::sync::Arc;

use async_trait::async_trait;
use component::pubsub::{Deliveries, PubSub, PublishRequest, SubscribeRequest};
use component::{Backend, CallContext, Constructing, Error, Retry, Setup};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::link::{Dialer, Link};
use crate::message::{Sending, short};
use crate::publisher::{Letter, Publisher};
use crate::settings::{Plan, RabbitSettings};
use crate::subscription::Subscription;
use crate::topology::Wish;

struct RabbitPubSub {
    plan: Arc<Plan>,
    dialer: Arc<Dialer>,
    publisher: Arc<Publisher>,
    /// Of the subscriptions.
    link: Arc<Link>,
}

/// Makes a broker that is connected.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn PubSub> {
    Box::pin(async move {
        let (plan, place) = RabbitSettings::read(&setup.name, &setup.host.app, &setup.properties)?;
        let plan = Arc::new(plan);
        let closed = CancellationToken::new();
        let dialer = Arc::new(Dialer::new(place, setup.host.tasks, closed, plan.reconnect_wait));
        let doing = format!("reach {}", dialer.place());
        dialer.greet().await.map_err(|failure| failure.into_error(&doing, Retry::NotProcessed))?;
        let publisher = Arc::new(Publisher::new(Link::new(Arc::clone(&dialer)), Arc::clone(&plan)));
        let link = Arc::new(Link::new(Arc::clone(&dialer)));
        Ok(Arc::new(RabbitPubSub { plan, dialer, publisher, link }) as Arc<dyn PubSub>)
    })
}

#[async_trait]
impl Backend for RabbitPubSub {
    async fn close(&self) -> Result<(), Error> {
        self.dialer.close();
        self.publisher.close().await;
        self.link.release().await;
        Ok(())
    }
}

#[async_trait]
impl PubSub for RabbitPubSub {
    async fn publish(&self, _: &CallContext, request: &PublishRequest) -> Result<(), Error> {
        let refuse = |failure: Failure| failure.into_error(&format!("publish to {}", request.topic), Retry::Never);
        let topic = short("the name of the topic", &request.topic).map_err(refuse)?;
        let sending = Sending::read(&request.metadata, &self.plan).map_err(refuse)?;
        self.publisher.publish(Letter { topic, data: request.data.clone(), sending }).await
    }

    async fn subscribe(&self, _: &CallContext, request: &SubscribeRequest) -> Result<Deliveries, Error> {
        let wish = Wish::read(&request.topic, &request.metadata, &self.plan)?;
        Subscription::new(Arc::clone(&self.link), Arc::clone(&self.plan), wish).start().await
    }

    fn message_ttl(&self) -> bool {
        true
    }
}
