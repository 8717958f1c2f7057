//! Messages of topics on their way to the app: what it asks for, what it is sent, by which path, and what its answers mean.

use std::pin::Pin;

use http::Response;
use serde_json::{Value, json};
use testkit::{App, AppBuilder, Arrived, BoxedBody, Call, Recorded, Sidecar, body_of, ours_only, reply};

const BROKER: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: broker\nspec:\n  type: pubsub.in-memory\n  version: v1\n  metadata: []\n";

type Reading = Pin<Box<dyn Future<Output = Response<BoxedBody>> + Send>>;

/// Answers once the message was read.
fn reading(text: &'static str) -> impl Fn(Arrived) -> Reading + Send + Sync + 'static {
    move |arrived| {
        Box::pin(async move {
            arrived.read().await.unwrap();
            Response::new(body_of(text))
        })
    }
}

/// An app that asks for these topics and handles everything else.
fn asking(list: &'static str) -> AppBuilder {
    App::http().route("/dapr/subscribe", reply(list)).otherwise(reading(""))
}

/// Sends without waiting: the reference's broker in memory answers when the message was handled.
fn sent(call: Call) {
    let sent = call.try_send();
    testkit::spawn(async move { assert_eq!(sent.await.map(|answer| answer.status), Ok(204)) });
}

fn publish(sidecar: &Sidecar, topic: &str) -> Call {
    sidecar.post(&format!("/v1.0/publish/broker/{topic}"))
}

async fn saw(app: &App, path: &str) -> Recorded {
    app.saw(path, |seen| !seen.body.is_empty()).await
}

fn body(seen: &Recorded) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

#[tokio::test]
async fn a_message_reaches_the_path_that_the_app_named_with_token_and_metadata() {
    let app = asking(r#"[{"pubsubname":"broker","topic":"orders","route":"orders/new?kind=a"}]"#).start().await;
    let a = Sidecar::named("a").app(&app).resource(BROKER).variable("APP_API_TOKEN", "app-token").start().await;
    sent(publish(&a, "orders").json(&json!({"n": 1})));
    let seen = saw(&app, "/orders/new").await;
    assert_eq!((&*seen.method, &*seen.path), ("POST", "/orders/new?kind=a"));
    assert_eq!(seen.values("content-type"), ["application/cloudevents+json"]);
    assert_eq!(seen.values("dapr-api-token"), ["app-token"]);
    assert_eq!(seen.values("pubsubname"), ["broker"]);
    let event = body(&seen);
    assert_eq!(
        (&event["data"], &event["topic"], &event["pubsubname"]),
        (&json!({"n": 1}), &json!("orders"), &json!("broker"))
    );
    let asked = app.only("/dapr/subscribe");
    assert_eq!((&*asked.method, asked.values("dapr-api-token")), ("GET", vec!["app-token".to_owned()]));
}

#[tokio::test]
async fn the_first_rule_that_matches_chooses_the_path() {
    let app = asking(
        r#"[{"pubsubname":"broker","topic":"orders","routes":{"rules":[
            {"match":"event.type == 'a'","path":"/type"},
            {"match":"has(event.data.count) && event.data.count == 3","path":"/three"},
            {"match":"has(event.data.count) && event.data.count > 10","path":"/many"},
            {"match":"has(event.data.amount) && int(event.data.amount) % 2 == 1","path":"/odd"},
            {"match":"has(event.data.tags) && 'new' in event.data.tags","path":"/new"},
            {"match":"has(event.data.name) && event.data.name.matches('^[a-z]+$')","path":"/name"},
            {"match":"has(event.data.tags) && event.data.tags.exists(tag, tag.startsWith('o'))","path":"/old"},
            {"match":"has(event.data.any) && (event.data.missing == 1 || event.data.any == 1.0)","path":"/any"}],
            "default":"/default"}}]"#,
    )
    .start()
    .await;
    let a = Sidecar::named("a").app(&app).resource(BROKER).start().await;
    for (data, path) in [
        (json!({"count": 3}), "/three"),
        (json!({"count": 11.5}), "/many"),
        (json!({"amount": 5}), "/odd"),
        (json!({"tags": ["new", "old"]}), "/new"),
        (json!({"tags": ["old"]}), "/old"),
        (json!({"name": "abc"}), "/name"),
        (json!({"any": 1}), "/any"),
        (json!({"other": 1}), "/default"),
    ] {
        sent(publish(&a, "orders").json(&data));
        assert_eq!(body(&saw(&app, path).await)["data"], data, "{path}");
    }
    let typed = a.post("/v1.0/publish/broker/orders?metadata.cloudevent.type=a").json(&json!({}));
    sent(typed);
    assert_eq!(body(&saw(&app, "/type").await)["type"], "a");
    let paths = app.everything().into_iter().map(|seen| seen.path).filter(|path| !path.starts_with("/dapr/"));
    assert_eq!(paths.count(), 9);
}

#[tokio::test]
async fn what_the_app_drops_or_does_not_know_goes_to_the_dead_letter_topic() {
    let app = App::http()
        .route(
            "/dapr/subscribe",
            reply(
                r#"[{"pubsubname":"broker","topic":"drop","route":"/drop","deadLetterTopic":"dead"},
                    {"pubsubname":"broker","topic":"unknown","route":"/unknown","deadLetterTopic":"dead"},
                    {"pubsubname":"broker","topic":"dead","route":"/dead"}]"#,
            ),
        )
        .route("/drop", reading(r#"{"status":"DROP"}"#))
        .route("/dead", reading(""))
        .start()
        .await;
    let a = Sidecar::named("a").app(&app).resource(BROKER).start().await;
    for topic in ["drop", "unknown"] {
        sent(publish(&a, topic).json(&json!({"from": topic})));
        app.saw("/dead", |seen| String::from_utf8_lossy(&seen.body).contains(&format!("{{\"from\":\"{topic}\"}}")))
            .await;
    }
}

#[tokio::test]
async fn what_the_app_fails_on_comes_again() {
    ours_only!("the reference's broker in memory gives up what was not handled");
    let app = App::http()
        .route("/dapr/subscribe", reply(r#"[{"pubsubname":"broker","topic":"orders","route":"/orders"}]"#))
        .route("/orders", {
            let tries = std::sync::atomic::AtomicUsize::new(0);
            move |arrived: Arrived| {
                let status = if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 { 500 } else { 200 };
                async move {
                    arrived.read().await.unwrap();
                    Response::builder().status(status).body(body_of("")).unwrap()
                }
            }
        })
        .start()
        .await;
    let a = Sidecar::named("a").app(&app).resource(BROKER).start().await;
    sent(publish(&a, "orders").json(&json!({"n": 1})));
    app.saw("/orders", |_| app.requests("/orders").len() == 3).await;
    let ids: Vec<Value> = app.requests("/orders").iter().map(|seen| body(seen)["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_bulk_subscription_reaches_the_app_as_a_list() {
    let app = App::http()
        .route(
            "/dapr/subscribe",
            reply(
                r#"[{"pubsubname":"broker","topic":"orders","route":"/orders",
                    "bulkSubscribe":{"enabled":true,"maxMessagesCount":2,"maxAwaitDurationMs":2000}}]"#,
            ),
        )
        .route("/orders", |arrived: Arrived| async move {
            let read = arrived.read().await.unwrap();
            let list: Value = serde_json::from_slice(&read).unwrap();
            let entries = list["entries"].as_array().unwrap().iter();
            let statuses: Vec<Value> =
                entries.map(|entry| json!({"entryId": entry["entryId"], "status": "SUCCESS"})).collect();
            Response::new(body_of(json!({ "statuses": statuses }).to_string()))
        })
        .start()
        .await;
    let a = Sidecar::named("a").app(&app).resource(BROKER).start().await;
    for n in 0..2 {
        sent(publish(&a, "orders").json(&json!({"n": n})));
    }
    let seen = app.saw("/orders", |seen| seen.complete).await;
    assert_eq!(seen.values("content-type"), ["application/json"]);
    let list = body(&seen);
    assert_eq!((&list["topic"], &list["pubsubname"]), (&json!("orders"), &json!("broker")));
    assert_eq!(list["type"], "com.dapr.event.sent.bulk");
    assert_eq!(list["metadata"]["pubsubName"], "broker");
    let entries = list["entries"].as_array().unwrap();
    // The broker in memory hands out one message at a time.
    assert_eq!(entries.len(), 1, "{list}");
    assert_eq!(entries[0]["contentType"], "application/cloudevents+json");
    assert!(entries[0]["entryId"].is_string());
    assert_eq!(entries[0]["event"]["topic"], "orders");
}

#[tokio::test]
async fn a_poisoned_message_ends_nothing_and_others_are_delivered() {
    let app = asking(
        r#"[{"pubsubname":"broker","topic":"orders","routes":{"rules":[
        {"match":"event.data.a.b.c.d == 1","path":"/deep"}],"default":"/orders"}},
        {"pubsubname":"broker","topic":"others","route":"/others"}]"#,
    )
    .start()
    .await;
    let mut a = Sidecar::named("a").app(&app).resource(BROKER).start().await;
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    for poison in [
        r#"{"specversion":"1.0","id":1,"type":[],"source":{},"traceid":7,"data":{"a":1}}"#.to_owned(),
        r#"{"id":null,"data":null,"data_base64":"%"}"#.to_owned(),
        r#"{"specversion":"1.0","expiration":"never","traceparent":{"a":1},"data":1}"#.to_owned(),
        format!(r#"{{"specversion":"1.0","id":"x","data":{deep}}}"#),
    ] {
        let call = publish(&a, "orders").header("content-type", "application/cloudevents+json").body(poison);
        testkit::spawn(async move { drop(call.try_send().await) });
    }
    sent(publish(&a, "others").json(&json!({"n": 1})));
    saw(&app, "/others").await;
    assert!(a.is_running());
}
