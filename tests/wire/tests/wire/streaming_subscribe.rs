//! Subscribing by a stream over gRPC: how it begins, what comes over it, and how it ends.

use std::time::Duration;

use serde_json::{Value, json};
use servers::Redis;
use testkit::{Channel, Sidecar, ours_only};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use wire::runtime::dapr_client::DaprClient;
use wire::runtime::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use wire::runtime::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use wire::runtime::topic_event_response::TopicEventResponseStatus as Made;
use wire::runtime::{
    SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsRequestInitialAlpha1,
    SubscribeTopicEventsRequestProcessedAlpha1, SubscribeTopicEventsResponseAlpha1, TopicEventRequest,
    TopicEventResponse,
};

const PATIENCE: Duration = Duration::from_secs(30);

const BROKER: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: broker\nspec:\n  type: pubsub.in-memory\n  version: v1\n  metadata: []\n";

/// One stream of one app.
struct Stream {
    asks: Option<mpsc::Sender<SubscribeTopicEventsRequestAlpha1>>,
    told: Streaming<SubscribeTopicEventsResponseAlpha1>,
}

fn initial(broker: &str, topic: &str) -> Asked {
    Asked::InitialRequest(SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: broker.to_owned(),
        topic: topic.to_owned(),
        ..Default::default()
    })
}

fn ask(what: Asked) -> SubscribeTopicEventsRequestAlpha1 {
    SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: Some(what) }
}

async fn opened(dapr: &mut DaprClient<Channel>, first: Asked) -> Result<Stream, Status> {
    let (asks, receiver) = mpsc::channel(64);
    asks.send(ask(first)).await.unwrap();
    let call = dapr.subscribe_topic_events_alpha1(ReceiverStream::new(receiver));
    let told = tokio::time::timeout(PATIENCE, call).await.expect("an answer in time")?.into_inner();
    Ok(Stream { asks: Some(asks), told })
}

impl Stream {
    /// A stream that was greeted.
    async fn of(sidecar: &Sidecar, topic: &str) -> Self {
        let mut stream = opened(&mut sidecar.dapr().await, initial("broker", topic)).await.unwrap();
        assert!(matches!(stream.next().await, Some(Ok(Told::InitialResponse(_)))));
        stream
    }

    async fn next(&mut self) -> Option<Result<Told, Status>> {
        let next = tokio::time::timeout(PATIENCE, self.told.next()).await.expect("the stream says something in time");
        next.map(|told| told.map(|told| told.subscribe_topic_events_response_type.unwrap()))
    }

    async fn event(&mut self) -> TopicEventRequest {
        match self.next().await {
            Some(Ok(Told::EventMessage(event))) => event,
            other => panic!("not an event: {other:?}"),
        }
    }

    async fn send(&self, what: Asked) {
        self.asks.as_ref().unwrap().send(ask(what)).await.unwrap();
    }

    async fn processed(&self, id: &str, made: Made) {
        let status = Some(TopicEventResponse { status: made as i32 });
        self.send(Asked::EventProcessed(SubscribeTopicEventsRequestProcessedAlpha1 { id: id.to_owned(), status }))
            .await;
    }

    /// How the stream ends.
    async fn end(&mut self) -> Status {
        self.next().await.expect("a status").expect_err("the end")
    }
}

/// How a stream that is refused ends, be it before or after its headers.
async fn refusal(dapr: &mut DaprClient<Channel>, first: Asked) -> Status {
    match opened(dapr, first).await {
        Ok(mut stream) => stream.end().await,
        Err(status) => status,
    }
}

/// Publishes without waiting: the reference's broker in memory answers when the message was handled.
fn publish(sidecar: &Sidecar, topic: &str, what: &Value) {
    let sent = sidecar.post(&format!("/v1.0/publish/broker/{topic}")).json(what).try_send();
    testkit::spawn(async move { assert_eq!(sent.await.map(|answer| answer.status), Ok(204)) });
}

#[tokio::test]
async fn the_first_message_names_a_broker_and_a_topic() {
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let mut dapr = a.dapr().await;
    let answer = Asked::EventProcessed(SubscribeTopicEventsRequestProcessedAlpha1::default());
    for (first, code, words) in [
        (answer, Code::Unknown, "initial request is required"),
        (initial("", "orders"), Code::Unknown, "pubsubName is required"),
        (initial("broker", ""), Code::Unknown, "topic is required"),
        (initial("nowhere", "orders"), Code::InvalidArgument, "pubsub nowhere is not found"),
    ] {
        let refused = refusal(&mut dapr, first).await;
        assert_eq!((refused.code(), refused.message()), (code, words));
    }
    let (asks, receiver) = mpsc::channel(1);
    drop(asks);
    let refused = match dapr.subscribe_topic_events_alpha1(ReceiverStream::new(receiver)).await {
        Ok(stream) => stream.into_inner().next().await.unwrap().unwrap_err(),
        Err(status) => status,
    };
    assert_eq!((refused.code(), refused.message()), (Code::Unknown, "EOF"));
}

#[tokio::test]
async fn events_come_as_they_were_published_and_are_settled_by_their_ids() {
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let mut stream = Stream::of(&a, "orders").await;
    publish(&a, "orders", &json!({"n": 1}));
    publish(&a, "orders", &json!({"n": 2}));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = stream.event().await;
        assert_eq!((&*event.topic, &*event.pubsub_name, &*event.path), ("orders", "broker", "/"));
        assert_eq!((&*event.r#type, &*event.data_content_type), ("com.dapr.event.sent", "application/json"));
        seen.push(serde_json::from_slice::<Value>(&event.data).unwrap()["n"].as_i64().unwrap());
        stream.processed("an id that nobody waits for", Made::Success).await;
        stream.processed(&event.id, Made::Success).await;
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    publish(&a, "other", &json!({"n": 3}));
    publish(&a, "orders", &json!({"n": 4}));
    let event = stream.event().await;
    assert_eq!(event.data, r#"{"n":4}"#);
    stream.processed(&event.id, Made::Drop).await;
}

#[tokio::test]
async fn a_second_first_message_ends_the_stream() {
    let a = Sidecar::named("a").resource(BROKER).start().await;
    for second in [Some(initial("broker", "orders")), None] {
        let mut stream = Stream::of(&a, "orders").await;
        let asks = stream.asks.as_ref().unwrap();
        asks.send(SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: second }).await.unwrap();
        let end = stream.end().await;
        assert_eq!((end.code(), end.message()), (Code::Unknown, "duplicate initial request received"));
    }
}

#[tokio::test]
async fn a_stream_that_its_app_ends_is_over() {
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let mut stream = Stream::of(&a, "orders").await;
    stream.asks = None;
    let end = stream.end().await;
    assert_eq!((end.code(), end.message()), (Code::Unknown, "EOF"));
}

#[tokio::test]
async fn an_event_to_be_tried_again_comes_again() {
    ours_only!("the reference's broker in memory gives up what was not handled");
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let mut stream = Stream::of(&a, "orders").await;
    publish(&a, "orders", &json!({"n": 1}));
    let first = stream.event().await;
    stream.processed(&first.id, Made::Retry).await;
    let again = stream.event().await;
    assert_eq!(again.id, first.id);
    stream.processed(&again.id, Made::Success).await;
}

#[tokio::test]
async fn what_a_broken_stream_did_not_answer_goes_to_the_next_one_and_to_no_dead_letter_topic() {
    ours_only!("the reference loses it");
    let Some(redis) = Redis::alone().start() else { return };
    let broker = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: broker\nspec:\n  type: pubsub.redis\n  version: v1\n  metadata:\n  - name: redisHost\n    value: {}\n  - name: processingTimeout\n    value: 1s\n  - name: redeliverInterval\n    value: 1s\n",
        redis.address()
    );
    let a = Sidecar::named("a").resource(&broker).start().await;
    let mut dead = Stream::of(&a, "dead").await;
    let first = Asked::InitialRequest(SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: "broker".to_owned(),
        topic: "orders".to_owned(),
        dead_letter_topic: Some("dead".to_owned()),
        ..Default::default()
    });
    let mut broken = opened(&mut a.dapr().await, first).await.unwrap();
    assert!(matches!(broken.next().await, Some(Ok(Told::InitialResponse(_)))));
    publish(&a, "orders", &json!({"n": 1}));
    let event = broken.event().await;
    drop(broken);
    let mut next = Stream::of(&a, "orders").await;
    let again = next.event().await;
    assert_eq!(again.id, event.id);
    next.processed(&again.id, Made::Success).await;
    publish(&a, "dead", &json!({"n": 2}));
    assert_eq!(dead.event().await.data, r#"{"n":2}"#);
}

#[tokio::test]
async fn a_topic_that_the_app_may_not_have_is_refused() {
    let scoped = BROKER.replace("metadata: []", "metadata:\n  - name: subscriptionScopes\n    value: a=orders\n");
    let a = Sidecar::named("a").resource(&scoped).start().await;
    let mut dapr = a.dapr().await;
    let refused = refusal(&mut dapr, initial("broker", "secrets")).await;
    let words =
        "failed to create subscription for broker: subscription to topic 'secrets' on pubsub 'broker' is not allowed";
    assert_eq!((refused.code(), refused.message()), (Code::Unknown, words));
    Stream::of(&a, "orders").await;
}

#[tokio::test]
async fn the_api_lists_hold_for_streams() {
    let denied = "api:\n    denied:\n    - name: subscribe\n      version: v1alpha1\n      protocol: grpc\n";
    let a = Sidecar::named("a").resource(BROKER).configuration(denied).start().await;
    let refused = refusal(&mut a.dapr().await, initial("broker", "orders")).await;
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
    let allowed = "api:\n    allowed:\n    - name: publish\n      version: v1\n      protocol: grpc\n";
    let b = Sidecar::named("b").resource(BROKER).configuration(allowed).start().await;
    let refused = refusal(&mut b.dapr().await, initial("broker", "orders")).await;
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
}

#[tokio::test]
async fn streams_do_not_hold_up_the_end_of_a_sidecar() {
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let mut stream = Stream::of(&a, "orders").await;
    let (_silent, receiver) = mpsc::channel(1);
    let mut dapr = a.dapr().await;
    let waiting = testkit::spawn(async move {
        let stream = dapr.subscribe_topic_events_alpha1(ReceiverStream::new(receiver)).await?;
        stream.into_inner().next().await.unwrap_or_else(|| Err(Status::ok("ended")))
    });
    a.logged("Subscribing to pubsub 'broker' topic 'orders'").await;
    let ended = tokio::time::timeout(PATIENCE, a.stop()).await.expect("the sidecar ends in time");
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    while let Some(Ok(_)) = stream.next().await {}
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_reader_that_stops_holds_up_nobody_else() {
    ours_only!("the reference keeps every message in memory");
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let _stopped = Stream::of(&a, "large").await;
    let mut other = Stream::of(&a, "orders").await;
    let before = a.memory().resident;
    let large = Value::String("x".repeat(200_000));
    let mut refused = 0;
    for _ in 0..300 {
        let answer = a.post("/v1.0/publish/broker/large").json(&large).send();
        match tokio::time::timeout(Duration::from_millis(500), answer).await {
            Ok(answer) if answer.status == 204 => {}
            _ => refused += 1,
        }
        if refused > 2 {
            break;
        }
    }
    publish(&a, "orders", &json!({"n": 1}));
    let event = other.event().await;
    other.processed(&event.id, Made::Success).await;
    let grown = a.memory().resident.saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes more");
}
