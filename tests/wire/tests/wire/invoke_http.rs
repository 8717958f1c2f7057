//! Service invocation over HTTP: how the target is named, and what comes back.

use std::time::Duration;

use testkit::{App, Certificates, Sidecar, chunks, echo, ours_only, path_echo, reply, sleep_then, status};

use crate::pair;

#[tokio::test]
async fn a_call_goes_through_two_sidecars_and_back() {
    let app = App::http().route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.invoke("a", "echo").header("content-type", "text/x-test").body("hello").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.values("content-type"), ["text/x-test"]);
}

#[tokio::test]
async fn an_app_calls_itself_through_its_own_sidecar() {
    let app = App::http().route("/echo", echo()).start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    assert_eq!(a.invoke("a", "echo").body("x").send().await.text(), "x");
}

#[tokio::test]
async fn every_verb_arrives_as_it_was_sent() {
    let app = App::http().otherwise(path_echo()).start().await;
    let (_a, b) = pair(&app).await;
    for verb in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = b.request(verb, "/v1.0/invoke/a/method/verb").send().await;
        assert_eq!((answer.status, answer.text()), (200, format!("{verb} /verb")));
    }
    let answer = b.request("HEAD", "/v1.0/invoke/a/method/verb").send().await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn path_and_query_arrive_as_they_were_sent() {
    let app = App::http().otherwise(path_echo()).start().await;
    let (_a, b) = pair(&app).await;
    for (asked, seen) in [
        ("a/b/c", "GET /a/b/c"),
        ("a?x=1&y=%20z&x=2", "GET /a?x=1&y=%20z&x=2"),
        ("with%20space", "GET /with%20space"),
        ("b%C3%BCcher", "GET /b%C3%BCcher"),
        ("a?path=/../b%2F", "GET /a?path=/../b%2F"),
    ] {
        let answer = b.get(&format!("/v1.0/invoke/a/method/{asked}")).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, seen), "{asked}");
    }
}

#[tokio::test]
async fn the_target_is_named_by_a_header() {
    let app = App::http().otherwise(path_echo()).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.get("/orders/1?x=y").header("dapr-app-id", "a").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "GET /orders/1?x=y"));
    assert_eq!(app.only("/orders/1").values("dapr-app-id"), Vec::<String>::new());
}

#[tokio::test]
async fn the_target_is_named_by_basic_authentication() {
    let app = App::http().otherwise(path_echo()).start().await;
    let (_a, b) = pair(&app).await;
    // "dapr-app-id:a"
    let answer = b.get("/orders/1").header("authorization", "Basic ZGFwci1hcHAtaWQ6YQ==").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "GET /orders/1"));
}

#[tokio::test]
async fn a_request_that_names_no_app_is_answered_404() {
    let b = Sidecar::named("b").start().await;
    let answer = b.get("/orders/1").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, "ERR_DIRECT_INVOKE"));
}

#[tokio::test]
async fn an_app_that_nobody_knows_is_an_error_with_a_code() {
    let b = Sidecar::named("b").start().await;
    let answer = b.invoke("nobody", "x").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_DIRECT_INVOKE"));
}

#[tokio::test]
async fn an_app_that_appears_later_is_found() {
    let b = Sidecar::named("b").start().await;
    assert_eq!(b.invoke("a", "x").send().await.status, 500);
    let app = App::http().route("/x", reply("now")).start().await;
    let _a = Sidecar::named("a").app(&app).start().await;
    assert_eq!(b.invoke("a", "x").send().await.text(), "now");
}

#[tokio::test]
async fn an_app_that_comes_back_elsewhere_is_found_again() {
    let app = App::http().route("/x", reply("first")).start().await;
    let (a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "x").send().await.text(), "first");
    a.stop().await;
    let app = App::http().route("/x", reply("second")).start().await;
    let _a = Sidecar::named("a").app(&app).start().await;
    for _ in 0..100 {
        let answer = b.invoke("a", "x").send().await;
        if answer.status == 200 {
            return assert_eq!(answer.text(), "second");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the new place was never found");
}

#[tokio::test]
async fn status_codes_and_bodies_of_the_app_pass_unchanged() {
    let app = App::http()
        .route("/201", status(201, "made"))
        .route("/204", status(204, ""))
        .route("/302", status(302, "elsewhere"))
        .route("/400", status(400, "your fault"))
        .route("/404", status(404, "not here"))
        .route("/418", status(418, "a teapot"))
        .route("/500", status(500, "my fault"))
        .route("/503", status(503, "later"))
        .start()
        .await;
    let (_a, b) = pair(&app).await;
    for (code, text) in [
        (201, "made"),
        (204, ""),
        (302, "elsewhere"),
        (400, "your fault"),
        (404, "not here"),
        (418, "a teapot"),
        (500, "my fault"),
        (503, "later"),
    ] {
        let answer = b.invoke("a", &code.to_string()).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (code, text));
    }
}

#[tokio::test]
async fn a_failing_call_is_not_sent_twice() {
    let app = App::http().route("/500", status(500, "my fault")).start().await;
    let (_a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "500").body("x").send().await.status, 500);
    assert_eq!(app.requests("/500").len(), 1);
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_same_port() {
    let app = App::http().route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "echo").http2().body("x").send().await.text(), "x");
}

#[tokio::test]
async fn apps_may_speak_http2_without_tls() {
    let app = App::h2c().route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "echo").body("x").send().await.text(), "x");
}

#[tokio::test]
async fn apps_may_speak_tls() {
    let app = App::https(&Certificates::new()).route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "echo").body("x").send().await.text(), "x");
}

#[tokio::test]
async fn many_calls_at_once_all_come_back_to_their_callers() {
    let app = App::http().route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100 {
        let call = b.invoke("a", "echo").body(number.to_string());
        calls.spawn(async move { (number, call.send().await) });
    }
    while let Some(ended) = calls.join_next().await {
        let (number, answer) = ended.unwrap();
        assert_eq!(answer.text(), number.to_string());
    }
}

#[tokio::test]
async fn a_slow_call_does_not_hold_up_others() {
    let app = App::http()
        .route("/slow", sleep_then(Duration::from_secs(60), "late"))
        .route("/quick", reply("soon"))
        .start()
        .await;
    let (_a, b) = pair(&app).await;
    let slow = testkit::spawn(b.invoke("a", "slow").try_send());
    app.saw("/slow", |request| request.open).await;
    assert_eq!(b.invoke("a", "quick").send().await.text(), "soon");
    slow.abort();
}

#[tokio::test]
async fn a_caller_that_hangs_up_ends_the_call_of_the_app() {
    ours_only!("the reference lets the app finish a POST that nobody waits for");
    let app = App::http().route("/slow", sleep_then(Duration::from_secs(60), "late")).start().await;
    let (_a, b) = pair(&app).await;
    let slow = testkit::spawn(b.invoke("a", "slow").try_send());
    app.saw("/slow", |request| request.open).await;
    slow.abort();
    app.saw("/slow", |request| !request.open).await;
}

#[tokio::test]
async fn a_sidecar_without_an_app_says_that_it_has_none() {
    let (_a, b) = tokio::join!(Sidecar::named("a").start(), Sidecar::named("b").start());
    let answer = b.invoke("a", "x").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_DIRECT_INVOKE"));
    assert!(answer.text().contains("app channel is not initialized"), "{}", answer.text());
}

#[tokio::test]
async fn an_app_that_is_gone_is_an_error_and_its_return_is_seen() {
    let app = App::http().route("/x", reply("first")).start().await;
    let (_a, b) = pair(&app).await;
    let port = app.port();
    assert_eq!(b.invoke("a", "x").send().await.text(), "first");
    drop(app);
    for _ in 0..100 {
        if b.invoke("a", "x").send().await.status == 500 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(b.invoke("a", "x").send().await.status, 500);
    let _app = App::http().route("/x", reply("second")).start_on(port).await;
    assert_eq!(b.invoke("a", "x").send().await.text(), "second");
}

#[tokio::test]
async fn sidecars_find_each_other_by_multicast() {
    let app = App::http().route("/stream", chunks("text/plain", &["a", "b"], Duration::ZERO)).start().await;
    let id = testkit::unique("multicast");
    let callee = Sidecar::named(&id).app(&app).multicast().start().await;
    let caller = Sidecar::named("b").multicast().start().await;
    let answer = caller.invoke(&id, "stream").send().await;
    if answer.status == 500 && std::env::args().all(|argument| argument != "--require-multicast") {
        testkit::skip("finding each other", &format!("this host passes no multicast: {}", answer.text()));
        return;
    }
    assert_eq!(answer.text(), "ab");
    drop(callee);
}
