//! Service invocation over gRPC (`InvokeService`), and between apps of different protocols.

use http::Response;
use testkit::{App, Arrived, Sidecar, body_of, echo, path_echo, status};
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};
use wire::Any;
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest, InvokeResponse};
use wire::runtime::InvokeServiceRequest;

use crate::pair;

fn invocation(app: &str, method: &str, body: &'static str) -> InvokeServiceRequest {
    let message = InvokeRequest {
        method: method.to_owned(),
        data: Some(Any::from_bytes(body.as_bytes().into())),
        content_type: "text/x-test".to_owned(),
        http_extension: Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() }),
    };
    InvokeServiceRequest { id: app.to_owned(), message: Some(message) }
}

fn text(response: &InvokeResponse) -> String {
    String::from_utf8_lossy(&response.data.as_ref().map(|data| data.value.clone()).unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn a_grpc_app_is_invoked_over_grpc() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let response = b.dapr().await.invoke_service(invocation("a", "any/method", "hello")).await.unwrap().into_inner();
    assert_eq!((text(&response).as_str(), response.content_type.as_str()), ("hello", "text/x-test"));
    let seen = app.only("/dapr.proto.runtime.v1.AppCallback/OnInvoke");
    assert_eq!(seen.values("dapr-caller-app-id"), ["b"]);
}

#[tokio::test]
async fn an_http_app_is_invoked_over_grpc() {
    let app = App::http().route("/orders", echo()).start().await;
    let (_a, b) = pair(&app).await;
    let mut request = invocation("a", "orders", "hello");
    request.message.as_mut().unwrap().http_extension.as_mut().unwrap().querystring = "x=1&y=2".to_owned();
    let mut request = Request::new(request);
    request.metadata_mut().insert("x-own", "1".parse().unwrap());
    let response = b.dapr().await.invoke_service(request).await.unwrap();
    assert_eq!(text(response.get_ref()), "hello");
    assert_eq!(response.metadata().get("dapr-http-status").unwrap(), "200");
    for name in ["content-length", "dapr-content-length"] {
        assert!(response.metadata().get(name).is_none(), "{name} is that of another body");
    }
    let seen = app.only("/orders");
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/orders?x=1&y=2"));
    assert_eq!(seen.values("content-type"), ["text/x-test"]);
    assert_eq!(seen.values("x-own"), ["1"]);
}

#[tokio::test]
async fn a_grpc_app_is_invoked_over_http() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let answer =
        b.invoke("a", "any").header("content-type", "text/x-test").header("x-own", "1").body("hello").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.values("content-type"), ["text/x-test"]);
    assert_eq!(app.only("/dapr.proto.runtime.v1.AppCallback/OnInvoke").values("x-own"), ["1"]);
}

#[tokio::test]
async fn verb_and_query_reach_a_grpc_app() {
    let described = |request: Request<InvokeRequest>| async move {
        let message = request.into_inner();
        let extension = message.http_extension.unwrap_or_default();
        let told = format!("{} {} {}", extension.verb().as_str_name(), message.method, extension.querystring);
        let data = Some(Any::from_bytes(told.into()));
        Ok(tonic::Response::new(InvokeResponse { data, content_type: "text/plain".to_owned() }))
    };
    let app = App::grpc().on_invoke(described).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.request("PUT", "/v1.0/invoke/a/method/orders/1?x=1&y=2").send().await;
    assert_eq!(answer.text(), "PUT orders/1 x=1&y=2");
}

#[tokio::test]
async fn the_status_of_an_http_app_becomes_a_grpc_status() {
    let app =
        App::http().route("/missing", status(404, "not here")).route("/broken", status(500, "my fault")).start().await;
    let (_a, b) = pair(&app).await;
    let mut dapr = b.dapr().await;
    let missing = dapr.invoke_service(invocation("a", "missing", "")).await.unwrap_err();
    assert_eq!(
        (missing.code(), missing.metadata().get("dapr-http-status").unwrap().to_str().unwrap()),
        (Code::NotFound, "404")
    );
    let broken = dapr.invoke_service(invocation("a", "broken", "")).await.unwrap_err();
    assert_eq!(
        (broken.code(), broken.metadata().get("dapr-http-status").unwrap().to_str().unwrap()),
        (Code::Unknown, "500")
    );
}

#[tokio::test]
async fn the_status_of_a_grpc_app_becomes_an_http_status() {
    let refused = |_: Request<InvokeRequest>| async { Err(tonic::Status::new(Code::PermissionDenied, "not you")) };
    let app = App::grpc().on_invoke(refused).start().await;
    let (_a, b) = pair(&app).await;
    let answer = b.invoke("a", "x").send().await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("not you"), "{}", answer.text());
}

#[tokio::test]
async fn the_error_of_a_grpc_app_reaches_a_grpc_caller() {
    let refused = |_: Request<InvokeRequest>| async { Err(tonic::Status::new(Code::FailedPrecondition, "not yet")) };
    let app = App::grpc().on_invoke(refused).start().await;
    let (_a, b) = pair(&app).await;
    let error = b.dapr().await.invoke_service(invocation("a", "x", "")).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::FailedPrecondition, "not yet"));
}

#[tokio::test]
async fn headers_of_an_http_app_become_metadata() {
    let own =
        |_: Arrived| async { Response::builder().header("x-own", "1").header("x-own", "2").body(body_of("")).unwrap() };
    let app = App::http().route("/x", own).start().await;
    let (_a, b) = pair(&app).await;
    let response = b.dapr().await.invoke_service(invocation("a", "x", "")).await.unwrap();
    let values: Vec<_> = response.metadata().get_all("x-own").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(values, ["1", "2"]);
}

#[tokio::test]
async fn incomplete_requests_are_refused() {
    let b = Sidecar::named("b").start().await;
    let mut dapr = b.dapr().await;
    let no_message = dapr.invoke_service(InvokeServiceRequest { id: "a".to_owned(), message: None }).await.unwrap_err();
    assert_eq!(no_message.code(), Code::Internal);
    let unknown = dapr.invoke_service(invocation("nobody", "x", "")).await.unwrap_err();
    assert!(matches!(unknown.code(), Code::Internal | Code::Unknown), "{unknown:?}");
}

#[tokio::test]
async fn bodies_near_the_message_limit_pass_between_protocols() {
    let app = App::http().route("/echo", echo()).otherwise(path_echo()).start().await;
    let (_a, b) = pair(&app).await;
    let body = vec![b'x'; (4 << 20) - 1024];
    let mut request = invocation("a", "echo", "");
    request.message.as_mut().unwrap().data = Some(Any::from_bytes(body.clone().into()));
    let response = b.dapr().await.invoke_service(request).await.unwrap().into_inner();
    assert!(response.data.unwrap().value == body);
}

#[tokio::test]
async fn compressed_requests_are_understood() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut dapr =
        b.dapr().await.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    let response = dapr.invoke_service(invocation("a", "any", "hello")).await.unwrap().into_inner();
    assert_eq!(text(&response), "hello");
}
