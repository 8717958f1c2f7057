//! The API token guards every API of a sidecar but its health (SEC-02), and no token goes where it does not belong
//! (SEC-03).

use testkit::{App, Call, Note, NotesClient, RawHttp1, Sidecar, echo, ours_only, reply};
use tonic::{Code, Request};
use wire::Any;
use wire::common::InvokeRequest;
use wire::runtime::{GetMetadataRequest, InvokeServiceRequest};

async fn guarded() -> Sidecar {
    Sidecar::named("a").variable("DAPR_API_TOKEN", "right").memory_store("store").public().start().await
}

async fn raw_status(sidecar: &Sidecar, method: &str, target: &str, headers: &str) -> String {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
    let answer = RawHttp1::exchange(sidecar.http_port(), request).await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn without_the_token_every_api_answers_401() {
    let a = guarded().await;
    for (method, target) in [
        ("GET", "/v1.0/metadata"),
        ("GET", "/v1.0/state/store/key"),
        ("POST", "/v1.0/state/store"),
        ("POST", "/v1.0/invoke/x/method/healthz"),
        ("GET", "/v1.0/invoke/x/method/v1.0/healthz"),
        ("GET", "/v1.0/state/store/key?a=/healthz"),
        ("GET", "/v1.0/state/store/key?a=/v1.0/healthz"),
        ("GET", "/v1.0/state/store/healthz"),
        ("POST", "/v1.0/healthz"),
        ("DELETE", "/v1.0/healthz"),
        ("GET", "/v1.0/healthz/../state/store/key"),
        ("GET", "/v1.0/healthz/%2e%2e/state/store/key"),
        ("GET", "/v1.0/healthz%2f..%2fstate/store/key"),
        ("GET", "/V1.0/healthz"),
        ("GET", "/v1.0/healthzz"),
        ("GET", "/anything"),
        ("POST", "/v1.0/shutdown"),
    ] {
        assert_eq!(raw_status(&a, method, target, "").await, "401", "{method} {target}");
    }
    assert_eq!(a.get("/v1.0/metadata").send().await.text(), "invalid api token\n");
}

#[tokio::test]
async fn health_needs_no_token() {
    let a = guarded().await;
    assert_eq!(raw_status(&a, "GET", "/v1.0/healthz", "").await, "204");
    assert_eq!(raw_status(&a, "GET", "/v1.0/healthz/outbound", "").await, "204");
    assert_eq!(Call::to(a.public_port(), "GET", "/v1.0/metadata").send().await.status, 200);
}

#[tokio::test]
async fn the_right_token_opens_the_api() {
    let a = guarded().await;
    assert_eq!(a.get("/v1.0/metadata").header("dapr-api-token", "right").send().await.status, 200);
    assert_eq!(a.get("/v1.0/metadata").header("DAPR-API-TOKEN", "right").http2().send().await.status, 200);
}

#[tokio::test]
async fn wrong_empty_and_longer_tokens_are_refused() {
    let a = guarded().await;
    for token in ["wrong", "", "right ", "Right", "rightright", "righ", "right,right"] {
        let header = format!("dapr-api-token: {token}x\r\n").replace("x\r", "\r");
        let expected = if token.trim() == "right" { "200" } else { "401" };
        assert_eq!(raw_status(&a, "GET", "/v1.0/metadata", &header).await, expected, "{token:?}");
    }
}

#[tokio::test]
async fn a_repeated_token_is_refused() {
    ours_only!("the reference takes the first of several");
    let a = guarded().await;
    for tokens in [["right", "wrong"], ["wrong", "right"], ["right", "right"]] {
        let headers = format!("dapr-api-token: {}\r\ndapr-api-token: {}\r\n", tokens[0], tokens[1]);
        assert_eq!(raw_status(&a, "GET", "/v1.0/metadata", &headers).await, "401", "{tokens:?}");
    }
}

#[tokio::test]
async fn grpc_needs_the_token_too() {
    let a = guarded().await;
    let mut dapr = a.dapr().await;
    let error = dapr.get_metadata(GetMetadataRequest {}).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "Unauthorized"));
    let mut request = Request::new(GetMetadataRequest {});
    request.metadata_mut().insert("dapr-api-token", "wrong".parse().unwrap());
    assert_eq!(dapr.get_metadata(request).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = Request::new(GetMetadataRequest {});
    request.metadata_mut().insert("dapr-api-token", "right".parse().unwrap());
    dapr.get_metadata(request).await.unwrap();
}

#[tokio::test]
async fn proxied_calls_need_the_token_too() {
    let app = App::grpc().start().await;
    let a = Sidecar::named("a").app(&app).variable("DAPR_API_TOKEN", "right").start().await;
    let mut client = NotesClient::new(a.channel().await, "a");
    let error = client.one(Request::new(Note::default())).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "Unauthorized"));
    assert!(app.requests("/testkit.Notes/One").is_empty());
}

const A_API: &str = "canary-a-api";
const A_APP: &str = "canary-a-app";
const B_API: &str = "canary-b-api";
const B_APP: &str = "canary-b-app";

/// A sidecar `a` with `app`, a sidecar `b` with an app of its own, tokens set everywhere, and everything logged.
async fn with_canaries(app: &App, own: &App, endpoint: &App) -> (Sidecar, Sidecar) {
    let resource = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata:\n  name: outside\nspec:\n  baseUrl: {}\n",
        endpoint.url()
    );
    tokio::join!(
        Sidecar::named("a")
            .app(app)
            .variable("DAPR_API_TOKEN", A_API)
            .variable("APP_API_TOKEN", A_APP)
            .flag("--log-level=debug")
            .flag("--enable-api-logging=true")
            .public()
            .start(),
        Sidecar::named("b")
            .app(own)
            .variable("DAPR_API_TOKEN", B_API)
            .variable("APP_API_TOKEN", B_APP)
            .flag("--log-level=debug")
            .flag("--enable-api-logging=true")
            .resource(&resource)
            .start()
    )
}

fn assert_clean(what: &str, text: &str, allowed: Option<&str>) {
    for canary in [A_API, A_APP, B_API, B_APP] {
        if allowed != Some(canary) {
            assert!(!text.contains(canary), "{canary} in {what}: {text}");
        }
    }
}

async fn assert_no_leaks(a: &Sidecar, b: &Sidecar) {
    for (sidecar, token) in [(a, A_API), (b, B_API)] {
        assert_clean("the log", &sidecar.logs().join("\n"), None);
        let metadata = sidecar.get("/v1.0/metadata").header("dapr-api-token", token).send().await;
        assert_eq!(metadata.status, 200);
        assert_clean("the metadata", &metadata.everything(), None);
        assert_clean("the metrics", &sidecar.metrics().await, None);
    }
    let public = Call::to(a.public_port(), "GET", "/v1.0/metadata").send().await;
    assert_clean("the public metadata", &public.everything(), None);
}

#[tokio::test]
async fn no_token_leaves_its_place_over_http() {
    let app = App::http().otherwise(echo()).start().await;
    let own = App::http().otherwise(reply("")).start().await;
    let endpoint = App::http().otherwise(reply("")).start().await;
    let (a, b) = with_canaries(&app, &own, &endpoint).await;
    for target in ["a", "b", "outside", "nobody"] {
        let answer = b.invoke(target, "x").header("dapr-api-token", B_API).body("x").send().await;
        assert_clean("an answer", &answer.everything(), None);
    }
    let answer = b.invoke("a", "x").body("x").header("dapr-api-token", "wrong").send().await;
    assert_eq!(answer.status, 401);
    assert_clean("a refusal", &answer.everything(), None);
    assert_eq!(app.only("/x").values("dapr-api-token"), [A_APP]);
    assert_eq!(own.only("/x").values("dapr-api-token"), [B_APP]);
    assert_eq!(endpoint.only("/x").values("dapr-api-token"), Vec::<String>::new());
    for (seen, allowed) in [(&app, Some(A_APP)), (&own, Some(B_APP)), (&endpoint, None)] {
        for request in seen.everything() {
            assert_clean("a request to an app", &request.everything(), allowed);
        }
    }
    assert_no_leaks(&a, &b).await;
}

#[tokio::test]
async fn no_token_leaves_its_place_over_grpc() {
    let app = App::grpc().start().await;
    let own = App::grpc().start().await;
    let endpoint = App::http().start().await;
    let (a, b) = with_canaries(&app, &own, &endpoint).await;
    for target in ["a", "b"] {
        let mut request = Request::new(Note::new("x", 1));
        request.metadata_mut().insert("dapr-api-token", B_API.parse().unwrap());
        let response = NotesClient::new(b.channel().await, target).one(request).await.unwrap();
        assert_clean("a proxied answer", &format!("{response:?}"), None);
        let data = Some(Any::from_bytes("x".into()));
        let message = InvokeRequest { method: "x".to_owned(), data, ..InvokeRequest::default() };
        let mut request = Request::new(InvokeServiceRequest { id: target.to_owned(), message: Some(message) });
        request.metadata_mut().insert("dapr-api-token", B_API.parse().unwrap());
        let response = b.dapr().await.invoke_service(request).await.unwrap();
        assert_clean("an answer", &format!("{response:?}"), None);
    }
    for (seen, allowed) in [(&app, A_APP), (&own, B_APP)] {
        for path in ["/testkit.Notes/One", "/dapr.proto.runtime.v1.AppCallback/OnInvoke"] {
            assert_eq!(seen.only(path).values("dapr-api-token"), [allowed], "{path}");
        }
        for request in seen.everything() {
            assert_clean("a request to an app", &request.everything(), Some(allowed));
        }
    }
    assert_no_leaks(&a, &b).await;
}
