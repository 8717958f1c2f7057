//! Services that no sidecar knows pass through in all four shapes, with metadata, trailers, errors and deadlines.

use std::time::Duration;

use testkit::{App, Certificates, Note, NotesClient, Sidecar};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status};

use crate::pair;

async fn notes(sidecar: &Sidecar) -> NotesClient {
    NotesClient::new(sidecar.channel().await, "a")
}

fn assert_failure(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "it fails: ü 100%"));
    assert_eq!(status.details(), Note::failure_details());
    assert_eq!(status.metadata().get("x-trailer").unwrap(), "of a failure");
}

#[tokio::test]
async fn unary_calls_pass_with_metadata() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut request = Request::new(Note::new("hello", 7));
    request.metadata_mut().append("x-own", "1".parse().unwrap());
    request.metadata_mut().append("x-own", "2".parse().unwrap());
    request.metadata_mut().append_bin("x-own-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 255, 10]));
    let response = notes(&b).await.one(request).await.unwrap();
    assert_eq!(response.get_ref(), &Note::new("hello", 7));
    let values: Vec<_> =
        response.metadata().get_all("echo-x-own").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(values, ["1", "2"]);
    let binary = response.metadata().get_bin("echo-x-own-bin").unwrap().to_bytes().unwrap();
    assert_eq!(&binary[..], [0, 255, 10]);
}

#[tokio::test]
async fn an_app_reaches_its_own_service_through_its_sidecar() {
    let app = App::grpc().start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    let response = notes(&a).await.one(Request::new(Note::new("self", 1))).await.unwrap();
    assert_eq!(response.get_ref(), &Note::new("self", 1));
}

#[tokio::test]
async fn uploads_pass_as_a_stream() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let (sender, receiver) = mpsc::channel(1);
    let mut client = notes(&b).await;
    let upload = testkit::spawn(async move { client.upload(Request::new(ReceiverStream::new(receiver))).await });
    sender.send(Note::new("a", 1)).await.unwrap();
    app.saw("/testkit.Notes/Upload", |request| !request.body.is_empty() && !request.complete).await;
    for number in 2..=100 {
        sender.send(Note::new("b", number)).await.unwrap();
    }
    drop(sender);
    assert_eq!(upload.await.unwrap().unwrap().get_ref().number, 5050);
}

#[tokio::test]
async fn downloads_pass_as_a_stream() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let response = notes(&b).await.download(Request::new(Note::new("x", 1000))).await.unwrap();
    let numbers: Vec<u32> = response.into_inner().map(|note| note.unwrap().number).collect().await;
    assert!(numbers.iter().copied().eq(1..=1000), "{numbers:?}");
}

#[tokio::test]
async fn both_ways_pass_at_once() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let (sender, receiver) = mpsc::channel(1);
    sender.send(Note::new("x", 0)).await.unwrap();
    let mut answers = notes(&b).await.chat(Request::new(ReceiverStream::new(receiver))).await.unwrap().into_inner();
    assert_eq!(answers.next().await.unwrap().unwrap().number, 0);
    for number in 1..50 {
        sender.send(Note::new("x", number)).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().number, number);
    }
    drop(sender);
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn errors_pass_with_message_details_and_trailers() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let error = notes(&b).await.one(Request::new(Note::new("fail", 0))).await.unwrap_err();
    assert_failure(&error);
}

#[tokio::test]
async fn an_error_after_messages_passes_after_them() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut stream = notes(&b).await.download(Request::new(Note::new("fail", 2))).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().number, 1);
    assert_eq!(stream.next().await.unwrap().unwrap().number, 2);
    assert_failure(&stream.next().await.unwrap().unwrap_err());
}

#[tokio::test]
async fn a_deadline_ends_the_call_here_and_in_the_app() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut request = Request::new(Note::new("wait", 0));
    request.set_timeout(Duration::from_millis(300));
    let mut client = notes(&b).await;
    // The client keeps no clock of its own here: it is the sidecar that ends the call.
    let ended = tokio::time::timeout(Duration::from_secs(10), client.one(request)).await;
    assert!(ended.expect("the sidecar keeps the deadline").is_err());
    let seen = app.saw("/testkit.Notes/One", |request| !request.open).await;
    assert_eq!(seen.values("grpc-timeout").len(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_stream_of_the_app() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut stream = notes(&b).await.download(Request::new(Note::new("wait", 1))).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().number, 1);
    drop(stream);
    app.saw("/testkit.Notes/Download", |request| !request.open).await;
}

#[tokio::test]
async fn the_app_sees_who_calls_and_not_how_it_was_addressed() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    notes(&b).await.one(Request::new(Note::new("x", 0))).await.unwrap();
    let seen = app.only("/testkit.Notes/One");
    assert_eq!(seen.values("dapr-caller-app-id"), ["b"]);
    assert_eq!(seen.values("dapr-callee-app-id"), ["a"]);
}

#[tokio::test]
async fn methods_and_services_that_do_not_exist_are_unimplemented() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut client = notes(&b).await;
    let error = client.unary("/testkit.Notes/Nothing", Request::new(Note::default())).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unimplemented, "unknown method Nothing"));
    let error = client.unary("/testkit.Nowhere/Nothing", Request::new(Note::default())).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_call_that_names_no_app_is_refused() {
    let b = Sidecar::named("b").start().await;
    let error = NotesClient::new(b.channel().await, "").one(Request::new(Note::default())).await.unwrap_err();
    assert_eq!(error.code(), Code::Unknown, "{error:?}");
    assert!(error.message().contains("dapr-app-id"), "{error:?}");
}

#[tokio::test]
async fn an_app_that_nobody_knows_is_an_error() {
    let b = Sidecar::named("b").start().await;
    let error = NotesClient::new(b.channel().await, "nobody").one(Request::new(Note::default())).await.unwrap_err();
    assert!(!matches!(error.code(), Code::Ok), "{error:?}");
}

#[tokio::test]
async fn grpc_apps_may_speak_tls() {
    let app = App::grpcs(&Certificates::new()).start().await;
    let (_a, b) = pair(&app).await;
    let response = notes(&b).await.one(Request::new(Note::new("tls", 1))).await.unwrap();
    assert_eq!(response.get_ref(), &Note::new("tls", 1));
}

#[tokio::test]
async fn trailers_of_a_success_arrive() {
    let with_trailers = |_: testkit::Arrived| async {
        use http_body_util::BodyExt as _;
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-trailer", "of a success".parse().unwrap());
        let body = http_body_util::Full::new(bytes::Bytes::from_static(&[0, 0, 0, 0, 0]));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers)))).map_err(|never| match never {});
        http::Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
    };
    let app = App::grpc().route("/testkit.Notes/One", with_trailers).start().await;
    let (_a, b) = pair(&app).await;
    let request = http::Request::builder()
        .method("POST")
        .uri("/testkit.Notes/One")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("dapr-app-id", "a");
    let body = tonic::body::Body::new(http_body_util::Full::new(bytes::Bytes::from_static(&[0, 0, 0, 0, 0])));
    let response = b.channel().await.send(request.body(body).unwrap()).await.unwrap();
    let collected = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    let trailers = collected.trailers().expect("there are trailers");
    assert_eq!(trailers.get("x-trailer").unwrap(), "of a success");
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
}
