//! SEC-13: whatever lies at a broker, a sidecar that subscribes lives on and its other messages flow. The messages are
//! published as they are (`rawPayload`), so that what a subscription takes for a cloud event is nothing of the kind.

mod corpus;
mod streams;

use std::time::{Duration, Instant};

use testkit::{App, AppBuilder, Arrived, Sidecar, variable};

/// The subscriptions of each app: plain, with routing rules, in bulk, raw, and with a dead-letter topic.
const TOPICS: [&str; 6] = ["plain", "routed", "bulk", "raw", "rawbulk", "lettered"];

/// How long a good message may take behind poison.
const FLOWS: Duration = Duration::from_secs(30);

pub(crate) fn subscriptions() -> String {
    // Rules that a good message can be held against, and few others.
    let rules = "    rules:\n    - match: event.type == \"odd\"\n      path: /odd\n    - match: event.data.size > 3 && \
                 event.subject.startsWith(\"a\")\n      path: /big\n    - match: has(event.expiration) && \
                 int(event.expiration) > 5\n      path: /late\n";
    let bulk = "  bulkSubscribe:\n    enabled: true\n    maxMessagesCount: 10\n    maxAwaitDurationMs: 50\n";
    let raw = "  metadata:\n    rawPayload: \"true\"\n";
    let subscription = |topic: &str, rules: &str, more: &str| {
        format!(
            "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata:\n  name: {topic}\nspec:\n  pubsubname: mail\n  \
             topic: {topic}\n  routes:\n    default: /{topic}\n{rules}{more}"
        )
    };
    [
        subscription("plain", "", ""),
        subscription("routed", rules, ""),
        subscription("bulk", "", bulk),
        subscription("raw", "", raw),
        subscription("rawbulk", "", &format!("{bulk}{raw}")),
        subscription("lettered", "", "  deadLetterTopic: dead\n"),
    ]
    .join("---\n")
}

const MEMORY: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: mail\nspec:\n  type: pubsub.in-memory\n  version: v1\n";

/// What an HTTP app answers to one message or to many: all handled.
pub(crate) async fn handled(arrived: Arrived) -> http::Response<testkit::BoxedBody> {
    let body = arrived.read().await.unwrap_or_default();
    let read: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let status = |entry: &serde_json::Value| serde_json::json!({"entryId": entry["entryId"], "status": "SUCCESS"});
    let answer = match read["entries"].as_array() {
        Some(entries) => serde_json::json!({"statuses": entries.iter().map(status).collect::<Vec<_>>()}),
        None => serde_json::json!({"status": "SUCCESS"}),
    };
    let response = http::Response::builder().header("content-type", "application/json");
    response.body(testkit::body_of(answer.to_string())).unwrap()
}

pub(crate) fn http_app() -> AppBuilder {
    let status = testkit::status;
    App::http().route("/dapr/subscribe", status(200, "[]")).route("/dapr/config", status(404, "")).otherwise(handled)
}

async fn publish(sidecar: &Sidecar, topic: &str, query: &str, content_type: &[u8], body: Vec<u8>) {
    let path = format!("/v1.0/publish/mail/{topic}?metadata.rawPayload=true{query}");
    let sent = sidecar.post(&path).header("content-type", content_type).body(body).try_send().await;
    // What is refused at the door is no poison any more, but an answer there must be.
    let answer = sent.unwrap_or_else(|error| panic!("no answer: {error}"));
    assert!(answer.status < 500 || answer.status == 500 && !answer.body.is_empty(), "{}", answer.everything());
}

/// Publishes a good message to each topic and waits until the app has it.
pub(crate) async fn good_ones_flow(sidecar: &mut Sidecar, app: &App, mark: &str, behind: &str) {
    let first = app.count();
    for topic in TOPICS {
        let path = format!("/v1.0/publish/mail/{topic}");
        let answer =
            sidecar.post(&path).json(&serde_json::json!({"mark": format!("{topic}-{mark}."), "size": 1})).send().await;
        assert_eq!(answer.status, 204, "{}", answer.everything());
    }
    come(sidecar, app, first, mark, behind).await;
}

async fn come(sidecar: &mut Sidecar, app: &App, first: usize, mark: &str, behind: &str) {
    let began = Instant::now();
    loop {
        let mut seen = app.since(first);
        // What is sent in bulk is sent together with poison.
        seen.retain(|request| request.body.len() < 1 << 20);
        let has = |topic: &str| {
            let (plain, encoded) = marks(topic, mark);
            let holds = |body: &[u8], mark: &[u8]| body.windows(mark.len()).any(|window| window == mark);
            seen.iter().any(|request| {
                holds(&request.body, &plain) || encoded.iter().any(|encoded| holds(&request.body, encoded))
            })
        };
        let missing: Vec<&str> = TOPICS.into_iter().filter(|topic| !has(topic)).collect();
        if missing.is_empty() {
            break;
        }
        let end = sidecar.logs();
        let end = end[end.len().saturating_sub(10)..].join("\n");
        assert!(sidecar.is_running(), "the sidecar ended after {behind}:\n{end}");
        assert!(began.elapsed() < FLOWS, "nothing flows to {missing:?} after {behind}:\n{end}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let panicked = sidecar.logs().into_iter().find(|line| line.contains("panicked") || line.contains("panic:"));
    assert_eq!(panicked, None, "after {behind}");
}

/// The mark as it is, and as it looks within base64 (which depends on where it begins).
fn marks(topic: &str, mark: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    use base64::Engine as _;
    let text = format!("{topic}-{mark}.");
    let engine = base64::engine::general_purpose::STANDARD;
    let encoded = (0..3).map(|shift| {
        let whole = engine.encode(format!("{}{text}", "x".repeat(shift)));
        let skip = [0, 2, 3][shift];
        let end = whole.trim_end_matches('=').len() - 2;
        whole.as_bytes()[skip..end].to_vec()
    });
    (text.clone().into_bytes(), encoded.collect())
}

/// How much one sidecar is sent: what it cannot read is tried again for ever, so that much more would only be slow.
const FOR_ONE: usize = 150;

async fn survives(name: &str, app: impl AsyncFn() -> App) {
    let generated = if variable("TRILBY_LONG").is_some() { 5_000 } else { 100 };
    let mut corpus = corpus::Corpus::for_test(name);
    let poisons: Vec<corpus::Poison> = corpus::known().into_iter().chain(corpus.generated(generated)).collect();
    for part in poisons.chunks(FOR_ONE) {
        one_survives(app().await, part).await;
    }
    println!("{name}: {} messages to each of {} topics", poisons.len(), TOPICS.len());
}

async fn one_survives(app: App, poisons: &[corpus::Poison]) {
    let sidecar = Sidecar::named("poisoned").app(&app).resource(MEMORY).resource(&subscriptions());
    let mut sidecar = sidecar.flag("--log-level=error").start().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    good_ones_flow(&mut sidecar, &app, "first", "the start").await;
    for (number, batch) in poisons.chunks(25).enumerate() {
        for poison in batch {
            for topic in TOPICS {
                publish(&sidecar, topic, &poison.query, &poison.content_type, poison.body.clone()).await;
            }
            assert!(sidecar.is_running(), "the sidecar ended after {}", poison.told());
        }
        let told: Vec<String> = batch.iter().map(corpus::Poison::told).collect();
        good_ones_flow(&mut sidecar, &app, &number.to_string(), &told.join("\n")).await;
    }
    let injected = app.everything().into_iter().find(|request| request.headers.contains_key("injected"));
    assert!(injected.is_none(), "a header was made of a message: {injected:?}");
}

#[tokio::test]
async fn a_sidecar_lives_on_and_others_flow_whatever_an_http_app_is_sent() {
    survives("poison for an HTTP app", async || http_app().start().await).await;
}

#[tokio::test]
async fn a_sidecar_lives_on_and_others_flow_whatever_a_grpc_app_is_sent() {
    survives("poison for a gRPC app", async || App::grpc().start().await).await;
}
