//! The messages of one subscription, handed out one after the other. What is to be tried again waits beside the others,
//! so that one message that always fails does not hold them up.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use component::Error;
use component::backoff;
use component::pubsub::{Delivery, Message, Settle, Settlement};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

struct Settling(oneshot::Sender<Settlement>);

#[async_trait]
impl Settle for Settling {
    async fn settle(self: Box<Self>, settlement: Settlement) -> Result<(), Error> {
        // A queue that is gone has nothing to remember.
        let _ = self.0.send(settlement);
        Ok(())
    }
}

/// A message that failed before.
struct Again {
    message: Message,
    tries: u32,
    due: Instant,
}

/// Hands out what arrives until nobody takes it any more.
pub(super) async fn hand_out(mut arriving: mpsc::Receiver<Message>, outlet: mpsc::Sender<Delivery>) {
    let mut again: VecDeque<Again> = VecDeque::new();
    loop {
        let next = tokio::select! {
            biased;
            () = outlet.closed() => return,
            next = next(&mut arriving, &mut again) => next,
        };
        let Some((message, tries)) = next else { return };
        let (settle, settled) = oneshot::channel();
        if outlet.send(Delivery::new(message.clone(), Settling(settle))).await.is_err() {
            return;
        }
        let tries = match settled.await {
            Ok(Settlement::Ack) => continue,
            Ok(Settlement::Retry) => tries + 1,
            // Given back: the pause only keeps a subscriber that always does so from spinning.
            Err(_) => tries,
        };
        let due = Instant::now() + backoff::wait(tries.saturating_sub(1), SHORTEST, LONGEST);
        let place = again.partition_point(|other| other.due <= due);
        again.insert(place, Again { message, tries, due });
    }
}

/// What is due again, else what arrives, as long as not too much waits for another try.
async fn next(arriving: &mut mpsc::Receiver<Message>, again: &mut VecDeque<Again>) -> Option<(Message, u32)> {
    let due = again.front().map(|first| first.due);
    let due = async {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = due => again.pop_front().map(|first| (first.message, first.tries)),
        message = arriving.recv(), if again.len() < super::WAITING => message.map(|message| (message, 0)),
    }
}
