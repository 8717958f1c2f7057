//! Messages for HTTP apps.

use std::pin::Pin;

use serde_json::{Value, json};
use service::Tasks;
use telemetry::SpanContext;
use testkit::{App, Arrived, BoxedBody};
use trilby_app::events::{Outcome, Recipient as _};
use trilby_app::{Channel, Health, Protocol};

use crate::delivered::{TOKEN, bulk, channel, event, kind, options, within};

/// Answers once the message was read.
fn reading(text: &'static str) -> impl Fn(Arrived) -> Reading + Send + Sync + 'static {
    move |arrived| {
        Box::pin(async move {
            arrived.read().await.unwrap();
            ::http::Response::new(testkit::body_of(text))
        })
    }
}

type Reading = Pin<Box<dyn Future<Output = ::http::Response<BoxedBody>> + Send>>;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_message_arrives_as_a_cloud_event_with_its_metadata_as_headers() {
    let app = App::http().route("/orders", reading("")).start().await;
    let channel = channel(app.port(), Protocol::Http);
    let metadata = [("Tenant", "blue"), ("content-length", "3"), ("dapr-api-token", "x"), ("a", "1\r\nb: 2")];
    let trace = SpanContext::from_traceparent(TRACE);
    let outcome = within(channel.topic_event(&event(&metadata), trace)).await;
    assert_eq!(outcome, Outcome::Success);
    let seen = app.only("/orders");
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.body, event(&[]).payload);
    assert_eq!(seen.values("content-type"), ["application/cloudevents+json"]);
    assert_eq!(seen.values("content-length"), [seen.body.len().to_string()]);
    assert_eq!(seen.values("tenant"), ["blue"]);
    assert_eq!(seen.values("pubsubname"), ["broker"]);
    assert_eq!(seen.values("dapr-api-token"), [TOKEN]);
    assert_eq!(seen.values("traceparent"), [TRACE]);
    assert!(seen.values("a").is_empty() && seen.values("b").is_empty());
}

#[tokio::test]
async fn every_answer_has_the_outcome_of_the_target() {
    for (code, body, expected) in [
        (200, "", ("success", None)),
        (204, "", ("success", None)),
        (200, "OK", ("success", None)),
        (200, "{}", ("success", None)),
        (200, r#"{"status":"SUCCESS"}"#, ("success", None)),
        (299, r#"{"status":""}"#, ("success", None)),
        (200, r#"{"status":"RETRY"}"#, ("retry", None)),
        (200, r#"{"status":"DROP"}"#, ("drop", None)),
        (200, r#"{"status":"retry"}"#, ("retry", None)),
        (200, r#"{"status":"WHAT"}"#, ("retry", None)),
        (200, r#"{"status":"RETRY""#, ("success", None)),
        (404, r#"{"status":"SUCCESS"}"#, ("drop", None)),
        (500, "", ("retry", Some(500))),
        (403, "no", ("retry", Some(403))),
        (302, "", ("retry", Some(302))),
    ] {
        let app = App::http().otherwise(testkit::status(code, body)).start().await;
        let outcome = within(channel(app.port(), Protocol::Http).topic_event(&event(&[]), None)).await;
        assert_eq!(kind(&outcome), expected, "{code} {body:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_comes_is_an_outcome_too() {
    let app = App::http().otherwise(testkit::abort_after(r#"{"status":"#)).start().await;
    let outcome = within(channel(app.port(), Protocol::Http).topic_event(&event(&[]), None)).await;
    assert_eq!(kind(&outcome), ("success", None));
    let gone = channel(testkit::free_port(), Protocol::Http);
    assert_eq!(kind(&within(gone.topic_event(&event(&[]), None)).await), ("undelivered", None));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let app = App::http()
        .otherwise(|_| async {
            let (sender, body) = testkit::channel_body();
            testkit::spawn(async move {
                let begin = bytes::Bytes::from_static(br#"{"status":"RETRY","why":""#);
                let mut next = begin;
                while sender.send(Ok(next)).await.is_ok() {
                    next = bytes::Bytes::from(vec![b'a'; 64 << 10]);
                }
            });
            ::http::Response::new(body)
        })
        .start()
        .await;
    let channel = channel(app.port(), Protocol::Http);
    assert_eq!(kind(&within(channel.topic_event(&event(&[]), None)).await), ("retry", None));
    let outcomes = within(channel.bulk_topic_event(&bulk(), None)).await;
    assert!(outcomes.iter().all(|outcome| kind(outcome) == ("retry", None)), "{outcomes:?}");
}

#[tokio::test]
async fn many_messages_arrive_as_one_list_and_each_gets_its_outcome() {
    let answer = r#"{"statuses":[{"entryId":"a","status":"DROP"},{"entryId":"zzz","status":"SUCCESS"}]}"#;
    let app = App::http().route("/orders", reading(answer)).start().await;
    let outcomes = within(channel(app.port(), Protocol::Http).bulk_topic_event(&bulk(), None)).await;
    assert_eq!(outcomes.iter().map(kind).collect::<Vec<_>>(), [("drop", None), ("retry", None)]);
    let seen = app.only("/orders");
    assert_eq!(seen.values("content-type"), ["application/json"]);
    assert_eq!(seen.values("tenant"), ["red"]);
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let expected = json!({
        "id": "call", "topic": "orders", "pubsubname": "broker", "type": "com.dapr.event.sent.bulk",
        "metadata": { "pubsubName": "broker", "tenant": "red" },
        "entries": [
            { "entryId": "a", "event": crate::delivered::cloud_event(), "metadata": { "tenant": "blue" },
              "contentType": "application/cloudevents+json" },
            { "entryId": "b", "event": "AP8=", "metadata": { "tenant": "blue" },
              "contentType": "application/octet-stream" },
        ],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_bulk_answer_decides_for_all_where_it_is_not_a_good_list() {
    for (code, body, expected) in [
        (200, "", ("retry", None)),
        (200, "{}", ("retry", None)),
        (200, "[]", ("retry", None)),
        (404, "", ("drop", None)),
        (503, "", ("retry", Some(503))),
    ] {
        let app = App::http().otherwise(testkit::status(code, body)).start().await;
        let outcomes = within(channel(app.port(), Protocol::Http).bulk_topic_event(&bulk(), None)).await;
        assert_eq!(outcomes.iter().map(kind).collect::<Vec<_>>(), [expected, expected], "{code} {body:?}");
    }
}

#[tokio::test]
async fn no_more_messages_are_with_the_app_than_it_takes_at_a_time() {
    let answer = testkit::sleep_then(std::time::Duration::from_millis(50), "");
    let app = App::http().route("/orders", answer).start().await;
    let mut options = options(app.port(), Protocol::Http);
    options.max_concurrency = Some(1);
    let channel = Channel::new(options, Health::always(), &Tasks::new()).unwrap();
    let event = event(&[]);
    let both = async { tokio::join!(channel.topic_event(&event, None), channel.topic_event(&event, None)) };
    let watch = async {
        let mut most = 0;
        loop {
            most = most.max(app.requests("/orders").iter().filter(|request| request.open).count());
            if app.requests("/orders").len() == 2 {
                return most;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let (outcomes, most) = within(async { tokio::join!(both, watch) }).await;
    assert_eq!(outcomes, (Outcome::Success, Outcome::Success));
    assert_eq!(most, 1);
}

#[tokio::test]
async fn an_app_that_is_not_well_gets_nothing() {
    let app = App::http().route("/orders", testkit::reply("")).start().await;
    let channel = Channel::new(options(app.port(), Protocol::Http), Health::probed(), &Tasks::new()).unwrap();
    assert_eq!(kind(&within(channel.topic_event(&event(&[]), None)).await), ("undelivered", None));
    let outcomes = within(channel.bulk_topic_event(&bulk(), None)).await;
    assert_eq!(outcomes.len(), 2);
    assert!(app.everything().is_empty());
}
