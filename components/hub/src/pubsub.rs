//! `pubsub.embedded`: topics in the hub, shared by the apps of this user. A message is published once it is on the disk, and
//! acknowledged once that is. Called through `loaded`.

mod publication;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component::pubsub::{
    BulkPublishEntry, BulkPublishFailure, BulkPublishRequest, BulkPublisher, Deliveries, PubSub, PublishRequest,
    SubscribeRequest,
};
use component::{Backend, ByteSize, CallContext, Constructing, Error, ErrorKind, Settings, Setup, Tasks};
use hubclient::Client;
use tokio::sync::watch;
use wire::hub;

use crate::connection::{check_database, client, failed, milliseconds};
use subscription::Subscription;

/// Messages of one request to the hub.
const AT_ONCE: usize = 1000;
/// No more messages are put into a request that has so many bytes.
const BYTES_AT_ONCE: usize = 16 << 20;

/// The metadata of the component.
#[derive(Settings)]
pub(crate) struct PubSubSettings {
    /// Path of the hub's socket. Without it: `TRILBY_HUB_SOCKET`, else `hub.sock` in the runtime folder of this user.
    socket: String,
    /// Which database of the hub is used; components with the same one share their topics.
    #[setting(default = "default")]
    database: String,
    /// How long a call waits for a hub that is being started again.
    #[setting(default = "5s")]
    connect_timeout: Duration,
    /// The consumer group: of all subscribers with the same one, one gets each message. The app id if it is not given.
    #[setting(name = "consumerID")]
    consumer_id: Option<String>,
    /// How many messages a subscription holds at the same time that are not settled yet.
    #[setting(default = "64", min = 1, max = 10000)]
    max_in_flight: u32,
    /// How many bytes of them; a single message may have more.
    #[setting(default = "4Mi")]
    max_in_flight_bytes: ByteSize,
    /// The wait before a message that was not handled is delivered again. It doubles with each failure.
    #[setting(default = "500ms")]
    redeliver_interval: Duration,
    /// The longest such wait. A message is delivered again for as long as it is kept.
    #[setting(default = "1m")]
    max_redeliver_interval: Duration,
    /// How long a message is kept for this consumer group if it is not handled.
    #[setting(default = "168h")]
    retention: Duration,
    /// What a topic may take on the disk; beyond it the oldest messages are dropped, handled or not.
    #[setting(default = "1Gi")]
    max_topic_bytes: ByteSize,
}

struct HubPubSub {
    client: Client,
    /// With which it subscribes; the topic is left out.
    attach: hub::Attach,
    tasks: Tasks,
    closed: watch::Sender<bool>,
}

/// Makes the broker. Connects, so that a hub that is missing or does not fit is told at the start.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn PubSub> {
    Box::pin(async move {
        let settings = PubSubSettings::parse(&setup.properties)?;
        check_database(&settings.database)?;
        check(&settings)?;
        let client = client(&setup, &settings.socket, settings.connect_timeout);
        // What there is says whether the hub has topics at all.
        client.topics().await.map_err(failed)?;
        let group = settings.consumer_id.filter(|group| !group.is_empty());
        let attach = hub::Attach {
            database: settings.database,
            topic: String::new(),
            group: group.unwrap_or_else(|| setup.host.app.to_string()),
            messages: settings.max_in_flight.into(),
            bytes: settings.max_in_flight_bytes.0,
            retention: milliseconds(settings.retention),
            topic_bytes: settings.max_topic_bytes.0,
            first_wait: milliseconds(settings.redeliver_interval),
            longest_wait: milliseconds(settings.max_redeliver_interval),
        };
        let tasks = setup.host.tasks;
        let broker: Arc<dyn PubSub> = Arc::new(HubPubSub { client, attach, tasks, closed: watch::Sender::new(false) });
        Ok(broker)
    })
}

fn check(settings: &PubSubSettings) -> Result<(), Error> {
    let wrong = |reason: &str| Err(Error::new(ErrorKind::InvalidArgument, reason));
    if settings.redeliver_interval.is_zero() {
        return wrong("redeliverInterval must be more than zero");
    }
    if settings.max_redeliver_interval < settings.redeliver_interval {
        return wrong("maxRedeliverInterval must not be less than redeliverInterval");
    }
    if settings.retention.is_zero() || settings.max_topic_bytes.0 == 0 || settings.max_in_flight_bytes.0 == 0 {
        return wrong("retention, maxTopicBytes and maxInFlightBytes must be more than zero");
    }
    Ok(())
}

#[async_trait]
impl Backend for HubPubSub {
    async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        self.client.close().await;
        Ok(())
    }
}

impl HubPubSub {
    async fn send(&self, topic: &str, publications: Vec<hub::Publication>) -> Result<(), Error> {
        let (database, topic) = (self.attach.database.clone(), topic.to_owned());
        self.client.publish(hub::PublishRequest { database, topic, publications }).await.map_err(failed)
    }

    /// Sends some messages, and adds those that were not taken to the failed ones. Together they are published or not.
    async fn send_some(&self, topic: &str, some: Vec<(String, hub::Publication)>, failures: &mut Vec<(String, Error)>) {
        if some.is_empty() {
            return;
        }
        let (ids, publications): (Vec<_>, Vec<_>) = some.into_iter().unzip();
        if let Err(error) = self.send(topic, publications).await {
            let again = |error: &Error| Error::new(error.kind(), error.message()).with_retry(error.retry());
            failures.extend(ids.into_iter().map(|id| (id, again(&error))));
        }
    }
}

#[async_trait]
impl PubSub for HubPubSub {
    async fn publish(&self, _: &CallContext, request: &PublishRequest) -> Result<(), Error> {
        let content_type = request.content_type.as_deref();
        let publication = publication::of(request.data.clone(), content_type, &request.metadata)?;
        self.send(&request.topic, vec![publication]).await
    }

    async fn subscribe(&self, _: &CallContext, request: &SubscribeRequest) -> Result<Deliveries, Error> {
        if request.topic.ends_with('*') {
            let topic = &request.topic;
            tracing::warn!(target: "dapr.contrib", "pubsub.embedded has no patterns: {topic} is one topic of that name");
        }
        let attach = hub::Attach { topic: request.topic.clone(), ..self.attach.clone() };
        let consuming = self.client.consume(attach.clone()).await.map_err(failed)?;
        let (subscription, deliveries) = Subscription::new(self.client.clone(), attach);
        let mut closed = self.closed.subscribe();
        self.tasks.spawn("subscription of the hub", async move {
            tokio::select! {
                () = subscription.run(consuming) => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
        Ok(deliveries)
    }

    fn bulk_publisher(&self) -> Option<&dyn BulkPublisher> {
        Some(self)
    }

    fn message_ttl(&self) -> bool {
        true
    }
}

#[async_trait]
impl BulkPublisher for HubPubSub {
    async fn bulk_publish(&self, _: &CallContext, request: &BulkPublishRequest) -> Result<(), BulkPublishFailure> {
        let (mut failures, mut some, mut bytes) = (Vec::new(), Vec::new(), 0);
        for BulkPublishEntry { id, data, content_type, metadata } in &request.entries {
            let mut whole = request.metadata.clone();
            whole.extend(metadata.clone());
            let content_type = Some(content_type.as_str()).filter(|content_type| !content_type.is_empty());
            match publication::of(data.clone(), content_type, &whole) {
                Ok(publication) => some.push((id.clone(), publication)),
                Err(error) => failures.push((id.clone(), error)),
            }
            bytes += data.len();
            if some.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
                self.send_some(&request.topic, std::mem::take(&mut some), &mut failures).await;
                bytes = 0;
            }
        }
        self.send_some(&request.topic, some, &mut failures).await;
        if failures.is_empty() { Ok(()) } else { Err(BulkPublishFailure { entries: failures }) }
    }
}
