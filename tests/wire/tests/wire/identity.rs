//! Who calls is what sidecars know, never what a caller says (SEC-04).

use testkit::{App, Call, Note, NotesClient, Sidecar, ours_only, reply};
use tonic::Request;
use tonic::metadata::{AsciiMetadataKey, MetadataValue};
use wire::Any;
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest};
use wire::runtime::InvokeServiceRequest;

use crate::pair;

/// What only sidecars may say. `evil` must not reach an app by any of them.
const CLAIMS: [&str; 6] = [
    "dapr-caller-app-id",
    "dapr-caller-namespace",
    "dapr-callee-app-id",
    "destination-app-id",
    "x-dapr-remote",
    "dapr-api-call",
];

fn lying(mut call: Call) -> Call {
    for name in CLAIMS {
        call = call.header(name, "evil").header(name, "evil-again").header(&format!("{name}-bin"), "evil");
    }
    call
}

fn lying_metadata<T>(request: &mut Request<T>) {
    for name in CLAIMS {
        let key = AsciiMetadataKey::from_static(name);
        request.metadata_mut().append(key.clone(), MetadataValue::from_static("evil"));
        request.metadata_mut().append(key, MetadataValue::from_static("evil-again"));
    }
}

fn assert_true_values(app: &App, path: &str, caller: &str) {
    let seen = app.only(path);
    let everything = seen.everything();
    for name in CLAIMS {
        assert!(!seen.values(name).iter().any(|value| value.contains("evil")), "{name}: {everything}");
        assert!(!seen.headers.contains_key(format!("{name}-bin")), "{name}-bin: {everything}");
    }
    assert_eq!(seen.values("dapr-caller-app-id"), [caller], "{everything}");
    assert_eq!(seen.values("dapr-callee-app-id"), ["a"], "{everything}");
}

#[tokio::test]
async fn claims_over_http_do_not_reach_the_app_of_another_sidecar() {
    ours_only!("the reference passes claims in HTTP case on the remote leg");
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    lying(b.invoke("a", "x")).send().await;
    assert_true_values(&app, "/x", "b");
}

#[tokio::test]
async fn claims_over_http2_do_not_reach_the_app_of_another_sidecar() {
    ours_only!("the reference passes claims in HTTP case on the remote leg");
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    lying(b.invoke("a", "x")).http2().send().await;
    assert_true_values(&app, "/x", "b");
}

#[tokio::test]
async fn claims_in_any_case_do_not_reach_the_app_of_another_sidecar() {
    ours_only!("the reference passes claims in HTTP case on the remote leg");
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    let request = "POST /v1.0/invoke/a/method/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nDAPR-CALLER-APP-ID: evil\r\n\
        dApR-cAlLeR-aPp-Id: evil\r\nDapr-Callee-App-Id: evil\r\nX-DAPR-Remote: evil\r\nContent-Length: 0\r\n\r\n";
    testkit::RawHttp1::exchange(b.http_port(), request).await;
    assert_true_values(&app, "/x", "b");
}

#[tokio::test]
async fn claims_over_http_do_not_reach_the_own_app() {
    ours_only!("the reference strips two of the claims only");
    let app = App::http().route("/x", reply("")).start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    lying(a.invoke("a", "x")).send().await;
    assert_true_values(&app, "/x", "a");
}

#[tokio::test]
async fn claims_over_grpc_do_not_reach_the_app() {
    ours_only!("the reference passes what it does not set itself");
    let app = App::http().route("/x", reply("")).start().await;
    let (_a, b) = pair(&app).await;
    let data = Some(Any::from_bytes("".into()));
    let http_extension = Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() });
    let message = InvokeRequest { method: "x".to_owned(), data, http_extension, ..InvokeRequest::default() };
    let mut request = Request::new(InvokeServiceRequest { id: "a".to_owned(), message: Some(message) });
    lying_metadata(&mut request);
    b.dapr().await.invoke_service(request).await.unwrap();
    assert_true_values(&app, "/x", "b");
}

#[tokio::test]
async fn claims_of_proxied_calls_do_not_reach_the_app_of_another_sidecar() {
    ours_only!("the reference appends the true caller behind the claimed one");
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut request = Request::new(Note::default());
    request.metadata_mut().append("dapr-caller-app-id", MetadataValue::from_static("evil"));
    request.metadata_mut().append("dapr-caller-namespace", MetadataValue::from_static("evil"));
    request.metadata_mut().append("x-dapr-remote", MetadataValue::from_static("evil"));
    NotesClient::new(b.channel().await, "a").one(request).await.unwrap();
    assert_true_values(&app, "/testkit.Notes/One", "b");
}

#[tokio::test]
async fn claims_of_proxied_calls_do_not_reach_the_own_app() {
    ours_only!("the reference appends the true caller behind the claimed one");
    let app = App::grpc().start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    let mut request = Request::new(Note::default());
    request.metadata_mut().append("dapr-caller-app-id", MetadataValue::from_static("evil"));
    request.metadata_mut().append("dapr-caller-namespace", MetadataValue::from_static("evil"));
    NotesClient::new(a.channel().await, "a").one(request).await.unwrap();
    let seen = app.only("/testkit.Notes/One");
    assert_eq!(seen.values("dapr-caller-app-id"), ["a"]);
    assert!(!seen.everything().contains("evil"), "{}", seen.everything());
}
