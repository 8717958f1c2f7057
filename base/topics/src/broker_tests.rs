//! The broker on a real ledger of this machine's disk: what is on the disk is found again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ledger::{Ledger, Local, Moment};
use service::{Shutdown, Tasks};

use crate::tests::{OPTIONS, publication};
use crate::{Attach, Broker, Error, Kept, Outgoing, Parts, Settlement, Subscription, TopicName, Window};

struct Hub {
    ledger: Arc<dyn Ledger>,
    broker: Broker,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl Hub {
    async fn open(folder: &Path) -> Self {
        let ledger: Arc<dyn Ledger> = Arc::new(Local::open(&ledger::Options::of(folder.to_owned())).unwrap());
        let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
        let parts = Parts {
            store: Arc::new(Kept(Arc::clone(&ledger))),
            clock: Arc::new(|| Moment::of(SystemTime::now())),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        Self { ledger, broker: Broker::open(parts).await.unwrap(), shutdown, tasks }
    }

    async fn close(self) {
        self.shutdown.request();
        self.tasks.wait().await;
        self.ledger.close().await;
    }

    async fn subscribe(&self, topic: &TopicName) -> Subscription {
        let window = Window { messages: 4, bytes: 1 << 20 };
        let attach = Attach { name: topic.clone(), group: "g".to_owned(), options: OPTIONS, window };
        self.broker.subscribe(attach).await.unwrap()
    }
}

fn topic(topic: &str) -> TopicName {
    TopicName { database: "default".to_owned(), topic: topic.to_owned() }
}

async fn next(subscription: &mut Subscription) -> Outgoing {
    tokio::time::timeout(Duration::from_secs(20), subscription.outgoing.recv()).await.unwrap().unwrap()
}

async fn next_message(subscription: &mut Subscription) -> (u64, String) {
    loop {
        if let Outgoing::Message { tag, message, .. } = next(subscription).await {
            return (tag, String::from_utf8(message.data.to_vec()).unwrap());
        }
    }
}

#[tokio::test]
async fn what_was_confirmed_is_settled_and_what_was_not_comes_again() {
    let place = tempfile::tempdir().unwrap();
    let hub = Hub::open(place.path()).await;
    let mut subscription = hub.subscribe(&topic("t")).await;
    for data in ["1", "2", "3"] {
        hub.broker.publish(&topic("t"), vec![publication(data, None)]).await.unwrap();
    }
    hub.broker.publish(&topic("other"), vec![publication("x", None)]).await.unwrap();
    for data in ["1", "2", "3"] {
        assert_eq!(next_message(&mut subscription).await.1, data);
    }
    subscription.consumer.settle(vec![(1, Settlement::Done)]).await;
    assert_eq!(next(&mut subscription).await, Outgoing::Settled(1));
    hub.close().await;
    assert_eq!(subscription.outgoing.recv().await, None, "the consumer is told that the hub has ended");

    let hub = Hub::open(place.path()).await;
    let listed = hub.broker.list().await.unwrap();
    let topics: Vec<_> = listed.iter().map(|(name, status)| (name.topic.as_str(), status.messages)).collect();
    assert_eq!(topics, [("other", 1), ("t", 2)]);
    let mut subscription = hub.subscribe(&topic("t")).await;
    assert_eq!(next_message(&mut subscription).await.1, "1");
    assert_eq!(next_message(&mut subscription).await.1, "3");
    subscription.consumer.leave().await;
    hub.close().await;
}

#[tokio::test]
async fn a_large_backlog_comes_whole_through_a_small_window() {
    let place = tempfile::tempdir().unwrap();
    let hub = Hub::open(place.path()).await;
    let first = hub.subscribe(&topic("t")).await;
    first.consumer.leave().await;
    for batch in 0..30 {
        let publications = (0..100).map(|number| publication(&(batch * 100 + number).to_string(), None)).collect();
        hub.broker.publish(&topic("t"), publications).await.unwrap();
    }
    let mut subscription = hub.subscribe(&topic("t")).await;
    for expected in 0..3000_u32 {
        let (tag, data) = next_message(&mut subscription).await;
        assert_eq!(data, expected.to_string());
        subscription.consumer.settle(vec![(tag, Settlement::Done)]).await;
    }
    while !matches!(next(&mut subscription).await, Outgoing::Settled(2999)) {}
    assert_eq!(hub.broker.list().await.unwrap()[0].1.messages, 0);
    hub.close().await;
}

#[tokio::test]
async fn a_delayed_message_comes_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let hub = Hub::open(place.path()).await;
    let mut subscription = hub.subscribe(&topic("t")).await;
    let mut delayed = publication("x", None);
    delayed.when = crate::When::After(Duration::from_millis(150));
    let began = std::time::Instant::now();
    hub.broker.publish(&topic("t"), vec![delayed]).await.unwrap();
    assert_eq!(next_message(&mut subscription).await.1, "x");
    assert!(began.elapsed() >= Duration::from_millis(149));
    let refused = hub.broker.publish(&topic(""), vec![publication("x", None)]).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
    hub.close().await;
}
