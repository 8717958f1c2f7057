//! `pubsub.redis`: a topic is a stream, and the subscribers with one consumer id are one consumer group, in the target's
//! layout. Called through `loaded`.
//!
//! All replicas are the same consumer of their group, as in the target, so the server cannot tell whose a pending message is:
//! only how long nobody has claimed it. Whoever works on one keeps that time short.

mod entry;
mod held;
mod keeper;
mod options;
mod publishing;
mod reclaiming;
mod settling;
mod subscription;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use component::pubsub::{BulkPublisher, Deliveries, PubSub, PublishRequest, SubscribeRequest};
use component::{Backend, CallContext, Clock, Constructing, Error, Setup};
use redis::cmd;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;
use crate::link::{Effect, Link};
use crate::settings::{Kind, RedisSettings};
use crate::wire::Request;
use held::Held;
use options::Options;
use subscription::Subscription;

/// How long closing waits for subscriptions to end, and then for what they gave back.
const ENDING: Duration = Duration::from_secs(2);

/// What the subscriptions of a broker share.
struct Broker {
    name: Arc<str>,
    link: Link,
    options: Options,
    clock: Clock,
    held: Arc<Held>,
    /// One for each message that may be worked on.
    places: Arc<Semaphore>,
    /// Subscriptions are to end.
    ending: CancellationToken,
    /// They have ended: nothing can be settled any more.
    over: CancellationToken,
    subscriptions: TaskTracker,
    keeping: TaskTracker,
    is_kept: AtomicBool,
}

struct RedisPubSub(Arc<Broker>);

/// Makes a broker; the server must be there.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn PubSub> {
    Box::pin(async move {
        let (settings, connecting) = RedisSettings::read(&setup.name, &setup.properties, Kind::PubSub)?;
        let options = Options::understand(&setup.name, &settings, &setup.host.app)?;
        let link = Link::new(connecting, setup.host.tasks);
        link.greet().await?;
        let places = Arc::new(Semaphore::new(options.concurrency.min(Semaphore::MAX_PERMITS)));
        let broker = Broker {
            name: setup.name.into(),
            link,
            options,
            clock: setup.host.clock,
            held: Arc::default(),
            places,
            ending: CancellationToken::new(),
            over: CancellationToken::new(),
            subscriptions: TaskTracker::new(),
            keeping: TaskTracker::new(),
            is_kept: AtomicBool::new(false),
        };
        let broker: Arc<dyn PubSub> = Arc::new(RedisPubSub(Arc::new(broker)));
        Ok(broker)
    })
}

impl Broker {
    /// The group of a topic, from the first message that is there; a topic that is not there is made. Answers whether the
    /// group is new.
    async fn make_group(&self, topic: &str) -> Result<bool, Error> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(topic).arg(&*self.options.consumer).arg("0").arg("MKSTREAM");
        match self.link.ask(Request::Command(&create), Effect::Read).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.code() == Some("BUSYGROUP") => Ok(false),
            Err(failure) => Err(failure.into_error("make a consumer group")),
        }
    }
}

#[async_trait]
impl Backend for RedisPubSub {
    async fn close(&self) -> Result<(), Error> {
        let broker = &self.0;
        broker.ending.cancel();
        broker.subscriptions.close();
        let ended = tokio::time::timeout(ENDING, broker.subscriptions.wait()).await;
        broker.over.cancel();
        broker.keeping.close();
        let kept = tokio::time::timeout(ENDING, broker.keeping.wait()).await;
        if ended.is_err() || kept.is_err() {
            tracing::warn!("component {}: closed before everything was given back: it is delivered later", broker.name);
        }
        broker.link.close();
        Ok(())
    }
}

#[async_trait]
impl PubSub for RedisPubSub {
    async fn publish(&self, _: &CallContext, request: &PublishRequest) -> Result<(), Error> {
        self.0.publish(&request.topic, &request.data, &request.metadata).await
    }

    async fn subscribe(&self, _: &CallContext, request: &SubscribeRequest) -> Result<Deliveries, Error> {
        let broker = &self.0;
        if broker.ending.is_cancelled() {
            return Err(Failure::Closed.into_error("subscribe to a topic"));
        }
        broker.make_group(&request.topic).await?;
        let (tasks, _) = broker.link.tasks();
        if !broker.is_kept.swap(true, Ordering::Relaxed) {
            tasks.spawn("redis messages", broker.keeping.track_future(Arc::clone(broker).keep()));
        }
        let (deliveries, receiver) = mpsc::channel(1);
        let subscription = Subscription::new(Arc::clone(broker), &request.topic);
        tasks.spawn("redis subscription", broker.subscriptions.track_future(subscription.run(deliveries)));
        Ok(receiver)
    }

    fn bulk_publisher(&self) -> Option<&dyn BulkPublisher> {
        Some(self)
    }
}

fn unexpected() -> Failure {
    Failure::Redis((redis::ErrorKind::UnexpectedReturnType, "the server's answer has an unexpected form").into())
}
