//! What a delivery is settled with: it knows the channel its message came through, and holds it open. Handed out by
//! `subscription`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component::pubsub::{Settle, Settlement};
use component::{Error, Retry, Tasks, backoff};
use futures_util::FutureExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, Channel};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::attempts::Attempts;
use crate::failure::Failure;
use crate::link::Live;
use crate::message::delivery_count;
use crate::settings::{AfterFailure, Plan};

/// The wait before a message that failed once is delivered again, and before one that failed often.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

const BACK: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };
const AWAY: BasicNackOptions = BasicNackOptions { multiple: false, requeue: false };

/// What all receipts of a subscription share.
pub(crate) struct Rules {
    pub(crate) plan: Arc<Plan>,
    pub(crate) attempts: Attempts,
    pub(crate) tasks: Tasks,
    /// The end of the subscription.
    pub(crate) ended: CancellationToken,
}

/// A channel of a subscription and the connection it is on; both go with the last receipt.
pub(crate) struct Kept {
    pub(crate) channel: Channel,
    pub(crate) _live: Arc<Live>,
}

/// A message that the server waits to hear of. It goes back when this is dropped unsettled.
struct Held {
    acker: Acker,
    _place: OwnedSemaphorePermit,
    _kept: Arc<Kept>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.acker.usable() {
            // Its first step hands the word to the connection; nobody waits for more.
            let _ = self.acker.nack(BACK).now_or_never();
        }
    }
}

/// How one delivery is settled.
pub(crate) struct Receipt {
    held: Held,
    rules: Arc<Rules>,
    mark: u64,
    deliveries: u32,
}

impl Receipt {
    /// For a delivery that came through `kept` and takes `place` among those that are worked on.
    pub(crate) fn new(delivery: &Delivery, kept: Arc<Kept>, rules: Arc<Rules>, place: OwnedSemaphorePermit) -> Self {
        let held = Held { acker: delivery.acker.clone(), _place: place, _kept: kept };
        Self { held, mark: rules.attempts.mark(delivery), deliveries: delivery_count(&delivery.properties), rules }
    }

    fn again(self) {
        let Self { held, rules, mark, deliveries } = self;
        let failures = rules.attempts.failed(mark).max(deliveries);
        let pause = backoff::wait(failures, SHORTEST_WAIT, LONGEST_WAIT);
        let tasks = rules.tasks.clone();
        tasks.spawn("rabbitmq redelivery", async move {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = rules.ended.cancelled() => {}
            }
            drop(held);
        });
    }
}

#[async_trait]
impl Settle for Receipt {
    async fn settle(self: Box<Self>, settlement: Settlement) -> Result<(), Error> {
        if self.rules.plan.auto_ack {
            return Ok(());
        }
        let (told, doing) = match (settlement, self.rules.plan.after_failure) {
            (Settlement::Ack, _) => (self.held.acker.ack(BasicAckOptions::default()).await, "acknowledge a message"),
            (Settlement::Retry, AfterFailure::Away) => (self.held.acker.nack(AWAY).await, "reject a message"),
            (Settlement::Retry, AfterFailure::Again) => {
                self.again();
                return Ok(());
            }
        };
        match told {
            Ok(true) => {
                self.rules.attempts.forget(self.mark);
                Ok(())
            }
            // Its number would mean another message on a new channel.
            Ok(false) => Err(Failure::Gone.into_error(doing, Retry::Never)),
            Err(error) => Err(Failure::from(error).into_error(doing, Retry::Never)),
        }
    }
}
