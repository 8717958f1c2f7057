//! Making one subscription: what is written is checked and compiled, then its broker is asked for the messages. Called by the
//! registry, for what the app has and for streams.

use std::sync::Arc;

use app::events::Recipient;
use component::CallContext;
use component::pubsub::{Deliveries, SubscribeRequest};
use resources::SubscriptionSpec;

use super::Error;
use super::deliver::Subscription;
use super::ingress::Ingress;
use super::message::Form;
use super::registry::Parts;
use super::routes::Routes;
use super::verdict::{OnFailure, SETTING};
use crate::pubsub::{TopicRules, is_raw};

/// A subscription whose broker has taken it.
pub(super) type Opened = (Arc<Subscription>, Deliveries);

/// Subscribes.
///
/// # Errors
/// `NotFound`, `Forbidden` or `Refused`, which stay; `Broker`, which may pass.
pub(super) async fn open(
    (parts, ingress): (&Parts, &Ingress),
    spec: &SubscriptionSpec,
    recipient: Arc<dyn Recipient>,
) -> Result<Opened, Error> {
    let subscription = prepare((parts, ingress), spec, recipient)?;
    let request = SubscribeRequest {
        topic: TopicRules::of(subscription.broker.details()).complete(&parts.namespace, &spec.topic),
        metadata: spec.metadata.clone(),
    };
    let context = CallContext::default();
    let broker = &subscription.broker;
    let deliveries = broker.call(&context, "subscribe", |broker| broker.subscribe(&context, &request)).await;
    let deliveries = deliveries.map_err(|source| Error::Broker { topic: spec.topic.clone(), source })?;
    Ok((subscription, deliveries))
}

fn prepare(
    (parts, ingress): (&Parts, &Ingress),
    spec: &SubscriptionSpec,
    recipient: Arc<dyn Recipient>,
) -> Result<Arc<Subscription>, Error> {
    let name = &spec.pubsubname;
    let broker = parts.components.pub_sub(name).and_then(|broker| broker.pin().ok());
    let broker = broker.ok_or_else(|| Error::NotFound { pubsub: name.clone() })?;
    if !TopicRules::of(broker.details()).may_subscribe(&spec.topic) {
        return Err(Error::Forbidden { pubsub: name.clone(), topic: spec.topic.clone() });
    }
    let form = match is_raw(&spec.metadata).map_err(Error::Refused)? {
        true => Form::Raw,
        false => Form::Events,
    };
    Ok(Arc::new(Subscription {
        pubsub: Arc::from(name.as_str()),
        namespace: Arc::clone(&parts.namespace),
        form,
        routes: Routes::compile(&spec.routes)?,
        on_failure: OnFailure::read(&spec.metadata, broker.details().properties.get(SETTING))?,
        spec: spec.clone(),
        recipient,
        publisher: parts.publisher.clone(),
        broker,
        ingress: ingress.clone(),
        tracing: parts.tracing,
    }))
}
