//! A broker on a server of the tests, and requests in few words. Used by the files beside it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use component::pubsub::{Deliveries, Delivery, PubSub, PublishRequest, Settlement, SubscribeRequest};
use component::{CallContext, Constructor, Error, Host, Metadata, Properties, Setup, Tasks};
use servers::{RabbitMq, RabbitMqBuilder};
use tokio_util::task::TaskTracker;

/// One server for the tests that do it no harm: it takes long to start. It ends with the last of them.
static SHARED: Mutex<Weak<RabbitMq>> = Mutex::new(Weak::new());

pub(crate) async fn shared() -> Option<Arc<RabbitMq>> {
    let find = || {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().or_else(|| RabbitMq::alone().start().map(Arc::new))?;
        *shared = Arc::downgrade(&server);
        Some(server)
    };
    tokio::task::spawn_blocking(find).await.unwrap()
}

pub(crate) async fn start(builder: RabbitMqBuilder) -> Option<RabbitMq> {
    tokio::task::spawn_blocking(move || builder.start()).await.unwrap()
}

pub(crate) struct Bus {
    pub(crate) broker: Arc<dyn PubSub>,
    pub(crate) tasks: TaskTracker,
}

/// The broker that a component resource with this metadata would be.
pub(crate) async fn try_open(metadata: &[(&str, &str)]) -> Result<Bus, Error> {
    let row = trilby_component_rabbitmq::REGISTRATIONS.first().unwrap();
    let Constructor::PubSub(construct) = row.constructor else { panic!("no broker") };
    let tasks = TaskTracker::new();
    let tracker = tasks.clone();
    let host = Host::new("app", "", Tasks::new(move |_, work| drop(tracker.spawn(work))));
    let properties: Properties = metadata.iter().copied().collect();
    let broker = construct(Setup { name: "bus".to_owned(), properties, host }).await?;
    Ok(Bus { broker, tasks })
}

/// The same at this server.
pub(crate) async fn open(connection: &str, metadata: &[(&str, &str)]) -> Bus {
    let all = [&[("connectionString", connection)], metadata].concat();
    try_open(&all).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Bus {
    pub(crate) async fn publish(&self, topic: &str, data: &str) {
        self.publish_with(topic, data, &[]).await.unwrap_or_else(|error| panic!("{data}: {error}"));
    }

    pub(crate) async fn publish_with(&self, topic: &str, data: &str, pairs: &[(&str, &str)]) -> Result<(), Error> {
        let data = data.to_owned().into();
        let request = PublishRequest { topic: topic.to_owned(), data, content_type: None, metadata: metadata(pairs) };
        self.broker.publish(&CallContext::default(), &request).await
    }

    pub(crate) async fn subscribe(&self, topic: &str) -> Deliveries {
        self.subscribe_with(topic, &[]).await.unwrap_or_else(|error| panic!("{topic}: {error}"))
    }

    pub(crate) async fn subscribe_with(&self, topic: &str, pairs: &[(&str, &str)]) -> Result<Deliveries, Error> {
        let request = SubscribeRequest { topic: topic.to_owned(), metadata: metadata(pairs) };
        self.broker.subscribe(&CallContext::default(), &request).await
    }

    /// Closes it and waits until nothing of it is left.
    pub(crate) async fn close(self) {
        self.broker.close().await.unwrap();
        self.tasks.close();
        let left = tokio::time::timeout(Duration::from_secs(20), self.tasks.wait()).await;
        assert!(left.is_ok(), "{} tasks are left", self.tasks.len());
    }
}

pub(crate) fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.data.to_vec()).unwrap()
}

/// The next delivery, soon.
pub(crate) async fn next(deliveries: &mut Deliveries) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(30), deliveries.recv()).await;
    let Ok(Some(delivery)) = next else { panic!("no delivery within half a minute") };
    delivery
}

/// The text of the next delivery, which is done with.
pub(crate) async fn take(deliveries: &mut Deliveries) -> String {
    let delivery = next(deliveries).await;
    let text = text(&delivery);
    delivery.settle(Settlement::Ack).await.unwrap();
    text
}

/// Whether nothing comes for a while.
pub(crate) async fn is_quiet(deliveries: &mut Deliveries) -> bool {
    tokio::time::timeout(Duration::from_millis(700), deliveries.recv()).await.is_err()
}

/// What `rabbitmqctl` prints.
pub(crate) async fn control(server: &Arc<RabbitMq>, words: &[&str]) -> String {
    let (server, words) = (Arc::clone(server), words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let ask = move || server.control(&words.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(ask).await.unwrap().unwrap()
}

/// Waits until `rabbitmqctl` prints such a line.
pub(crate) async fn until_line(server: &Arc<RabbitMq>, words: &[&str], line: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let printed = control(server, words).await;
        if printed.lines().any(|printed| printed == line) {
            return;
        }
        assert!(Instant::now() < end, "no line {line:?} in:\n{printed}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
