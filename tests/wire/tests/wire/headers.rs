//! Headers on their way through two sidecars: repeated ones, hop-by-hop ones, and what sidecars add.

use http::Response;
use testkit::{App, Arrived, body_of, ours_only, reply};

use crate::pair;

#[tokio::test]
async fn repeated_request_headers_arrive_in_their_order() {
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    b.invoke("a", "x").header("x-many", "1").header("x-many", "2").header("x-many", "3").send().await;
    assert_eq!(app.only("/x").values("x-many"), ["1", "2", "3"]);
}

#[tokio::test]
async fn repeated_answer_headers_arrive_in_their_order() {
    let cookies = |_: Arrived| async {
        let response = Response::builder().header("set-cookie", "a=1").header("set-cookie", "b=2");
        response.header("x-own", "ü is not ASCII").body(body_of("")).unwrap()
    };
    let app = App::http().route("/x", cookies).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.invoke("a", "x").send().await;
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.values("x-own"), ["ü is not ASCII"]);
}

#[tokio::test]
async fn hop_by_hop_request_headers_stop_at_the_sidecar() {
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    b.invoke("a", "x")
        .header("connection", "keep-alive, x-nominated")
        .header("x-nominated", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("proxy-authorization", "Basic secret")
        .header("te", "trailers")
        .header("upgrade", "nothing/1")
        .header("x-stays", "1")
        .send()
        .await;
    let seen = app.only("/x");
    for name in
        ["x-nominated", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade", "http2-settings"]
    {
        assert_eq!(seen.values(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(seen.values("x-stays"), ["1"]);
}

#[tokio::test]
async fn hop_by_hop_answer_headers_stop_at_the_sidecar() {
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close, x-nominated\r\nX-Nominated: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Authenticate: Basic\r\nUpgrade: nothing/1\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok";
    let app = App::answering_bytes(answer.to_vec()).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.invoke("a", "x").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    for name in ["keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(answer.values(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(answer.values("x-stays"), ["1"]);
    ours_only!("the reference passes the headers that an answer's Connection names");
    assert_eq!(answer.values("x-nominated"), Vec::<String>::new());
}

#[tokio::test]
async fn the_way_of_a_call_is_told_to_the_app() {
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    b.invoke("a", "x").send().await;
    let seen = app.only("/x");
    assert_eq!(seen.values("dapr-caller-app-id"), ["b"]);
    assert_eq!(seen.values("dapr-callee-app-id"), ["a"]);
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("forwarded").len(), 1);
    assert_eq!(seen.values("x-forwarded-host").len(), 1);
    assert_eq!(seen.values("destination-app-id"), Vec::<String>::new());
}

#[tokio::test]
async fn trace_context_and_baggage_are_carried() {
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    b.invoke("a", "x")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("tracestate", "vendor=1")
        .header("baggage", "user=7")
        .send()
        .await;
    let seen = app.only("/x");
    let parent = seen.values("traceparent");
    assert!(parent[0].starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{parent:?}");
    assert_eq!(seen.values("tracestate"), ["vendor=1"]);
    assert_eq!(seen.values("baggage"), ["user=7"]);
}

#[tokio::test]
async fn the_content_type_passes_and_an_absent_one_is_filled_in_as_json() {
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    b.invoke("a", "x").header("content-type", "text/x-own; charset=utf-8").body("x").send().await;
    assert_eq!(app.only("/x").values("content-type"), ["text/x-own; charset=utf-8"]);
}

#[tokio::test]
async fn a_redirect_of_the_app_is_handed_to_the_caller() {
    let elsewhere =
        |_: Arrived| async { Response::builder().status(307).header("location", "/other").body(body_of("")).unwrap() };
    let app = App::http().route("/x", elsewhere).route("/other", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.invoke("a", "x").send().await;
    assert_eq!((answer.status, answer.values("location")), (307, vec!["/other".to_owned()]));
    assert!(app.requests("/other").is_empty());
}
