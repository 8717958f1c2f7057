//! One subscription in one check.

use std::collections::BTreeMap;
use std::time::Duration;

use component::pubsub::{Deliveries, Delivery, Settlement};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a message may take to arrive.
pub(super) const ARRIVES: Duration = Duration::from_secs(20);

/// A subscription.
pub(super) struct Hearing {
    /// What it is to.
    pub(super) topic: String,
    pub(super) deliveries: Deliveries,
}

impl Hearing {
    /// The next delivery.
    pub(super) async fn next(&mut self) -> Delivery {
        match timeout(ARRIVES, self.deliveries.recv()).await {
            Ok(Some(delivery)) => delivery,
            Ok(None) => panic!("the subscription to {} ended", self.topic),
            Err(_) => panic!("nothing came from {} in {ARRIVES:?}", self.topic),
        }
    }

    /// The next delivery, if one comes soon.
    pub(super) async fn next_within(&mut self, patience: Duration) -> Option<Delivery> {
        timeout(patience, self.deliveries.recv()).await.ok().flatten()
    }

    /// Handles whatever comes until each of the messages has come; how often each did.
    pub(super) async fn handles(&mut self, expected: &[String]) -> BTreeMap<String, usize> {
        let (end, mut heard) = (Instant::now() + ARRIVES, BTreeMap::new());
        let is_missing = |heard: &BTreeMap<String, usize>| expected.iter().any(|text| !heard.contains_key(text));
        while is_missing(&heard) {
            match timeout_at(end, self.deliveries.recv()).await {
                Ok(Some(delivery)) => *heard.entry(handled(delivery).await).or_default() += 1,
                other => {
                    let missing: Vec<_> = expected.iter().filter(|text| !heard.contains_key(*text)).collect();
                    let ended = other.is_ok();
                    panic!("{}: ended: {ended}, {} missing: {missing:?}", self.topic, missing.len());
                }
            }
        }
        heard
    }

    /// Handles the next messages, which must be these and come once, in any order; and nothing may come after them.
    pub(super) async fn handles_exactly(&mut self, expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        let mut heard = self.handles(&expected).await;
        while let Some(delivery) = self.next_within(Duration::from_millis(300)).await {
            *heard.entry(handled(delivery).await).or_default() += 1;
        }
        let wanted: BTreeMap<String, usize> = expected.into_iter().map(|text| (text, 1)).collect();
        assert_eq!(heard, wanted, "{}", self.topic);
    }

    /// Whether the stream ends, whatever waits in it still.
    pub(super) async fn ends(mut self) -> bool {
        let end = Instant::now() + ARRIVES;
        loop {
            match timeout_at(end, self.deliveries.recv()).await {
                Ok(None) => return true,
                Ok(Some(_)) => {}
                Err(_) => return false,
            }
        }
    }
}

/// What a delivery says.
pub(super) fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.message.data).into_owned()
}

/// Settles a delivery; what it said.
pub(super) async fn settled(delivery: Delivery, settlement: Settlement) -> String {
    let text = text(&delivery);
    let done = delivery.settle(settlement).await;
    done.unwrap_or_else(|error| panic!("settle {text:?} as {settlement:?}: {error}"));
    text
}

/// Acknowledges a delivery; what it said.
pub(super) async fn handled(delivery: Delivery) -> String {
    settled(delivery, Settlement::Ack).await
}

/// Asks for another try of a delivery; what it said.
pub(super) async fn refused(delivery: Delivery) -> String {
    settled(delivery, Settlement::Retry).await
}

/// `name 0`, `name 1` and so on.
pub(super) fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name} {number}")).collect()
}
