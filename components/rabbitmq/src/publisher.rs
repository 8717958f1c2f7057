//! Handing messages to the server and waiting until it has them. Used by `pubsub`. Each message is handed over by a task of
//! its own, so that a caller who gives up leaves the channel sound.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use component::{Error, Retry};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use crate::failure::Failure;
use crate::link::{Link, Live, PATIENCE, in_time};
use crate::message::Sending;
use crate::settings::Plan;
use crate::topology;

/// How many messages may be on their way.
const ON_THEIR_WAY: usize = 256;

/// How long a message may be on its way: the server may have to write a lot to its disk.
const UNTIL_CONFIRMED: Duration = Duration::from_secs(60);

/// How many exchanges are known to be there.
const KNOWN_EXCHANGES: usize = 10_000;

/// Hands messages over.
pub(crate) struct Publisher {
    link: Link,
    plan: Arc<Plan>,
    room: Arc<Semaphore>,
    outlet: tokio::sync::Mutex<Option<Arc<Outlet>>>,
}

/// The channel that messages go through.
struct Outlet {
    live: Arc<Live>,
    channel: Channel,
    /// The library counts a message before it queues it, in two steps: between them nobody else may come, or a confirmation
    /// would count for another message.
    order: Mutex<()>,
    declared: Mutex<HashSet<ShortString>>,
}

/// A message to an exchange.
pub(crate) struct Letter {
    pub(crate) topic: ShortString,
    pub(crate) data: Bytes,
    pub(crate) sending: Sending,
}

/// Why a message was not handed over, and whether the server may have it all the same.
struct Unsent {
    failure: Failure,
    retry: Retry,
}

impl From<Failure> for Unsent {
    fn from(failure: Failure) -> Self {
        Self { failure, retry: Retry::NotProcessed }
    }
}

impl Publisher {
    /// Nothing is done yet.
    pub(crate) fn new(link: Link, plan: Arc<Plan>) -> Self {
        let room = Arc::new(Semaphore::new(ON_THEIR_WAY));
        Self { link, plan, room, outlet: tokio::sync::Mutex::default() }
    }

    /// Gives everything back.
    pub(crate) async fn close(&self) {
        *self.outlet.lock().await = None;
        self.link.release().await;
    }

    /// Hands a message over; an answer means that the server has it.
    pub(crate) async fn publish(self: &Arc<Self>, letter: Letter) -> Result<(), Error> {
        let doing = format!("publish to {}", letter.topic);
        let waiting = timeout(PATIENCE, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(room)) = waiting else { return Err(Failure::Crowded.into_error(&doing, Retry::NotProcessed)) };
        let (answer, answered) = oneshot::channel();
        let publisher = Arc::clone(self);
        self.link.dialer().tasks().spawn("rabbitmq publish", async move {
            let _room = room;
            // Nobody may be waiting any more.
            let _ = answer.send(publisher.hand_over(&letter).await);
        });
        let outcome = answered.await.unwrap_or_else(|_| Err(Failure::Closed.into()));
        outcome.map_err(|unsent| unsent.failure.into_error(&doing, unsent.retry))
    }

    async fn hand_over(&self, letter: &Letter) -> Result<(), Unsent> {
        let end = Instant::now() + PATIENCE;
        let mut missing = 0;
        loop {
            let unsent = match self.try_once(letter, end).await {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent,
            };
            if unsent.failure.is_absence() && missing == 0 {
                // The exchange went with its last queue. Only this is sent again although the server may have had it: the
                // channel ended because one message found no exchange, and it is not told which.
                missing += 1;
                continue;
            }
            let again = unsent.retry == Retry::NotProcessed
                && unsent.failure.kind() == component::ErrorKind::Unavailable
                && !matches!(unsent.failure, Failure::Closed)
                && Instant::now() < end;
            if !again {
                return Err(unsent);
            }
        }
    }

    async fn try_once(&self, letter: &Letter, end: Instant) -> Result<(), Unsent> {
        let preparing = async {
            let outlet = self.outlet().await?;
            outlet.ensure_exchange(&letter.topic, &self.plan).await?;
            Ok::<_, Failure>(outlet)
        };
        let prepared = tokio::time::timeout_at(end, preparing).await;
        let outlet = prepared.map_err(|_| Failure::NoConnection(PATIENCE))??;
        let sent = timeout(UNTIL_CONFIRMED, outlet.send(letter)).await;
        let failure = match sent {
            Ok(Ok(Confirmation::Ack(_) | Confirmation::NotRequested)) => return Ok(()),
            Ok(Ok(Confirmation::Nack(_))) => Failure::Refused,
            Ok(Err(failure)) => failure,
            Err(_) => {
                // Silence: whatever else is on this connection will not be answered either.
                outlet.live.cut();
                Failure::NoAnswer(UNTIL_CONFIRMED)
            }
        };
        Err(Unsent { failure, retry: Retry::MaybeProcessed })
    }

    async fn outlet(&self) -> Result<Arc<Outlet>, Failure> {
        let mut current = self.outlet.lock().await;
        if let Some(outlet) = current.as_ref().filter(|outlet| outlet.is_open()) {
            return Ok(Arc::clone(outlet));
        }
        *current = None;
        let live = self.link.live().await?;
        let channel = live.channel().await?;
        if self.plan.confirm {
            in_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        }
        let outlet = Arc::new(Outlet { live, channel, order: Mutex::default(), declared: Mutex::default() });
        *current = Some(Arc::clone(&outlet));
        Ok(outlet)
    }
}

impl Outlet {
    fn is_open(&self) -> bool {
        self.live.is_open() && self.channel.status().connected()
    }

    fn declared(&self) -> MutexGuard<'_, HashSet<ShortString>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ensure_exchange(&self, topic: &ShortString, plan: &Plan) -> Result<(), Failure> {
        if self.declared().contains(topic) {
            return Ok(());
        }
        topology::declare_exchange(&self.live, topic, plan).await?;
        let mut declared = self.declared();
        if declared.len() >= KNOWN_EXCHANGES {
            declared.clear();
        }
        declared.insert(topic.clone());
        Ok(())
    }

    async fn send(&self, letter: &Letter) -> Result<Confirmation, Failure> {
        let mut sending = pin!(self.channel.basic_publish(
            letter.topic.clone(),
            letter.sending.routing_key.clone(),
            BasicPublishOptions::default(),
            &letter.data,
            letter.sending.properties.clone(),
        ));
        let confirming: PublisherConfirm = std::future::poll_fn(|context| {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            sending.as_mut().poll(context)
        })
        .await?;
        Ok(confirming.await?)
    }
}
