//! Subscriptions between a broker and a recipient that the test holds in its hands. Time stands still.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::events::{BulkPayload, BulkTopicEvent, Outcome, Recipient, Retry, TopicEvent};
use async_trait::async_trait;
use bytes::Bytes;
use component::pubsub::{Deliveries, Delivery, Message, PubSub, PublishRequest, Settle, Settlement, SubscribeRequest};
use component::{
    Backend, CallContext, Constructing, Constructor, Error, ErrorKind, Host, MetadataItem, Registration, Registry,
    Setup, Spec, Version,
};
use loaded::{LoadedComponents, Loader};
use resources::{BulkSubscribe, SubscriptionSpec};
use service::Tasks;
use telemetry::{Metrics, SpanContext, Tracing};
use tokio::sync::{Notify, mpsc};

use super::{Parts, StreamHandle, Subscriptions};

/// How a message ended, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Acknowledged,
    Again,
    GivenBack,
}

/// A broker whose topics the test feeds.
#[derive(Default)]
struct Broker {
    inlets: Mutex<HashMap<String, mpsc::Sender<Delivery>>>,
    ends: Arc<Mutex<Vec<(String, End)>>>,
    published: Mutex<Vec<PublishRequest>>,
    /// How often publishing fails before it works.
    failing: Mutex<usize>,
}

struct Settling {
    name: String,
    ends: Arc<Mutex<Vec<(String, End)>>>,
    settled: bool,
}

#[async_trait]
impl Settle for Settling {
    async fn settle(mut self: Box<Self>, settlement: Settlement) -> Result<(), Error> {
        self.settled = true;
        let end = match settlement {
            Settlement::Ack => End::Acknowledged,
            Settlement::Retry => End::Again,
        };
        self.ends.lock().unwrap().push((self.name.clone(), end));
        Ok(())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if !self.settled {
            self.ends.lock().unwrap().push((self.name.clone(), End::GivenBack));
        }
    }
}

impl Backend for Broker {}

#[async_trait]
impl PubSub for Broker {
    async fn publish(&self, _: &CallContext, request: &PublishRequest) -> Result<(), Error> {
        let mut failing = self.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            return Err(Error::new(ErrorKind::Unavailable, "no"));
        }
        self.published.lock().unwrap().push(request.clone());
        Ok(())
    }

    async fn subscribe(&self, _: &CallContext, request: &SubscribeRequest) -> Result<Deliveries, Error> {
        let (inlet, deliveries) = mpsc::channel(1);
        self.inlets.lock().unwrap().insert(request.topic.clone(), inlet);
        Ok(deliveries)
    }
}

impl Broker {
    async fn send(&self, topic: &str, name: &str, data: &str) -> bool {
        let inlet = self.inlets.lock().unwrap()[topic].clone();
        let message = Message {
            topic: topic.to_owned(),
            data: Bytes::copy_from_slice(data.as_bytes()),
            content_type: None,
            metadata: BTreeMap::from([("from".to_owned(), "broker".to_owned())]),
        };
        let settling = Settling { name: name.to_owned(), ends: Arc::clone(&self.ends), settled: false };
        inlet.send(Delivery::new(message, settling)).await.is_ok()
    }

    /// Waits until so many messages have ended; how, by their names.
    async fn ends(&self, count: usize) -> Vec<(String, End)> {
        for _ in 0..10_000 {
            let mut ends = self.ends.lock().unwrap().clone();
            if ends.len() >= count {
                ends.sort_by(|left, right| left.0.cmp(&right.0));
                return ends;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("only {:?} ended", self.ends.lock().unwrap());
    }

    fn published(&self) -> Vec<(String, Bytes)> {
        self.published.lock().unwrap().iter().map(|one| (one.topic.clone(), one.data.clone())).collect()
    }
}

/// A recipient that answers by the `type` of an event: success, retry, drop, gone, panic, or wait for the test.
#[derive(Default)]
struct App {
    seen: Mutex<Vec<TopicEvent>>,
    calls: Mutex<Vec<usize>>,
    release: Notify,
    /// Calls that run now, and the most there were.
    running: Mutex<(usize, usize)>,
}

fn outcome(kind: &str) -> Outcome {
    match kind {
        "retry" => Outcome::Retry(Retry { reason: "asked for".to_owned(), code: None }),
        "drop" => Outcome::Drop("asked for".to_owned()),
        "gone" => Outcome::Undelivered("nobody".to_owned()),
        "panic" => panic!("on purpose"),
        _ => Outcome::Success,
    }
}

fn kind(event: &app::events::CloudEvent) -> &str {
    event.get("type").and_then(serde_json::Value::as_str).unwrap_or_default()
}

#[async_trait]
impl Recipient for App {
    async fn topic_event(&self, event: &TopicEvent, _: Option<SpanContext>) -> Outcome {
        self.seen.lock().unwrap().push(event.clone());
        let entered = || {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        };
        entered();
        if kind(&event.cloud_event) == "wait" {
            self.release.notified().await;
        }
        self.running.lock().unwrap().0 -= 1;
        outcome(kind(&event.cloud_event))
    }

    async fn bulk_topic_event(&self, event: &BulkTopicEvent, _: Option<SpanContext>) -> Vec<Outcome> {
        self.calls.lock().unwrap().push(event.entries.len());
        let kinds = event.entries.iter().map(|entry| match &entry.event {
            BulkPayload::CloudEvent(event) => kind(event).to_owned(),
            BulkPayload::Raw(_) => String::new(),
        });
        kinds.filter(|kind| kind != "missing").map(|kind| outcome(&kind)).collect()
    }
}

tokio::task_local! {
    static BROKER: Arc<Broker>;
}

fn construct(_: Setup) -> Constructing<dyn PubSub> {
    let broker = BROKER.with(Arc::clone);
    Box::pin(async move { Ok(broker as Arc<dyn PubSub>) })
}

const ROWS: &[Registration] = &[Registration {
    component_type: "pubsub.test",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[],
    constructor: Constructor::PubSub(construct),
}];

/// The component `p` with this metadata.
async fn load(broker: &Arc<Broker>, metadata: &[(&str, &str)]) -> LoadedComponents {
    let components = LoadedComponents::default();
    let admission =
        |spec: &Spec, properties: component::Properties| crate::admit("me", spec, &properties.clone(), properties);
    let tasks = component::Tasks::new(|_, _| {});
    let host = Host::new("me", "", tasks);
    let loader = Loader::new(Registry::new(ROWS, &[]), host, Arc::new(admission), components.clone());
    let item = |(name, value): &(&str, &str)| MetadataItem {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        secret: None,
    };
    let spec = Spec {
        name: "p".to_owned(),
        namespace: String::new(),
        component_type: "pubsub.test".to_owned(),
        version: "v1".to_owned(),
        metadata: metadata.iter().map(item).collect(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    BROKER.scope(Arc::clone(broker), loader.load(spec)).await.unwrap();
    components
}

struct Fixture {
    broker: Arc<Broker>,
    app: Arc<App>,
    subscriptions: Subscriptions,
}

impl Fixture {
    async fn new(metadata: &[(&str, &str)]) -> Self {
        let broker = Arc::new(Broker::default());
        let components = load(&broker, metadata).await;
        let (metrics, app_id, namespace) = (Metrics::new("me", &[]), Arc::<str>::from("me"), Arc::<str>::from("ns"));
        let publisher =
            crate::pubsub::PubSub::new(Arc::clone(&app_id), Arc::clone(&namespace), components.clone(), &metrics);
        let subscriptions = Subscriptions::new(Parts {
            app_id,
            namespace,
            components,
            publisher,
            channel: None,
            asks_app: true,
            declared: Vec::new(),
            metrics,
            tracing: Tracing::Off,
            tasks: Tasks::new(),
            grace: Duration::from_secs(5),
        });
        Self { broker, app: Arc::default(), subscriptions }
    }

    async fn subscribe(&self, spec: SubscriptionSpec) -> Result<StreamHandle, super::Error> {
        self.subscriptions.subscribe_stream(spec, Arc::clone(&self.app) as _).await
    }
}

fn spec(dead_letter_topic: &str) -> SubscriptionSpec {
    SubscriptionSpec {
        pubsubname: "p".to_owned(),
        topic: "t".to_owned(),
        dead_letter_topic: dead_letter_topic.to_owned(),
        ..SubscriptionSpec::default()
    }
}

fn ends(expected: &[(&str, End)]) -> Vec<(String, End)> {
    expected.iter().map(|(name, end)| ((*name).to_owned(), *end)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_acknowledged_only_after_it_was_handled_or_dropped() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(spec("")).await.unwrap();
    for (name, data) in
        [("1", r#"{"type":"ok"}"#), ("2", r#"{"type":"drop"}"#), ("3", r#"{"type":"retry"}"#), ("4", "no json")]
    {
        assert!(fixture.broker.send("t", name, data).await);
    }
    let expected = [("1", End::Acknowledged), ("2", End::Acknowledged), ("3", End::Again), ("4", End::Again)];
    assert_eq!(fixture.broker.ends(4).await, ends(&expected));
    let seen = fixture.app.seen.lock().unwrap();
    assert_eq!(seen[0].path, "/");
    assert_eq!(seen[0].metadata["pubsubName"], "p");
    assert!(fixture.broker.published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_failed_or_was_dropped_goes_to_the_dead_letter_topic_as_it_came() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(spec("dead")).await.unwrap();
    let messages =
        [("1", r#"{"type":"ok"}"#), ("2", r#"{"type":"drop"}"#), ("3", r#"{ "type":"retry"}"#), ("4", "no json")];
    for (name, data) in messages {
        fixture.broker.send("t", name, data).await;
    }
    let all: Vec<_> = ["1", "2", "3", "4"].iter().map(|name| (*name, End::Acknowledged)).collect();
    assert_eq!(fixture.broker.ends(4).await, ends(&all));
    let mut published = fixture.broker.published();
    published.sort();
    let mut expected: Vec<_> = messages[1..].iter().map(|(_, data)| ("dead".to_owned(), Bytes::from(*data))).collect();
    expected.sort();
    assert_eq!(published, expected);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_publish_that_fails_is_tried_again_and_never_acknowledged_without_success() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(spec("dead")).await.unwrap();
    *fixture.broker.failing.lock().unwrap() = 2;
    fixture.broker.send("t", "1", "no json").await;
    assert_eq!(fixture.broker.ends(1).await, ends(&[("1", End::Acknowledged)]));
    *fixture.broker.failing.lock().unwrap() = usize::MAX;
    fixture.broker.send("t", "2", "no json").await;
    fixture.broker.send("t", "3", r#"{"type":"drop"}"#).await;
    let expected = [("1", End::Acknowledged), ("2", End::Again), ("3", End::Again)];
    assert_eq!(fixture.broker.ends(3).await, ends(&expected));
}

#[tokio::test(start_paused = true)]
async fn the_rules_for_publishing_hold_for_dead_letter_topics() {
    let fixture = Fixture::new(&[("publishingScopes", "me=other")]).await;
    let _handle = fixture.subscribe(spec("dead")).await.unwrap();
    fixture.broker.send("t", "1", "no json").await;
    assert_eq!(fixture.broker.ends(1).await, ends(&[("1", End::Again)]));
    assert!(fixture.broker.published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_its_message_to_the_broker_and_the_others_flow() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(spec("dead")).await.unwrap();
    fixture.broker.send("t", "1", r#"{"type":"panic"}"#).await;
    fixture.broker.send("t", "2", r#"{"type":"ok"}"#).await;
    assert_eq!(fixture.broker.ends(2).await, ends(&[("1", End::GivenBack), ("2", End::Acknowledged)]));
    assert!(fixture.broker.published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_reached_nobody_goes_back_and_never_to_the_dead_letter_topic() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(spec("dead")).await.unwrap();
    fixture.broker.send("t", "1", r#"{"type":"gone"}"#).await;
    assert_eq!(fixture.broker.ends(1).await, ends(&[("1", End::GivenBack)]));
    assert!(fixture.broker.published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn ending_finishes_what_is_in_flight_and_takes_nothing_new() {
    let fixture = Fixture::new(&[]).await;
    let handle = fixture.subscribe(spec("dead")).await.unwrap();
    fixture.broker.send("t", "1", r#"{"type":"wait"}"#).await;
    while fixture.app.seen.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stopping = async {
        fixture.subscriptions.stop_forever().await;
        handle.ended().await;
    };
    let going_on = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!fixture.broker.send("t", "2", r#"{"type":"ok"}"#).await);
        fixture.app.release.notify_one();
    };
    tokio::join!(stopping, going_on);
    assert_eq!(fixture.broker.ends(2).await, ends(&[("1", End::Acknowledged), ("2", End::GivenBack)]));
    assert!(matches!(fixture.subscribe(spec("")).await, Err(super::Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_at_the_end_goes_back_and_nothing_is_dead_lettered_because_of_us() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(spec("dead")).await.unwrap();
    fixture.broker.send("t", "1", r#"{"type":"wait"}"#).await;
    while fixture.app.seen.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = tokio::time::Instant::now();
    fixture.subscriptions.stop_forever().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(fixture.broker.ends(1).await, ends(&[("1", End::GivenBack)]));
    assert!(fixture.broker.published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn in_flight_is_bounded_however_slow_the_app_is() {
    let fixture = Fixture::new(&[]).await;
    let handle = fixture.subscribe(spec("")).await.unwrap();
    let feeding = async {
        for number in 0..400 {
            if !fixture.broker.send("t", &number.to_string(), r#"{"type":"wait"}"#).await {
                break;
            }
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), feeding).await.is_err());
    assert_eq!(fixture.app.running.lock().unwrap().1, 256);
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn a_topic_the_app_may_not_read_or_a_broker_that_is_not_there_is_refused() {
    let fixture = Fixture::new(&[("subscriptionScopes", "me=other")]).await;
    assert!(matches!(fixture.subscribe(spec("")).await, Err(super::Error::Forbidden { .. })));
    let elsewhere = SubscriptionSpec { pubsubname: "q".to_owned(), ..spec("") };
    assert!(matches!(fixture.subscribe(elsewhere).await, Err(super::Error::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_targets_way_can_be_had_back_for_a_component_or_a_subscription() {
    let fixture = Fixture::new(&[("failedMessages", "drop")]).await;
    let _handle = fixture.subscribe(spec("")).await.unwrap();
    fixture.broker.send("t", "1", r#"{"type":"retry"}"#).await;
    assert_eq!(fixture.broker.ends(1).await, ends(&[("1", End::Acknowledged)]));
    let misspelt =
        SubscriptionSpec { metadata: BTreeMap::from([("failedMessages".to_owned(), "dorp".to_owned())]), ..spec("") };
    assert!(matches!(fixture.subscribe(misspelt).await, Err(super::Error::Refused(_))));
}

fn bulk(count: i32, dead_letter_topic: &str) -> SubscriptionSpec {
    let bulk_subscribe = BulkSubscribe { enabled: true, max_messages_count: count, max_await_duration_ms: 1000 };
    SubscriptionSpec { bulk_subscribe, ..spec(dead_letter_topic) }
}

#[tokio::test(start_paused = true)]
async fn many_messages_are_sent_when_there_are_enough_or_after_a_while() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(bulk(2, "")).await.unwrap();
    for name in ["1", "2", "3"] {
        fixture.broker.send("t", name, r#"{"type":"ok"}"#).await;
    }
    assert_eq!(fixture.broker.ends(3).await.len(), 3);
    assert_eq!(*fixture.app.calls.lock().unwrap(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_messages_is_settled_by_its_own_outcome_and_a_missing_one_is_sent_again() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(bulk(5, "")).await.unwrap();
    for (name, kind) in [("1", "ok"), ("2", "retry"), ("3", "drop"), ("4", "no json"), ("5", "missing")] {
        let data = if kind == "no json" { kind.to_owned() } else { format!("{{\"type\":\"{kind}\"}}") };
        fixture.broker.send("t", name, &data).await;
    }
    let expected =
        [("1", End::Acknowledged), ("2", End::Again), ("3", End::Acknowledged), ("4", End::Again), ("5", End::Again)];
    assert_eq!(fixture.broker.ends(5).await, ends(&expected));
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_is_sent_when_the_subscription_ends() {
    let fixture = Fixture::new(&[]).await;
    let _handle = fixture.subscribe(bulk(10, "")).await.unwrap();
    fixture.broker.send("t", "1", r#"{"type":"ok"}"#).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    fixture.subscriptions.stop_forever().await;
    assert_eq!(fixture.broker.ends(1).await, ends(&[("1", End::Acknowledged)]));
    assert_eq!(*fixture.app.calls.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_while_it_runs_and_its_end_ends_the_subscription() {
    let fixture = Fixture::new(&[]).await;
    let handle = fixture.subscribe(spec("dead")).await.unwrap();
    let told = fixture.subscriptions.list();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].r#type, 3);
    assert_eq!(told[0].dead_letter_topic, "dead");
    drop(handle);
    assert!(fixture.subscriptions.list().is_empty());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!fixture.broker.send("t", "1", "{}").await);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_goes_takes_its_subscriptions_with_it() {
    let fixture = Fixture::new(&[]).await;
    let handle = fixture.subscribe(spec("")).await.unwrap();
    fixture.subscriptions.stop_component("q").await;
    assert!(fixture.broker.send("t", "1", r#"{"type":"ok"}"#).await);
    fixture.subscriptions.stop_component("p").await;
    handle.ended().await;
    assert!(!fixture.broker.send("t", "2", "{}").await);
}
