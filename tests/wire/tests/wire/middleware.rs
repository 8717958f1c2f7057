//! HTTP middlewares in front of the API and of the app: order, streaming, and every way in which they fail closed (SEC-15).

mod bearer;
mod oauth2;

use std::time::Duration;

use serde_json::json;
use testkit::{App, Sidecar, chunks, echo, ours_only, path_echo, reply};

/// A component resource of a middleware; `metadata` are lines such as `name: value`.
pub(crate) fn component(name: &str, kind: &str, metadata: &[(&str, &str)]) -> String {
    let items: String =
        metadata.iter().map(|(name, value)| format!("    - name: {name}\n      value: {}\n", json!(value))).collect();
    let metadata = if items.is_empty() { String::new() } else { format!("  metadata:\n{items}") };
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: middleware.http.{kind}\n  version: v1\n{metadata}"
    )
}

/// The spec of a Configuration with one pipeline of these (name, type).
pub(crate) fn pipeline(which: &str, handlers: &[(&str, &str)]) -> String {
    let list: String = handlers
        .iter()
        .map(|(name, kind)| format!("    - name: {name}\n      type: middleware.http.{kind}\n"))
        .collect();
    format!("{which}:\n  handlers:\n{list}")
}

#[tokio::test]
async fn an_alias_leads_to_any_api_and_its_variables_are_parameters() {
    ours_only!("there an alias leads to service invocation only");
    let app = App::http().otherwise(path_echo()).start().await;
    let routes = json!({
        "/hello": "/v1.0/invoke/a/method/greet",
        "/item/{id}/info": "/v1.0/invoke/a/method/items",
        "/stored": "/v1.0/state/store/key",
    });
    let a = Sidecar::named("a")
        .app(&app)
        .memory_store("store")
        .configuration(&pipeline("httpPipeline", &[("alias", "routeralias")]))
        .resource(&component("alias", "routeralias", &[("routes", &routes.to_string())]))
        .start()
        .await;
    assert_eq!(a.get("/hello?x=1").send().await.text(), "GET /greet?x=1");
    assert_eq!(a.get("/item/7%208/info").send().await.text(), "GET /items?id=7+8");
    a.post("/v1.0/state/store").json(&json!([{"key": "key", "value": 5}])).send().await;
    assert_eq!(a.get("/stored").send().await.json(), json!(5));
    assert_eq!(a.get("/nowhere").send().await.status, 404);
}

#[tokio::test]
async fn a_rule_is_held_against_path_and_query_as_they_are_written() {
    let app = App::http().otherwise(reply("passed")).start().await;
    let a = Sidecar::named("a")
        .app(&app)
        .configuration(&pipeline("httpPipeline", &[("rule", "routerchecker")]))
        .resource(&component("rule", "routerchecker", &[("rule", "^[A-Za-z0-9/._-]+$")]))
        .start()
        .await;
    assert_eq!(a.invoke("a", "x").send().await.text(), "passed");
    for path in ["/v1.0/invoke/a/method/x?y=1", "/v1.0/invoke/a/method/%78", "/v1.0/state/a|b"] {
        let answer = a.get(path).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (400, "invalid router"), "{path}");
    }
    assert_eq!(app.everything().iter().filter(|seen| seen.path.starts_with("/x")).count(), 1);
}

#[tokio::test]
async fn requests_above_the_rate_are_refused_for_each_client_on_its_own() {
    let app = App::http().otherwise(reply("passed")).start().await;
    let a = Sidecar::named("a")
        .app(&app)
        .configuration(&pipeline("httpPipeline", &[("rate", "ratelimit")]))
        .resource(&component("rate", "ratelimit", &[("maxRequestsPerSecond", "2")]))
        .start()
        .await;
    let mut refused = 0;
    for _ in 0..12 {
        let answer = a.invoke("a", "x").send().await;
        assert_eq!(answer.values("x-rate-limit-limit"), ["2.00"]);
        assert_eq!(answer.values("ratelimit-limit"), ["2"]);
        if answer.status == 429 {
            assert_eq!(answer.text(), "You have reached maximum request limit.");
            refused += 1;
        }
    }
    assert!(refused > 0, "12 requests in a moment, 2 a second allowed");
    let other = a.invoke("a", "x").header("x-forwarded-for", "203.0.113.9").send().await;
    assert_eq!((other.status, other.text().as_str()), (200, "passed"));
    assert_eq!(other.values("x-rate-limit-request-forwarded-for"), ["203.0.113.9"]);
}

#[tokio::test]
async fn bodies_stream_through_both_pipelines() {
    let app = App::http()
        .route("/events", chunks("text/event-stream", &["data: one\n\n", "data: two\n\n"], Duration::from_millis(300)))
        .otherwise(echo())
        .start()
        .await;
    let both = pipeline("httpPipeline", &[("up", "uppercase"), ("rate", "ratelimit")])
        + &pipeline("appHttpPipeline", &[("rate", "ratelimit")]);
    let a = Sidecar::named("a")
        .app(&app)
        .configuration(&both)
        .resource(&component("up", "uppercase", &[]))
        .resource(&component("rate", "ratelimit", &[]))
        .start()
        .await;
    let (sender, body) = testkit::channel_body();
    let call = a.invoke("a", "echo").stream(body);
    sender.send(Ok("first ".into())).await.unwrap();
    let mut opened = call.open().await;
    assert_eq!(opened.until("FIRST ").await, "FIRST ");
    sender.send(Ok("zweiß".into())).await.unwrap();
    drop(sender);
    assert_eq!(opened.finish().await.unwrap().text(), "ZWEIß");
    let mut events = a.get("/v1.0/invoke/a/method/events").header("accept", "text/event-stream").open().await;
    let first = events.until("one").await;
    assert!(!first.contains("two"), "{first}");
    events.until("two").await;
}

#[tokio::test]
async fn a_guard_that_is_missing_stops_all_but_health() {
    ours_only!("there requests pass without the middleware");
    let app = App::http().otherwise(reply("passed")).start().await;
    let a =
        Sidecar::named("a").app(&app).configuration(&pipeline("httpPipeline", &[("login", "bearer")])).start().await;
    for call in [a.invoke("a", "x"), a.get("/v1.0/metadata"), a.post("/v1.0/healthz"), a.get("/nowhere")] {
        let answer = call.send().await;
        assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_MIDDLEWARE_NOT_LOADED"));
        assert!(answer.text().contains("login (middleware.http.bearer)"), "{}", answer.text());
    }
    assert_eq!(a.get("/v1.0/healthz").send().await.status, 204);
    assert!(app.requests("/x").is_empty());
    a.logged("the middleware login (middleware.http.bearer) is not loaded").await;
}

#[tokio::test]
async fn a_guard_of_the_app_that_is_missing_stops_its_calls() {
    ours_only!("there requests pass without the middleware");
    let app = App::http().otherwise(reply("passed")).start().await;
    let a =
        Sidecar::named("a").app(&app).configuration(&pipeline("appHttpPipeline", &[("login", "bearer")])).start().await;
    let b = Sidecar::named("b").start().await;
    for sidecar in [&a, &b] {
        let answer = sidecar.invoke("a", "x").send().await;
        assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_MIDDLEWARE_NOT_LOADED"));
    }
    assert!(app.requests("/x").is_empty());
}

#[tokio::test]
async fn a_guard_that_cannot_start_stops_the_sidecar_and_with_ignored_errors_what_it_guards() {
    let broken = component("rule", "routerchecker", &[("rule", "(")]);
    let spec = pipeline("httpPipeline", &[("rule", "routerchecker")]);
    let ended = Sidecar::named("a").configuration(&spec).resource(&broken).start_failing().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.output.contains("rule (middleware.http.routerchecker/v1)"), "{}", ended.output);
    ours_only!("there requests pass without the middleware");
    let ignored = broken.replace("  version: v1\n", "  version: v1\n  ignoreErrors: true\n");
    let a = Sidecar::named("a").configuration(&spec).resource(&ignored).start().await;
    assert_eq!(a.get("/v1.0/metadata").send().await.error_code(), "ERR_MIDDLEWARE_NOT_LOADED");
}

#[tokio::test]
async fn the_public_port_and_grpc_have_no_pipeline() {
    let a = Sidecar::named("a")
        .public()
        .memory_store("store")
        .configuration(&pipeline("httpPipeline", &[("rule", "routerchecker")]))
        .resource(&component("rule", "routerchecker", &[("rule", "^/v1.0/healthz$")]))
        .start()
        .await;
    assert_eq!(a.get("/v1.0/metadata").send().await.status, 400);
    assert_eq!(testkit::Call::to(a.public_port(), "GET", "/v1.0/metadata").send().await.status, 200);
    a.dapr().await.get_metadata(wire::runtime::GetMetadataRequest {}).await.unwrap();
}
