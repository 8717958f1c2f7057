//! Who may call an app: `spec.accessControl`, over real mTLS and without it (SEC-01, SEC-04, SEC-06).

use testkit::{Answer, App, Authority, Note, NotesClient, Sidecar, SidecarBuilder, ours_only, reply};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest};
use wire::internals::service_invocation_client::ServiceInvocationClient;
use wire::internals::{ApiVersion, InternalInvokeRequest, ListStringValue};
use wire::runtime::InvokeServiceRequest;

use crate::pair;

/// Everybody is denied, but `b` of the namespace `default` may call `/public`.
fn only_public() -> &'static str {
    "accessControl:\n  defaultAction: deny\n  trustDomain: public\n  policies:\n  - appId: b\n    defaultAction: deny\n    \
     trustDomain: public\n    namespace: default\n    operations:\n    - name: /public\n      httpVerb: ['*']\n      action: allow\n"
}

/// `b` of the namespace `default` may call anything but `name`, and so may everybody.
fn all_but(name: &str) -> String {
    format!(
        "accessControl:\n  defaultAction: allow\n  policies:\n  - appId: b\n    defaultAction: allow\n    trustDomain: public\n    \
         namespace: default\n    operations:\n    - name: {name}\n      httpVerb: ['*']\n      action: deny\n"
    )
}

fn certified(id: &str, authority: &Authority) -> SidecarBuilder {
    Sidecar::named(id).certified_by(authority).namespace("default")
}

async fn certified_pair(authority: &Authority, app: &App, spec: &str) -> (Sidecar, Sidecar) {
    let a = certified("a", authority).app(app).configuration(spec).flag("--log-level=debug");
    tokio::join!(a.start(), certified("b", authority).start())
}

fn denial(caller: &str, operation: &str, verb: &str) -> String {
    format!("access control policy has denied access to id: {caller} operation: {operation} verb: {verb}")
}

fn assert_denied(answer: &Answer, denial: &str) {
    assert_denied_as(answer, "a", denial);
}

/// What a caller of `target` is told.
fn assert_denied_as(answer: &Answer, target: &str, denial: &str) {
    assert_eq!((answer.status, answer.error_code().as_str()), (403, "ERR_DIRECT_INVOKE"), "{answer:?}");
    let message = format!("failed to invoke, id: {target}, err: rpc error: code = PermissionDenied desc = {denial}");
    assert_eq!(answer.json()["message"], message);
}

const B: &str = "spiffe://public/ns/default/b";

#[tokio::test]
async fn an_app_may_call_what_the_policy_for_it_says() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let (a, b) = certified_pair(&authority, &app, only_public()).await;
    assert_eq!(b.invoke("a", "public").send().await.text(), "reached");
    assert_denied(&b.invoke("a", "admin").send().await, &denial(B, "admin", "POST"));
    assert_denied(&b.request("GET", "/v1.0/invoke/a/method/admin/x").send().await, &denial(B, "admin/x", "GET"));
    a.logged(&denial(B, "admin", "POST")).await;
    let message = InvokeRequest {
        method: "admin".to_owned(),
        http_extension: Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() }),
        ..InvokeRequest::default()
    };
    let request = InvokeServiceRequest { id: "a".to_owned(), message: Some(message) };
    let status = b.dapr().await.invoke_service(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().ends_with(&denial(B, "admin", "POST")), "{}", status.message());
    let paths: Vec<String> = app.everything().into_iter().map(|request| request.path).collect();
    assert!(!paths.iter().any(|path| path.contains("admin")), "{paths:?}");
}

#[tokio::test]
async fn proxied_calls_are_held_to_the_policy() {
    let (authority, app) = (Authority::start().await, App::grpc().start().await);
    let (_a, b) = certified_pair(&authority, &app, &all_but("/testkit.Notes/One")).await;
    let mut client = NotesClient::new(b.channel().await, "a");
    let status = client.one(Request::new(Note::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), denial(B, "/testkit.Notes/One", "NONE"));
    assert!(app.requests("/testkit.Notes/One").is_empty());
    client.unary("/testkit.Notes/Other", Request::new(Note::default())).await.unwrap_err();
    assert_eq!(app.requests("/testkit.Notes/Other").len(), 1);
}

#[tokio::test]
async fn no_method_is_called_through_the_services_of_the_sidecar() {
    ours_only!("the reference proxies OnInvoke, and with it any method");
    let (authority, app) = (Authority::start().await, App::grpc().start().await);
    let (_a, b) = certified_pair(&authority, &app, &all_but("/admin")).await;
    // A note's text is what the method is in an `InvokeRequest`: the first field.
    let (mut client, call) = (NotesClient::new(b.channel().await, "a"), Request::new(Note::new("admin", 0)));
    let path = "/dapr.proto.runtime.v1.AppCallback/OnInvoke";
    let status = client.unary(path, call).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, denial(B, path, "NONE").as_str()));
    assert!(app.requests(path).is_empty());
}

#[tokio::test]
async fn a_call_without_headers_is_held_to_the_verb_that_it_has() {
    ours_only!("the reference checks it as a call without a verb, and sends it with its verb");
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let (a, _b) = certified_pair(&authority, &app, &all_but("/neworder")).await;
    let mut client = ServiceInvocationClient::new(authority.connect(a.internal_port(), Some(B)).await.unwrap());
    let status = client.call_local(call_local("neworder", &[])).await.unwrap_err();
    assert_eq!(status.message(), denial(B, "neworder", "POST"));
    assert!(app.requests("/neworder").is_empty());
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_past_a_policy() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let (_a, b) = certified_pair(&authority, &app, &all_but("/neworder")).await;
    let spellings = [
        "neworder",
        "neworder/",
        "neworder//",
        "/neworder",
        "neworder%2F",
        "%6eeworder",
        "neworde%72",
        "newOrdeR",
        "NEWORDER",
        "neworder%3Fx",
        "neworder%23x",
        "neworder%00",
        "neworder/x",
        "x/../neworder",
        "x%2F..%2Fneworder",
        "public%23/../neworder",
        "public%3F/../neworder",
        "public%23%2F..%2Fneworder",
        "public%25/../neworder",
        "..%2Fneworder",
        "%2e%2e/neworder",
        "neworder/../neworder",
        "%c0%af..%c0%afneworder",
    ];
    for spelling in spellings {
        let request = format!(
            "POST /v1.0/invoke/a/method/{spelling} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = testkit::RawHttp1::exchange(b.http_port(), request).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{spelling}: {answer}");
    }
    for request in app.everything() {
        assert!(!request.path.to_lowercase().contains("neworder"), "{}", request.path);
    }
    assert_eq!(b.invoke("a", "other").send().await.text(), "reached");
}

#[tokio::test]
async fn the_same_app_id_in_another_namespace_is_another_app() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let a = certified("a", &authority).app(&app).configuration(only_public()).start();
    let stranger = Sidecar::named("b").certified_by(&authority).namespace("default2").start();
    let (_a, stranger) = tokio::join!(a, stranger);
    let answer = stranger.invoke("a.default", "public").send().await;
    assert_denied_as(&answer, "a.default", &denial("spiffe://public/ns/default2/b", "public", "POST"));
    assert!(app.requests("/public").is_empty());
}

fn call_local(method: &str, said: &[(&str, &str)]) -> InternalInvokeRequest {
    let values = |value: &str| ListStringValue { values: vec![value.to_owned()] };
    InternalInvokeRequest {
        ver: ApiVersion::V1 as i32,
        metadata: said.iter().map(|(name, value)| ((*name).to_owned(), values(value))).collect(),
        message: Some(InvokeRequest {
            method: method.to_owned(),
            http_extension: Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() }),
            ..InvokeRequest::default()
        }),
        actor: None,
    }
}

#[tokio::test]
async fn a_peer_is_who_its_certificate_names_whatever_it_says() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let (a, _b) = certified_pair(&authority, &app, only_public()).await;
    let evil = "spiffe://public/ns/default/evil";
    let channel = authority.connect(a.internal_port(), Some(evil)).await.unwrap();
    let lies = [("dapr-caller-app-id", "b"), ("dapr-caller-namespace", "default")];
    let mut client = ServiceInvocationClient::new(channel);
    let status = client.call_local(call_local("public", &lies)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, denial(evil, "public", "POST").as_str()));
    assert!(app.requests("/public").is_empty());
}

#[tokio::test]
async fn an_app_is_told_the_name_in_the_certificate() {
    ours_only!("the reference passes on what the peer says");
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let grpc_app = App::grpc().start().await;
    let a = certified("a", &authority).app(&app).start();
    let g = certified("g", &authority).app(&grpc_app).start();
    let (a, g) = tokio::join!(a, g);
    let as_evil = async |port| authority.connect(port, Some("spiffe://public/ns/default/evil")).await.unwrap();
    let lies = [("dapr-caller-app-id", "b"), ("Dapr-Caller-App-Id", "b"), ("dapr-caller-namespace", "default2")];
    let mut client = ServiceInvocationClient::new(as_evil(a.internal_port()).await);
    client.call_local(call_local("public", &lies)).await.unwrap();
    let mut request = Request::new(Note::default());
    request.metadata_mut().insert("dapr-caller-app-id", MetadataValue::from_static("b"));
    request.metadata_mut().insert("dapr-callee-app-id", MetadataValue::from_static("g"));
    NotesClient::new(as_evil(g.internal_port()).await, "g").one(request).await.unwrap();
    for seen in [app.only("/public"), grpc_app.only("/testkit.Notes/One")] {
        assert_eq!(seen.values("dapr-caller-app-id"), ["evil"], "{}", seen.everything());
        assert_eq!(seen.values("dapr-caller-namespace"), ["default"], "{}", seen.everything());
    }
}

#[tokio::test]
async fn nobody_without_a_certificate_gets_in() {
    let (authority, foreign) = (Authority::start().await, Authority::start().await);
    let app = App::http().otherwise(reply("reached")).start().await;
    let (a, _b) = certified_pair(&authority, &app, only_public()).await;
    for connecting in [authority.connect(a.internal_port(), None), foreign.connect(a.internal_port(), Some(B))] {
        if let Ok(channel) = connecting.await {
            let called = ServiceInvocationClient::new(channel).call_local(call_local("public", &[("x", "y")])).await;
            assert!(called.is_err(), "{called:?}");
        }
    }
    assert!(app.everything().iter().all(|request| request.path != "/public"));
}

#[tokio::test]
async fn without_mtls_the_default_action_holds_for_everybody() {
    let app = App::http().otherwise(reply("reached")).start().await;
    let (_a, b) = tokio::join!(
        Sidecar::named("a").app(&app).configuration(only_public()).start(),
        Sidecar::named("b").namespace("default").start()
    );
    let answer = b.invoke("a.default", "public").send().await;
    assert_denied_as(&answer, "a.default", &denial("", "public", "POST"));
    assert!(app.requests("/public").is_empty());
}

#[tokio::test]
async fn policies_that_nobody_can_be_held_to_are_told() {
    ours_only!("the reference says nothing");
    let app = App::http().otherwise(reply("reached")).start().await;
    let a = Sidecar::named("a").app(&app).configuration(&all_but("/x")).start().await;
    a.logged("without mTLS no caller can prove which app it is: the global default action (allow) applies").await;
}

#[tokio::test]
async fn an_app_without_policies_is_called_by_everybody() {
    let app = App::http().route("/x", reply("reached")).start().await;
    let (_a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "x").send().await.text(), "reached");
}

#[tokio::test]
async fn policies_without_an_owner_stop_the_sidecar() {
    let spec =
        "accessControl:\n  policies:\n  - appId: b\n    namespace: default\n  - appId: c\n    trustDomain: public\n";
    let ended = Sidecar::named("a").configuration(spec).start_failing().await;
    assert_eq!(ended.code, Some(1));
    let words = "invalid access control spec. missing trustdomain for apps: [b], missing namespace for apps: [c], missing app \
                 name on at least one of the app policies: false";
    assert!(ended.output.contains(words), "{}", ended.output);
}

#[tokio::test]
async fn a_policy_that_can_only_be_a_mistake_stops_the_sidecar() {
    ours_only!("the reference takes an unknown action as deny");
    let spec = all_but("/x").replace("action: deny", "action: dney");
    let ended = Sidecar::named("a").configuration(&spec).start_failing().await;
    assert_eq!(ended.code, Some(1));
    let words =
        "policy of app b in namespace default: operation \\\"/x\\\": unknown action \\\"dney\\\": write allow or deny";
    assert!(ended.output.contains(words), "{}", ended.output);
}
