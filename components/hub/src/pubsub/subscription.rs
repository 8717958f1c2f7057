//! One subscription: what the hub delivers is handed out, what is settled is told to the hub, and a connection that was lost is
//! made again. Made by `pubsub`. What is not settled when it ends goes back to the hub with the end of its call.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use component::pubsub::{Deliveries, Delivery, Message, Settle, Settlement};
use component::{Error, ErrorKind, backoff};
use hubclient::{Client, Consuming};
use tokio::sync::{mpsc, oneshot};
use wire::hub::{self, SettledMessage, TopicDelivery, consume_response::Response};

/// The waits between tries to attach again.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long a new call waits for what was handed out by the one before: so that nobody works on a message twice at a time.
const LAST_ONES: Duration = Duration::from_secs(5);

/// A subscription.
pub(super) struct Subscription {
    client: Client,
    attach: hub::Attach,
    outlet: mpsc::Sender<Delivery>,
}

/// What became of a message, on its way to the hub.
struct Told {
    tag: u64,
    settlement: hub::Settlement,
    confirm: Option<oneshot::Sender<()>>,
}

/// A message that was handed out.
struct Held {
    tag: u64,
    /// Gone once it is settled. Has room: each message is settled once.
    told: Option<mpsc::Sender<Told>>,
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to the hub broke: the message is delivered again")
}

#[async_trait]
impl Settle for Held {
    async fn settle(mut self: Box<Self>, settlement: Settlement) -> Result<(), Error> {
        let settlement = match settlement {
            Settlement::Ack => hub::Settlement::Done,
            Settlement::Retry => hub::Settlement::Retry,
        };
        let (confirm, confirmed) = oneshot::channel();
        let told = self.told.take().ok_or_else(lost)?;
        told.try_send(Told { tag: self.tag, settlement, confirm: Some(confirm) }).map_err(|_| lost())?;
        drop(told);
        confirmed.await.map_err(|_| lost())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(told) = self.told.take() {
            // When the call has ended, the hub has it back already.
            let _ = told.try_send(Told { tag: self.tag, settlement: hub::Settlement::Release, confirm: None });
        }
    }
}

/// How a call ended.
enum End {
    /// Nobody wants messages any more, and all that were handed out are settled.
    Over,
    /// It was lost; what was handed out may still be told here.
    Lost(Option<hubclient::Error>, mpsc::Receiver<Told>),
}

impl Subscription {
    /// A subscription, and what it hands out.
    pub(super) fn new(client: Client, attach: hub::Attach) -> (Self, Deliveries) {
        let (outlet, deliveries) = mpsc::channel(window(&attach));
        (Self { client, attach, outlet }, deliveries)
    }

    /// Runs until nobody wants messages any more.
    pub(super) async fn run(self, mut consuming: Consuming) {
        loop {
            let (error, mut held) = match self.serve(consuming).await {
                End::Over => return,
                End::Lost(error, held) => (error, held),
            };
            let reason = error.map_or_else(|| "the hub ended it".to_owned(), |error| error.to_string());
            tracing::warn!(target: "dapr.contrib", "Subscription to topic {} was lost, attaching again: {reason}", self.attach.topic);
            let last_ones = async { while held.recv().await.is_some() {} };
            let _ = tokio::time::timeout(LAST_ONES, last_ones).await;
            let Some(attached) = self.attach_again().await else { return };
            tracing::info!(target: "dapr.contrib", "Subscription to topic {} is attached again", self.attach.topic);
            consuming = attached;
        }
    }

    /// Tries until there is a hub again; `None` when nobody wants messages any more.
    async fn attach_again(&self) -> Option<Consuming> {
        // What is still waiting to be taken leaves no room for what comes.
        drop(self.outlet.reserve_many(self.outlet.max_capacity()).await.ok()?);
        for attempt in 0.. {
            let attached = tokio::select! {
                () = self.outlet.closed() => return None,
                attached = self.client.consume(self.attach.clone()) => attached,
            };
            match attached {
                Ok(consuming) => return Some(consuming),
                Err(error) if attempt == 0 => {
                    tracing::warn!(target: "dapr.contrib", "Attaching to topic {}: {error}", self.attach.topic);
                }
                Err(error) => {
                    tracing::debug!(target: "dapr.contrib", "Attaching to topic {}: {error}", self.attach.topic)
                }
            }
            tokio::select! {
                () = self.outlet.closed() => return None,
                () = tokio::time::sleep(backoff::wait(attempt, WAITS.0, WAITS.1)) => {}
            }
        }
        None
    }

    /// Serves one call.
    async fn serve(&self, mut consuming: Consuming) -> End {
        let (told, mut settled) = mpsc::channel(window(&self.attach));
        // Gone once nothing more is handed out; from then on only what was handed out keeps the channel.
        let mut told = Some(told);
        let mut unconfirmed = HashMap::new();
        let mut is_settled = false;
        loop {
            if is_settled && unconfirmed.is_empty() {
                return End::Over;
            }
            let done = tokio::select! {
                () = self.outlet.closed(), if told.is_some() => {
                    told = None;
                    consuming.pause().await
                }
                some = settled.recv(), if !is_settled => match some {
                    Some(first) => tell(&consuming, first, &mut settled, &mut unconfirmed).await,
                    None => {
                        is_settled = true;
                        Ok(())
                    }
                },
                response = consuming.next() => match response {
                    Ok(Some(Response::Delivery(delivery))) => self.hand_out(&consuming, told.as_ref(), delivery).await,
                    Ok(Some(Response::Settled(tag))) => {
                        // Whoever settled it may have gone.
                        let _ = unconfirmed.remove(&tag).map(|confirm: oneshot::Sender<()>| confirm.send(()));
                        Ok(())
                    }
                    Ok(Some(Response::Attached(_))) => Ok(()),
                    Ok(None) => return End::Lost(None, settled),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                return End::Lost(Some(error), settled);
            }
        }
    }

    async fn hand_out(
        &self,
        consuming: &Consuming,
        told: Option<&mpsc::Sender<Told>>,
        delivery: TopicDelivery,
    ) -> Result<(), hubclient::Error> {
        let tag = delivery.tag;
        let Some(told) = told else {
            return consuming.settle(vec![settled_message(tag, hub::Settlement::Release)]).await;
        };
        let message = delivery.message.unwrap_or_default();
        let message = Message {
            topic: self.attach.topic.clone(),
            data: message.data,
            content_type: message.content_type,
            metadata: message.metadata.into_iter().collect(),
        };
        // There is room for all that the hub lets this consumer hold. If nobody wants it any more, its drop gives it back.
        let _ = self.outlet.try_send(Delivery::new(message, Held { tag, told: Some(told.clone()) }));
        Ok(())
    }
}

fn window(attach: &hub::Attach) -> usize {
    usize::try_from(attach.messages).unwrap_or(usize::MAX).clamp(1, 10_000)
}

fn settled_message(tag: u64, settlement: hub::Settlement) -> SettledMessage {
    SettledMessage { tag, settlement: settlement.into() }
}

/// Tells the hub what is settled by now, together.
async fn tell(
    consuming: &Consuming,
    first: Told,
    more: &mut mpsc::Receiver<Told>,
    unconfirmed: &mut HashMap<u64, oneshot::Sender<()>>,
) -> Result<(), hubclient::Error> {
    let (mut messages, mut next) = (Vec::new(), Some(first));
    while let Some(Told { tag, settlement, confirm }) = next {
        messages.push(settled_message(tag, settlement));
        if let Some(confirm) = confirm {
            unconfirmed.insert(tag, confirm);
        }
        next = more.try_recv().ok();
    }
    consuming.settle(messages).await
}
