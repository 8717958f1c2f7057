//! What a message broker offers. Implemented by backends, called through `loaded` by the publishing and subscribing blocks.
//!
//! A message goes out with [`PubSub::publish`], whose answer means that the broker has it: durably, if it is durable. What
//! comes in is a [`Deliveries`] that the block pulls. Each [`Delivery`] is settled once; one that is dropped unsettled goes
//! back to the broker unharmed. A backend adds no meaning to the data: cloud events are made and read by the blocks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{Backend, CallContext, Error, Metadata};

/// One message to a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishRequest {
    /// The topic, complete.
    pub topic: String,
    /// What subscribers are to get, byte for byte.
    pub data: Bytes,
    /// Of the data, where one is known.
    pub content_type: Option<String>,
    /// For the broker, such as `ttlInSeconds`.
    pub metadata: Metadata,
}

/// Many messages to one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkPublishRequest {
    /// The topic, complete.
    pub topic: String,
    /// The messages; their ids differ.
    pub entries: Vec<BulkPublishEntry>,
    /// For the broker, valid for all entries.
    pub metadata: Metadata,
}

/// One of many messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkPublishEntry {
    /// Tells it from the others of its request.
    pub id: String,
    /// What subscribers are to get, byte for byte.
    pub data: Bytes,
    /// Of the data.
    pub content_type: String,
    /// For the broker.
    pub metadata: Metadata,
}

/// The entries a broker did not take, by id. Every other entry was taken.
#[derive(Debug, Default)]
pub struct BulkPublishFailure {
    /// Id and reason of each.
    pub entries: Vec<(String, Error)>,
}

/// Asks for the messages of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// The topic, complete; a pattern where the broker has them.
    pub topic: String,
    /// Of the subscription, for the broker.
    pub metadata: Metadata,
}

/// A message as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its own topic, also where the subscription is to a pattern.
    pub topic: String,
    /// As it was published.
    pub data: Bytes,
    /// Of the data, where the broker kept one.
    pub content_type: Option<String>,
    /// From the broker.
    pub metadata: Metadata,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Done with: handled, dropped by the app's wish, or safe in a dead-letter topic. Never delivered again.
    Ack,
    /// Not handled: to be delivered again, later, by the broker's own rules for what failed.
    Retry,
}

/// How one delivery is settled with its broker. What is dropped without a call goes back to the broker as if it had not
/// been delivered: it does not count as a failure and is delivered again, to this or another subscriber. It keeps alive
/// whatever it needs for its settlement, also after the subscription has ended.
#[async_trait]
pub trait Settle: Send {
    /// Tells the broker. An error means that the broker may deliver the message again.
    async fn settle(self: Box<Self>, settlement: Settlement) -> Result<(), Error>;
}

/// A message together with its settlement.
pub struct Delivery {
    /// The message.
    pub message: Message,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// A message and how to settle it.
    pub fn new(message: Message, settle: impl Settle + 'static) -> Self {
        Self { message, settle: Box::new(settle) }
    }

    /// Tells the broker what became of it. Dropping the future may leave the message unsettled.
    ///
    /// # Errors
    /// When the broker could not be told; it may deliver the message again.
    pub fn settle(self, settlement: Settlement) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
        self.settle.settle(settlement)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Delivery").field("message", &self.message).finish_non_exhaustive()
    }
}

/// What comes in, as a bounded stream that the block pulls. The block works on everything it was handed at the same time:
/// a backend bounds that by handing out no more than its own number of unsettled deliveries, and keeps an order by handing
/// out the next message of it only after the last was settled.
///
/// Dropping it ends the subscription: the backend notices at the closed channel, fetches nothing more, and gives back what
/// it fetched and did not hand out; what was handed out can still be settled. It ends by itself only when the backend is
/// closed or can never go on: a lost connection is made again by the backend.
pub type Deliveries = mpsc::Receiver<Delivery>;

/// A message broker.
#[async_trait]
pub trait PubSub: Backend {
    /// Hands a message to the broker; an answer means that the broker has it.
    async fn publish(&self, context: &CallContext, request: &PublishRequest) -> Result<(), Error>;

    /// The messages of a topic from now on, for the consumer this backend is configured as: of all its subscribers with
    /// the same consumer id, one gets each message. An answer means that none is missed any more.
    async fn subscribe(&self, context: &CallContext, request: &SubscribeRequest) -> Result<Deliveries, Error>;

    /// Publishing of many messages in one go, if the broker has it.
    fn bulk_publisher(&self) -> Option<&dyn BulkPublisher> {
        None
    }

    /// Whether the metadata `ttlInSeconds` is kept by the broker. Where it is not, the block keeps it.
    fn message_ttl(&self) -> bool {
        false
    }

    /// Whether a subscription's topic may be a pattern.
    fn wildcard_subscriptions(&self) -> bool {
        false
    }

    /// The abilities as the metadata API names them. They follow from the methods above, so that none can be claimed
    /// without being there.
    fn capabilities(&self) -> Vec<&'static str> {
        [
            (self.message_ttl(), "MESSAGE_TTL"),
            (self.wildcard_subscriptions(), "SUBSCRIBE_WILDCARDS"),
            (self.bulk_publisher().is_some(), "BULK_PUBSUB"),
        ]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
        .collect()
    }
}

/// A broker that takes many messages in one go.
#[async_trait]
pub trait BulkPublisher: Send + Sync {
    /// Hands all messages to the broker, each for itself, and tells which it did not take.
    async fn bulk_publish(&self, context: &CallContext, request: &BulkPublishRequest)
    -> Result<(), BulkPublishFailure>;
}
