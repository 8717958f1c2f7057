//! One canonical path: what is checked is what the app sees, and what could be read in two ways is refused (SEC-01).

use testkit::{App, Note, NotesClient, RawHttp1, Sidecar, is_reference, path_echo, reply};
use tonic::{Code, Request};
use wire::Any;
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest};
use wire::runtime::{GetMetadataRequest, GetSecretRequest, GetStateRequest, InvokeServiceRequest};

use crate::pair;

/// A method as a caller writes it in a URL, and the path that an HTTP app sees; `None`: refused.
const OVER_HTTP: [(&str, Option<&str>); 20] = [
    ("public", Some("/public")),
    ("admin/../public", Some("/public")),
    ("admin%2F..%2Fpublic", Some("/public")),
    ("admin/..%2Fpublic", Some("/public")),
    ("..%2F..%2Fpublic", Some("/public")),
    ("../public", Some("/public")),
    ("a//b", Some("/a/b")),
    ("a/./b", Some("/a/b")),
    ("a%2Fb", Some("/a/b")),
    ("neworde%2572", Some("/neworde%2572")),
    ("admin%252F..%252Fpublic", Some("/admin%252F..%252Fpublic")),
    ("newOrdeR", Some("/newOrdeR")),
    ("a%20b", Some("/a%20b")),
    ("a%23b", None),
    ("a%3Fb=1", None),
    ("a%00b", None),
    ("a%0Ab", None),
    ("a%0D%0Ab", None),
    ("a%1Fb", None),
    ("a%7Fb", None),
];

#[tokio::test]
async fn over_http_the_app_sees_the_canonical_path_or_nothing() {
    let app = App::http().otherwise(path_echo()).start().await;
    let (a, b) = pair(&app).await;
    for caller in [&a, &b] {
        for (method, seen) in OVER_HTTP {
            if method.contains("%25") && is_reference() {
                continue; // It decodes such a path a second time on its way.
            }
            let before = app.everything().len();
            let request =
                format!("GET /v1.0/invoke/a/method/{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = RawHttp1::exchange(caller.http_port(), request).await;
            match seen {
                Some(path) => assert!(
                    answer.ends_with(&format!("GET {path}")) || answer.contains(&format!("GET {path}\r\n")),
                    "{method}: {answer}"
                ),
                None => {
                    assert!(
                        answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 500"),
                        "{method}: {answer}"
                    );
                    assert_eq!(app.everything().len(), before, "{method}: {answer}");
                }
            }
        }
    }
}

fn invocation(method: &str) -> InvokeServiceRequest {
    let message = InvokeRequest {
        method: method.to_owned(),
        data: Some(Any::from_bytes("".into())),
        content_type: String::new(),
        http_extension: Some(HttpExtension { verb: Verb::Get as i32, querystring: String::new() }),
    };
    InvokeServiceRequest { id: "a".to_owned(), message: Some(message) }
}

/// A method as a gRPC caller gives it, and the path that an HTTP app sees; `None`: refused.
const OVER_GRPC: [(&str, Option<&str>); 14] = [
    ("public", Some("/public")),
    ("admin/../public", Some("/public")),
    ("../../public", Some("/public")),
    ("/public", Some("/public")),
    ("a//b", Some("/a/b")),
    ("admin%2F..%2Fpublic", Some("/admin%252F..%252Fpublic")),
    ("a%23b", Some("/a%2523b")),
    ("a b", Some("/a%20b")),
    ("a#b", None),
    ("a?b=1", None),
    ("a\0b", None),
    ("a\nb", None),
    ("a\r\nb", None),
    ("a\u{7f}b", None),
];

#[tokio::test]
async fn over_grpc_the_app_sees_the_canonical_path_or_nothing() {
    let app = App::http().otherwise(path_echo()).start().await;
    let (a, b) = pair(&app).await;
    for caller in [&a, &b] {
        let mut dapr = caller.dapr().await;
        for (method, seen) in OVER_GRPC {
            if method.contains('%') && is_reference() {
                continue; // It passes an escape on, for the app to decode.
            }
            let before = app.everything().len();
            let response = dapr.invoke_service(invocation(method)).await;
            match seen {
                Some(path) => {
                    let response = response.unwrap_or_else(|error| panic!("{method:?}: {error}"));
                    let data = response.into_inner().data.unwrap().value;
                    assert_eq!(String::from_utf8_lossy(&data), format!("GET {path}"), "{method:?}");
                }
                None => {
                    let error = response.unwrap_err();
                    assert!(matches!(error.code(), Code::InvalidArgument | Code::Internal), "{method:?}: {error:?}");
                    assert!(error.message().contains("character"), "{method:?}: {error:?}");
                    assert_eq!(app.everything().len(), before, "{method:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_grpc_app_sees_the_canonical_method() {
    let named = |request: Request<InvokeRequest>| async move {
        let data = Some(Any::from_bytes(request.into_inner().method.into()));
        Ok(tonic::Response::new(wire::common::InvokeResponse { data, content_type: String::new() }))
    };
    let app = App::grpc().on_invoke(named).start().await;
    let (_a, b) = pair(&app).await;
    for (method, seen) in [("admin%2F..%2Fpublic", "public"), ("a//b", "a/b"), ("neworde%2572", "neworde%72")] {
        assert_eq!(b.invoke("a", method).send().await.text(), seen);
    }
    for method in ["a%23b", "a%3Fb", "a%00b"] {
        let answer = b.invoke("a", method).send().await;
        assert!(answer.status >= 400, "{method}: {answer:?}");
    }
}

#[tokio::test]
async fn a_proxied_method_is_the_one_that_was_sent_or_its_canonical_form() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    let mut client = NotesClient::new(b.channel().await, "a");
    for (path, canonical) in [
        ("/testkit.Nowhere/../testkit.Notes/Two", "/testkit.Notes/Two"),
        ("/testkit.Notes%2FThree", "/testkit.Notes%2FThree"),
        ("//testkit.Notes/Four", "/testkit.Notes/Four"),
        ("/testkit.Notes/Five/", "/testkit.Notes/Five"),
    ] {
        let before = app.everything().len();
        assert!(client.unary(path, Request::new(Note::default())).await.is_err(), "{path}");
        for seen in &app.everything()[before..] {
            assert!(seen.path == canonical || seen.path == path, "{path} became {}", seen.path);
        }
    }
}

#[tokio::test]
async fn an_endpoint_is_not_left_by_its_path() {
    let endpoint = App::http().otherwise(path_echo()).start().await;
    let resource = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata:\n  name: outside\nspec:\n  baseUrl: {}/base\n",
        endpoint.url()
    );
    let b = Sidecar::named("b").resource(&resource).start().await;
    for (method, seen) in [("x", "/base/x"), ("../x", "/base/x"), ("..%2F..%2Fx", "/base/x"), ("a/../../x", "/base/x")]
    {
        let request =
            format!("GET /v1.0/invoke/outside/method/{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = RawHttp1::exchange(b.http_port(), request).await;
        assert!(answer.contains(&format!("GET {seen}")), "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_denied_api_is_denied_however_its_path_is_written() {
    let app = App::http().otherwise(reply("")).start().await;
    let rules = "api:\n  denied:\n    - name: state\n      version: v1.0\n      protocol: http\n    - name: state\n      version: v1\n      protocol: http\n";
    let a = Sidecar::named("a").app(&app).memory_store("store").configuration(rules).start().await;
    for target in [
        "/v1.0/state/store/key",
        "//v1.0/state/store/key",
        "/v1.0//state/store/key",
        "/v1.0/./state/store/key",
        "/v1.0/healthz/../state/store/key",
        "/v1.0/%73tate/store/key",
        "/v1.0/state/store/key/",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = RawHttp1::exchange(a.http_port(), request).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn an_api_list_means_the_same_over_grpc() {
    let denied = "api:\n  denied:\n    - name: state\n      version: v1\n      protocol: grpc\n";
    let allowed = "api:\n  allowed:\n    - name: metadata\n      version: v1\n      protocol: grpc\n";
    for (rules, secrets_are_open) in [(denied, true), (allowed, false)] {
        let a = Sidecar::named("a").memory_store("store").configuration(rules).start().await;
        let mut dapr = a.dapr().await;
        let read = GetStateRequest { store_name: "store".into(), key: "key".into(), ..GetStateRequest::default() };
        let refused = dapr.get_state(read).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{rules}: {refused:?}");
        dapr.get_metadata(GetMetadataRequest {}).await.unwrap();
        let secret = GetSecretRequest { store_name: "nowhere".into(), key: "k".into(), ..GetSecretRequest::default() };
        let answered = dapr.get_secret(secret).await.unwrap_err();
        assert_eq!(answered.code() != Code::Unimplemented, secrets_are_open, "{rules}: {answered:?}");
    }
}
