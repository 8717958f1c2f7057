//! A request and an answer have one reading only, on every hop (SEC-10).

use std::time::Duration;

use prost::Message as _;
use testkit::{App, Arrived, Frame, RawHttp1, RawHttp2, Sidecar, body_of, echo, header_block, ours_only, reply};
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest, StreamPayload};
use wire::internals::{
    InternalInvokeRequest, InternalInvokeRequestStream, InternalInvokeResponseStream, ListStringValue,
};

use crate::pair;

const START: &str = "POST /v1.0/invoke/a/method/x HTTP/1.1\r\nHost: x\r\n";

/// The app behind two sidecars sees at most the outer request, whole, and never what is hidden in it.
async fn assert_one_reading(app: &App, callee: &Sidecar, caller: &Sidecar, request: &str) {
    for port in [callee.http_port(), caller.http_port()] {
        let answer = RawHttp1::exchange(port, request).await;
        let statuses = answer.matches("HTTP/1.1 ").count();
        assert!(statuses <= 1, "{statuses} answers to {request:?}: {answer}");
        assert!(answer.is_empty() || !answer.starts_with("HTTP/1.1 2"), "{request:?} was taken: {answer}");
    }
    assert!(app.requests("/hidden").is_empty(), "{request:?}");
    assert!(app.requests("/x").is_empty(), "{request:?}");
}

#[tokio::test]
async fn requests_with_two_readings_are_refused() {
    // It answers when it has read: an answer that comes before the end of a bad body would be passed on.
    let read = |arrived: testkit::Arrived| async move {
        let answer = if arrived.read().await.is_ok() { "ok" } else { "cut off" };
        http::Response::new(testkit::body_of(answer))
    };
    let app = App::http().otherwise(read).start().await;
    let (a, b) = pair(&app).await;
    let hidden = "GET /v1.0/invoke/a/method/hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
        "X-A: b\0c",
        "X A: b",
        ": b",
    ] {
        assert_one_reading(&app, &a, &b, &format!("{START}{head}\r\n\r\n{hidden}")).await;
    }
    ours_only!("the reference passes what came before a bad chunk as a whole body");
    for chunks in ["zz\r\n", "-1\r\n", "ffffffffffffffffff\r\nx", "1\r\nxyz\r\n0\r\n\r\n"] {
        let request = format!("{START}Transfer-Encoding: chunked\r\n\r\n{chunks}{hidden}");
        for port in [a.http_port(), b.http_port()] {
            let answer = RawHttp1::exchange(port, &request).await;
            assert!(!answer.starts_with("HTTP/1.1 2"), "{chunks:?}: {answer}");
        }
        assert!(app.requests("/hidden").is_empty(), "{chunks:?}");
        assert!(app.requests("/x").iter().all(|seen| !seen.complete), "{chunks:?}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_never_makes_two_requests() {
    let app = App::http().otherwise(reply("ok")).start().await;
    let (a, b) = pair(&app).await;
    let hidden = "GET /v1.0/invoke/a/method/hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    for port in [a.http_port(), b.http_port()] {
        let request = format!("{START}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
        let answer = RawHttp1::exchange(port, &request).await;
        // Either it is refused, or it is read by its chunks and the length goes no further.
        for seen in app.requests("/x") {
            assert!(seen.body.is_empty(), "{answer}");
            assert!(!seen.values("content-length").contains(&"5".to_owned()), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_folded_header_is_one_header_or_refused() {
    let app = App::http().otherwise(reply("ok")).start().await;
    let (_a, b) = pair(&app).await;
    let request = format!("{START}Connection: close\r\nX-Folded: a\r\n X-Hidden: b\r\nContent-Length: 0\r\n\r\n");
    let answer = RawHttp1::exchange(b.http_port(), request).await;
    for seen in app.requests("/x") {
        assert!(!seen.headers.contains_key("x-hidden"), "{answer}");
        assert!(!seen.values("x-folded").iter().any(|value| value.contains('\n')), "{answer}");
    }
}

#[tokio::test]
async fn line_breaks_in_metadata_make_no_headers() {
    let app = App::http().otherwise(reply("ok")).start().await;
    let (_a, b) = pair(&app).await;
    for value in ["a\r\nx-hidden: 1", "a\nx-hidden: 1", "a\0b"] {
        let mut connection = RawHttp2::connect(b.grpc_port(), &[]).await;
        let block = header_block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", "/dapr.proto.runtime.v1.Dapr/InvokeService"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("x-own", value),
        ]);
        let message = [0, 0, 0, 0, 12, 10, 1, b'a', 26, 7, 10, 1, b'x', 18, 0, 34, 0];
        connection.send_all(&[Frame::new(1, 4, 1, block), Frame::new(0, 1, 1, message)]).await;
        connection
            .wait_for(Duration::from_secs(2), |frame| frame.kind == 3 || (frame.kind == 1 && frame.flags & 1 == 1))
            .await;
        for seen in app.requests("/x") {
            assert!(!seen.headers.contains_key("x-hidden"), "{seen:?}");
        }
    }
}

/// What another sidecar sends: the head of a call with this length among its headers, and the body.
fn call_local_stream(length: &str, body: &'static str) -> Vec<u8> {
    let extension = HttpExtension { verb: Verb::Post as i32, querystring: String::new() };
    let message = InvokeRequest { method: "x".to_owned(), http_extension: Some(extension), ..InvokeRequest::default() };
    let values = ListStringValue { values: vec![length.to_owned()] };
    let metadata = [("Content-Length".to_owned(), values)].into();
    let head = InternalInvokeRequest { ver: 1, metadata, message: Some(message), ..InternalInvokeRequest::default() };
    let payload = StreamPayload { data: body.into(), seq: 0 };
    let encoded = InternalInvokeRequestStream { request: Some(head), payload: Some(payload) }.encode_to_vec();
    [&[0][..], &u32::try_from(encoded.len()).unwrap().to_be_bytes(), &encoded].concat()
}

/// Calls the sidecar as another one does.
async fn call_as_sidecar(port: u16, length: &str) -> RawHttp2 {
    let mut connection = RawHttp2::connect(port, &[]).await;
    let block = header_block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]);
    connection.send_all(&[Frame::new(1, 4, 1, block), Frame::new(0, 1, 1, call_local_stream(length, "hello"))]).await;
    connection
}

#[tokio::test]
async fn the_length_that_an_app_announced_goes_to_no_other_sidecar() {
    for announced in ["2", "10"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nX-Own: 1\r\n\r\nok");
        let app = App::answering_bytes(answer.into_bytes()).start().await;
        let a = Sidecar::named("a").app(&app).start().await;
        let mut connection = call_as_sidecar(a.internal_port(), "5").await;
        let data = connection.wait_for(Duration::from_secs(5), |frame| frame.kind == 0).await.unwrap();
        let answer = InternalInvokeResponseStream::decode(&data.payload[5..]).unwrap();
        let names: Vec<String> = answer.response.unwrap().headers.into_keys().collect();
        assert!(names.contains(&"X-Own".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("content-length")), "{names:?}");
    }
}

#[tokio::test]
async fn a_length_from_another_sidecar_that_is_not_that_of_the_body_makes_no_whole_request() {
    let reading = |arrived: Arrived| async {
        let status = if arrived.read().await.is_ok() { 200 } else { 400 };
        http::Response::builder().status(status).body(body_of("")).unwrap()
    };
    let app = App::http().route("/x", reading).start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    for (length, whole) in [("4", false), ("5", true), ("6", false), ("five", false)] {
        let before = app.requests("/x").len();
        let mut connection = call_as_sidecar(a.internal_port(), length).await;
        let ended = |frame: &Frame| frame.kind == 3 || (frame.kind == 1 && frame.flags & 1 == 1);
        assert!(connection.wait_for(Duration::from_secs(5), ended).await.is_some(), "{length}");
        let seen = app.requests("/x").split_off(before);
        assert_eq!(seen.iter().any(|seen| seen.complete), whole, "{length}: {seen:?}");
        assert!(seen.iter().all(|seen| !seen.complete || seen.body == b"hello"), "{length}: {seen:?}");
    }
}

#[tokio::test]
async fn an_http2_path_without_a_slash_reaches_no_app() {
    let app = App::grpc().start().await;
    let (_a, b) = pair(&app).await;
    for path in ["testkit.Notes/One", "dapr.proto.runtime.v1.Dapr/GetMetadata"] {
        let mut connection = RawHttp2::connect(b.grpc_port(), &[]).await;
        let block = header_block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", path),
            ("content-type", "application/grpc"),
            ("dapr-app-id", "a"),
        ]);
        connection.send_all(&[Frame::new(1, 4, 1, block), Frame::new(0, 1, 1, [0; 5])]).await;
        let data =
            connection.wait_for(Duration::from_millis(700), |frame| frame.kind == 0 && !frame.payload.is_empty()).await;
        assert_eq!(data, None, "{path}");
    }
    assert!(app.everything().iter().all(|seen| !seen.path.contains("One")), "{:?}", app.everything());
}

#[tokio::test]
async fn a_request_to_switch_protocols_is_not_passed_on() {
    let app = App::http().otherwise(echo()).start().await;
    let (_a, b) = pair(&app).await;
    let request = format!(
        "{START}Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n\r\nok"
    );
    RawHttp1::exchange(b.http_port(), request).await;
    for seen in app.requests("/x") {
        assert!(!seen.headers.contains_key("upgrade") && !seen.headers.contains_key("http2-settings"), "{seen:?}");
        assert_eq!(seen.body, b"ok");
    }
}

#[tokio::test]
async fn a_head_request_gets_no_body_and_leaves_the_connection_in_step() {
    let app = App::http().otherwise(reply("a body")).start().await;
    let (_a, b) = pair(&app).await;
    let mut connection = b.raw().await;
    connection.write("HEAD /v1.0/invoke/a/method/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let first = connection.read_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
    assert!(first.starts_with("HTTP/1.1 200") && first.ends_with("\r\n\r\n"), "{first}");
    connection.write("GET /v1.0/invoke/a/method/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let second = connection.read(Duration::from_secs(5)).await;
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    assert_eq!(app.requests("/y").len(), 1);
}

#[tokio::test]
async fn a_continuation_is_granted_to_who_expects_it() {
    let app = App::http().otherwise(echo()).start().await;
    let (_a, b) = pair(&app).await;
    let mut connection = b.raw().await;
    connection.write(format!("{START}Expect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")).await;
    let interim = connection.read_until(Duration::from_secs(5), |text| text.contains("\r\n\r\n")).await;
    assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");
    connection.write("ok").await;
    let answer = connection.read(Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(app.only("/x").body, b"ok");
}

#[tokio::test]
async fn answers_with_two_readings_are_not_passed_on_as_two() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokHTTP/1.1 200 OK\r\nX-Hidden: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nX-Hidden: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Hidden: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nX-Hidden: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let app = App::answering_bytes(bytes).start().await;
        let (_a, b) = pair(&app).await;
        for _ in 0..2 {
            let request = format!("{START}Connection: close\r\nContent-Length: 0\r\n\r\n");
            let answer = RawHttp1::exchange(b.http_port(), request).await;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{bytes:?}: {answer}");
            assert!(!answer.to_lowercase().contains("x-hidden"), "{bytes:?}: {answer}");
        }
    }
}
