//! Cross-origin requests: off unless asked for (SEC-18).

use testkit::Sidecar;

const ALLOW: &str = "access-control-allow-origin";

#[tokio::test]
async fn by_default_no_origin_is_allowed() {
    let a = Sidecar::named("a").start().await;
    let answer = a.get("/v1.0/metadata").header("origin", "http://evil.example").send().await;
    assert_eq!((answer.status, answer.values(ALLOW)), (200, Vec::new()));
    let preflight = a
        .request("OPTIONS", "/v1.0/metadata")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "GET")
        .send()
        .await;
    assert_eq!(preflight.values(ALLOW), Vec::<String>::new());
}

#[tokio::test]
async fn only_the_origins_that_were_named_are_allowed() {
    let a = Sidecar::named("a").flag("--allowed-origins=http://good.example").start().await;
    let answer = a.get("/v1.0/metadata").header("origin", "http://good.example").send().await;
    assert_eq!(answer.values(ALLOW), ["http://good.example"]);
    for origin in ["http://evil.example", "http://good.example.evil.example", "https://good.example", "null"] {
        let answer = a.get("/v1.0/metadata").header("origin", origin).send().await;
        assert_eq!(answer.values(ALLOW), Vec::<String>::new(), "{origin}");
    }
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_opens_nothing() {
    let a = Sidecar::named("a")
        .flag("--allowed-origins=http://good.example")
        .variable("DAPR_API_TOKEN", "right")
        .start()
        .await;
    let preflight = a
        .request("OPTIONS", "/v1.0/state/store/key")
        .header("origin", "http://good.example")
        .header("access-control-request-method", "GET")
        .send()
        .await;
    assert!(preflight.status < 300, "{preflight:?}");
    assert_eq!(preflight.values(ALLOW), ["http://good.example"]);
    let answer = a.get("/v1.0/metadata").header("origin", "http://good.example").send().await;
    assert_eq!(answer.status, 401);
}
