//! What happens to one delivery when it is settled.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component::pubsub::{Settle, Settlement};
use component::{Error, ErrorKind, backoff};
use redis::cmd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Broker;
use super::held::Hold;
use crate::link::Effect;
use crate::wire::Request;

/// How long an acknowledgement is tried to be told to a server that is away: without it the message is handled twice.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One delivery that is not settled.
pub(super) struct Settling {
    pub(super) broker: Arc<Broker>,
    pub(super) hold: Hold,
    /// Its place among those that may be worked on.
    pub(super) place: OwnedSemaphorePermit,
}

#[async_trait]
impl Settle for Settling {
    async fn settle(self: Box<Self>, settlement: Settlement) -> Result<(), Error> {
        let Self { broker, hold, place } = *self;
        let told = match settlement {
            Settlement::Ack => broker.acknowledge(hold).await,
            Settlement::Retry => broker.rest(hold).await,
        };
        drop(place);
        told
    }
}

impl Broker {
    async fn acknowledge(&self, hold: Hold) -> Result<(), Error> {
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(&*hold.stream).arg(&*self.options.consumer).arg(&hold.id);
        let (asked, mut attempt) = (Instant::now(), 0);
        let told = loop {
            let error = match self.link.ask(Request::Command(&acknowledge), Effect::Read).await {
                Ok(_) => break Ok(()),
                Err(failure) => failure.into_error("acknowledge a message"),
            };
            let is_away = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
            if !is_away || self.over.is_cancelled() || asked.elapsed() > PATIENCE {
                break Err(error);
            }
            let wait = tokio::time::sleep(backoff::wait(attempt, SHORTEST_WAIT, LONGEST_WAIT));
            attempt += 1;
            tokio::select! {
                () = wait => {}
                () = self.over.cancelled() => break Err(error),
            }
        };
        hold.end();
        told
    }

    /// The message stays pending, and its idle clock is put so that it is due when it has rested: by whoever looks then.
    async fn rest(&self, hold: Hold) -> Result<(), Error> {
        let Some(redelivery) = self.options.redelivery else {
            hold.end();
            return Ok(());
        };
        let rest = redelivery.rest(hold.deliveries);
        let idle = u64::try_from((redelivery.idle - rest).as_millis()).unwrap_or(u64::MAX);
        let mut claim = self.claim(&hold.stream, std::slice::from_ref(&hold.id));
        claim.arg("IDLE").arg(idle).arg("JUSTID");
        let told = self.link.ask(Request::Command(&claim), Effect::Read).await;
        match told {
            Ok(_) => {
                hold.rest_until(Instant::now() + rest);
                Ok(())
            }
            Err(failure) => {
                hold.end();
                Err(failure.into_error("have a message delivered again"))
            }
        }
    }
}
