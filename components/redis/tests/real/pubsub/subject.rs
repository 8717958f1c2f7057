//! A broker of the test, and its messages in few words.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use component::Error;
use component::pubsub::{Deliveries, Delivery, PubSub, PublishRequest, Settlement, SubscribeRequest};
use servers::Redis;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::making::{context, pubsub};

pub(super) const TOPIC: &str = "orders";
pub(super) const SOON: Duration = Duration::from_secs(5);

/// A broker whose messages are forgotten and found soon.
pub(super) async fn quick(address: &str, more: &[(&str, &str)]) -> Arc<dyn PubSub> {
    let usual = [("redisHost", address), ("processingTimeout", "1s"), ("redeliverInterval", "200ms")];
    let all: Vec<(&str, &str)> = usual.iter().chain(more).copied().collect();
    pubsub(&all).await.unwrap()
}

pub(super) async fn publish(broker: &dyn PubSub, data: &str) -> Result<(), Error> {
    publish_to(broker, TOPIC, data).await
}

pub(super) async fn publish_to(broker: &dyn PubSub, topic: &str, data: &str) -> Result<(), Error> {
    let request =
        PublishRequest { topic: topic.to_owned(), data: Bytes::from(data.to_owned()), ..PublishRequest::default() };
    broker.publish(&context(), &request).await
}

pub(super) async fn subscribe(broker: &dyn PubSub) -> Deliveries {
    subscribe_to(broker, TOPIC).await
}

pub(super) async fn subscribe_to(broker: &dyn PubSub, topic: &str) -> Deliveries {
    let request = SubscribeRequest { topic: topic.to_owned(), ..SubscribeRequest::default() };
    broker.subscribe(&context(), &request).await.unwrap()
}

/// The next message, which must come soon.
pub(super) async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(SOON, deliveries.recv()).await.expect("a message comes soon").expect("the subscription goes on")
}

pub(super) fn data(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.data.to_vec()).unwrap()
}

pub(super) async fn ack(delivery: Delivery) -> String {
    let data = data(&delivery);
    delivery.settle(Settlement::Ack).await.unwrap();
    data
}

/// Nothing comes for so long.
pub(super) async fn nothing(deliveries: &mut Deliveries, time: Duration) {
    if let Ok(delivery) = timeout(time, deliveries.recv()).await {
        panic!("{:?} came", delivery.map(|delivery| data(&delivery)));
    }
}

/// How many messages of the topic are pending.
pub(super) fn pending(redis: &Redis, group: &str) -> usize {
    let summary = redis.command(&["XPENDING", TOPIC, group]).unwrap();
    summary.lines().next().unwrap().parse().unwrap()
}

/// Everything a subscriber handled, and how often.
#[derive(Clone, Default)]
pub(super) struct Handled {
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
    pub(super) most: Arc<AtomicUsize>,
    working: Arc<AtomicUsize>,
}

impl Handled {
    /// Works on everything that comes, at the same time, and acknowledges it after a while.
    pub(super) async fn work(&self, mut deliveries: Deliveries, time: Duration) {
        let tasks = TaskTracker::new();
        while let Some(delivery) = deliveries.recv().await {
            let working = self.working.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(working, Ordering::SeqCst);
            let all = self.clone();
            tasks.spawn(async move {
                tokio::time::sleep(time).await;
                *all.seen.lock().unwrap().entry(data(&delivery)).or_default() += 1;
                all.working.fetch_sub(1, Ordering::SeqCst);
                // One that cannot be told is delivered again.
                let _ = delivery.settle(Settlement::Ack).await;
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    pub(super) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(super) fn times(&self, data: &str) -> usize {
        self.seen.lock().unwrap().get(data).copied().unwrap_or(0)
    }

    pub(super) fn twice(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, times)| **times > 1).map(|(data, _)| data.clone()).collect()
    }

    /// Everything of these is handled within the time.
    pub(super) async fn has_all(&self, published: &[String], time: Duration) {
        let end = Instant::now() + time;
        loop {
            let missing: Vec<&String> = published.iter().filter(|data| self.times(data) == 0).collect();
            if missing.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "of {} are missing {}: {missing:?}", published.len(), missing.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A publisher that goes on until it is stopped, and notes what was acknowledged.
pub(super) struct Publishing {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Publishing {
    pub(super) fn start(broker: &Arc<dyn PubSub>, topics: &'static [&'static str]) -> Self {
        let (broker, over) = (Arc::clone(broker), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&over);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            for (number, topic) in topics.iter().cycle().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let data = format!("{topic}-{number}");
                match publish_to(&*broker, topic, &data).await {
                    Ok(()) => acknowledged.push(data),
                    Err(error) => {
                        use component::ErrorKind::{Timeout, Unavailable};
                        assert!(matches!(error.kind(), Unavailable | Timeout), "{error}");
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            acknowledged
        });
        #[expect(clippy::disallowed_methods, reason = "a test owns its tasks")]
        let task = tokio::spawn(async move { tasks.join_next().await.unwrap().unwrap() });
        Self { over, task }
    }

    pub(super) async fn stop(self) -> Vec<String> {
        self.over.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}
