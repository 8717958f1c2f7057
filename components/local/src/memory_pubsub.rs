//! `pubsub.in-memory`: topics in the memory of the sidecar. Called through `loaded`. Every subscription gets every message
//! that is published while it is there, one after the other and in order; nothing outlives the sidecar. A publisher
//! waits while a subscription has too much before it.

mod queue;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component::pubsub::{Deliveries, Message, PubSub, PublishRequest, SubscribeRequest};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Retry, Setup, Tasks};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use topics::Topics;

/// How many messages may wait for one subscription, and as many again for another try.
const WAITING: usize = 1024;

/// How long a publisher waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

struct MemoryPubSub {
    topics: Topics,
    tasks: Tasks,
    closed: CancellationToken,
}

/// Makes a broker without topics.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn PubSub> {
    Box::pin(async move {
        let broker =
            MemoryPubSub { topics: Topics::default(), tasks: setup.host.tasks, closed: CancellationToken::new() };
        Ok(Arc::new(broker) as Arc<dyn PubSub>)
    })
}

impl MemoryPubSub {
    fn check_open(&self) -> Result<(), Error> {
        if self.closed.is_cancelled() {
            return Err(Error::new(ErrorKind::Unavailable, "component is closed").with_retry(Retry::NotProcessed));
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for MemoryPubSub {
    async fn close(&self) -> Result<(), Error> {
        self.closed.cancel();
        self.topics.clear();
        Ok(())
    }
}

#[async_trait]
impl PubSub for MemoryPubSub {
    async fn publish(&self, _: &CallContext, request: &PublishRequest) -> Result<(), Error> {
        self.check_open()?;
        let queues = self.topics.queues_of(&request.topic);
        if queues.is_empty() {
            return Ok(());
        }
        // Room in all of them first, so that a message is in all or in none.
        let rooms = async {
            let mut rooms = Vec::with_capacity(queues.len());
            for queue in &queues {
                // A subscription that ended meanwhile needs no room.
                rooms.extend(queue.reserve().await);
            }
            rooms
        };
        let rooms = tokio::time::timeout(PATIENCE, rooms).await.map_err(|_| {
            let message = format!("the subscribers of topic {} are too slow: {WAITING} messages wait", request.topic);
            Error::new(ErrorKind::Unavailable, message).with_retry(Retry::NotProcessed)
        })?;
        for room in rooms {
            room.send(Message {
                topic: request.topic.clone(),
                data: request.data.clone(),
                content_type: None,
                metadata: request.metadata.clone(),
            });
        }
        Ok(())
    }

    async fn subscribe(&self, _: &CallContext, request: &SubscribeRequest) -> Result<Deliveries, Error> {
        self.check_open()?;
        let (inlet, arriving) = mpsc::channel(WAITING);
        let (outlet, deliveries) = mpsc::channel(1);
        let membership = self.topics.join(&request.topic, inlet);
        let closed = self.closed.clone();
        self.tasks.spawn("pubsub.in-memory subscription", async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = queue::hand_out(arriving, outlet) => {}
            }
            drop(membership);
        });
        Ok(deliveries)
    }

    fn wildcard_subscriptions(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
