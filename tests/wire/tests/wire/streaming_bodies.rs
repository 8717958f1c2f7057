//! Bodies pass as they come, both ways at once, and a body that broke off never looks whole.

use std::time::Duration;

use bytes::Bytes;
use testkit::{App, Arrived, Sidecar, abort_after, body_of, channel_body, echo, ours_only};

use crate::pair;

/// An app whose answer to `/stream` is written by the test.
async fn app_with_streams(content_type: &'static str) -> (App, tokio::sync::mpsc::UnboundedReceiver<Writer>) {
    let (writers, given) = tokio::sync::mpsc::unbounded_channel();
    let open = move |_: Arrived| {
        let (writer, body) = channel_body();
        writers.send(writer).unwrap();
        std::future::ready(http::Response::builder().header("content-type", content_type).body(body).unwrap())
    };
    (
        App::http().route("/stream", open).route("/echo", echo()).route("/abort", abort_after("half")).start().await,
        given,
    )
}

type Writer = tokio::sync::mpsc::Sender<Result<Bytes, &'static str>>;

#[tokio::test]
async fn server_sent_events_pass_as_they_come() {
    let (app, mut writers) = app_with_streams("text/event-stream").await;
    let (_a, b) = pair(&app).await;
    let opening = testkit::spawn(b.get("/v1.0/invoke/a/method/stream").header("accept", "text/event-stream").open());
    let writer = writers.recv().await.unwrap();
    writer.send(Ok(Bytes::from_static(b"data: 1\n\n"))).await.unwrap();
    let mut events = opening.await.unwrap();
    assert_eq!(events.status(), 200);
    assert_eq!(events.until("\n\n").await, "data: 1\n\n");
    for number in 2..5 {
        let event = format!("data: {number}\n\n");
        writer.send(Ok(event.clone().into())).await.unwrap();
        assert_eq!(events.until("\n\n").await, event);
    }
    drop(writer);
    assert_eq!(events.piece().await, Ok(None));
}

#[tokio::test]
async fn chunked_answers_pass_as_they_come() {
    let (app, mut writers) = app_with_streams("application/x-pieces").await;
    let (_a, b) = pair(&app).await;
    let opening = testkit::spawn(b.get("/v1.0/invoke/a/method/stream").open());
    let writer = writers.recv().await.unwrap();
    writer.send(Ok(Bytes::from_static(b"first;"))).await.unwrap();
    let mut pieces = opening.await.unwrap();
    assert_eq!(pieces.until(";").await, "first;");
    writer.send(Ok(Bytes::from_static(b"second;"))).await.unwrap();
    assert_eq!(pieces.until(";").await, "second;");
}

#[tokio::test]
async fn chunked_requests_pass_as_they_come() {
    let app = App::http().route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    let (writer, body) = channel_body();
    let opening = testkit::spawn(b.invoke("a", "echo").stream(body).open());
    writer.send(Ok(Bytes::from_static(b"first;"))).await.unwrap();
    app.saw("/echo", |request| request.body == b"first;" && !request.complete).await;
    writer.send(Ok(Bytes::from_static(b"second;"))).await.unwrap();
    app.saw("/echo", |request| request.body == b"first;second;").await;
    drop(writer);
    assert_eq!(opening.await.unwrap().finish().await.unwrap().text(), "first;second;");
}

#[tokio::test]
async fn request_and_answer_pass_interleaved() {
    ours_only!("the reference reads a request over HTTP/1.1 to its end before it passes the answer");
    let app = App::http().route("/echo", echo()).start().await;
    let (_a, b) = pair(&app).await;
    let (writer, body) = channel_body();
    let opening = testkit::spawn(b.invoke("a", "echo").stream(body).open());
    writer.send(Ok(Bytes::from_static(b"0;"))).await.unwrap();
    let mut answer = opening.await.unwrap();
    assert_eq!(answer.until(";").await, "0;");
    for number in 1..20 {
        let piece = format!("{number};");
        writer.send(Ok(piece.clone().into())).await.unwrap();
        assert_eq!(answer.until(";").await, piece);
    }
    drop(writer);
    assert_eq!(answer.piece().await, Ok(None));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_whole() {
    ours_only!("the reference ends a broken answer as if it were whole");
    let (app, _writers) = app_with_streams("text/plain").await;
    let (a, b) = pair(&app).await;
    for caller in [&a, &b] {
        let answer = caller.invoke("a", "abort").try_send().await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let answer = b.invoke("a", "abort").http2().try_send().await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_request_that_breaks_off_is_never_whole() {
    let app = App::http().route("/echo", echo()).start().await;
    let (a, b) = pair(&app).await;
    for (count, caller) in [&a, &b].into_iter().enumerate() {
        let (writer, body) = channel_body();
        let call = testkit::spawn(caller.invoke("a", "echo").stream(body).try_send());
        writer.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
        while app.requests("/echo").iter().filter(|request| request.body == b"half").count() <= count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        writer.send(Err("the caller breaks off")).await.unwrap();
        let _ = call.await.unwrap();
        app.saw("/echo", |request| request.body == b"half" && (request.broken || !request.open)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(app.requests("/echo").iter().all(|request| !request.complete));
}

#[tokio::test]
async fn an_answer_cut_short_of_its_length_passes_without_that_length() {
    let app = App::answering_bytes(&b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"[..]).start().await;
    let (a, b) = pair(&app).await;
    for caller in [&a, &b] {
        let answer = caller.invoke("a", "x").send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "half"));
        assert!(!answer.values("content-length").contains(&"10".to_owned()));
    }
}

/// Answers with the status and as many bytes as the query says.
async fn sized(arrived: Arrived) -> http::Response<testkit::BoxedBody> {
    let (status, length) = arrived.uri.query().unwrap().split_once('&').unwrap();
    let body = body_of("x".repeat(length.parse().unwrap()));
    http::Response::builder().status(status.parse::<u16>().unwrap()).body(body).unwrap()
}

#[tokio::test]
async fn short_answers_with_an_error_and_empty_ones_have_a_length() {
    let app = App::http().route("/sized", sized).start().await;
    let (a, b) = pair(&app).await;
    for caller in [&a, &b] {
        for (status, length) in [(200, 0), (404, 0), (404, 5), (500, 2000)] {
            let answer = caller.invoke("a", &format!("sized?{status}&{length}")).body("x").send().await;
            assert_eq!((answer.status, answer.body.len()), (status, length));
            assert_eq!(answer.values("content-length"), [length.to_string()], "{status}");
            assert!(answer.values("transfer-encoding").is_empty(), "{status}");
            assert!(answer.values("trilby-length").is_empty(), "{status}");
        }
    }
}

#[tokio::test]
async fn short_answers_have_a_length_and_long_ones_pass_as_they_come() {
    ours_only!("the reference sends every answer without an error in chunks");
    let (app, mut writers) = app_with_streams("text/plain").await;
    let other = App::http().route("/sized", sized).start().await;
    let ((a, b), c) = tokio::join!(pair(&app), Sidecar::named("c").app(&other).start());
    for caller in [&b, &c] {
        for length in [1, 2048, 2049, 100_000] {
            let answer = caller.invoke("c", &format!("sized?200&{length}")).send().await;
            assert_eq!(answer.body.len(), length);
            let told = (length <= 2048).then(|| length.to_string());
            assert_eq!(answer.values("content-length"), Vec::from_iter(told));
        }
    }
    for caller in [&a, &b] {
        let opening = testkit::spawn(caller.invoke("a", "stream").open());
        let writer = writers.recv().await.unwrap();
        writer.send(Ok(Bytes::from_static(b"short"))).await.unwrap();
        let mut answer = opening.await.unwrap();
        assert_eq!(answer.until("short").await, "short", "what has no length is not waited for");
        assert!(!answer.response.headers().contains_key("content-length"));
        drop(writer);
        assert_eq!(answer.piece().await, Ok(None));
    }
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_stream_of_the_app() {
    let (app, mut writers) = app_with_streams("text/event-stream").await;
    let (_a, b) = pair(&app).await;
    let opening = testkit::spawn(b.get("/v1.0/invoke/a/method/stream").open());
    let writer = writers.recv().await.unwrap();
    writer.send(Ok(Bytes::from_static(b"data: 1\n\n"))).await.unwrap();
    let mut events = opening.await.unwrap();
    events.until("\n\n").await;
    drop(events);
    tokio::time::timeout(Duration::from_secs(10), writer.closed()).await.expect("the app is told");
}

#[tokio::test]
async fn a_body_larger_than_every_buffer_arrives_byte_for_byte() {
    let read_then_answer = |arrived: Arrived| async { http::Response::new(body_of(arrived.read().await.unwrap())) };
    let app = App::http().route("/echo", read_then_answer).start().await;
    let (_a, b) = tokio::join!(
        Sidecar::named("a").app(&app).flag("--max-body-size=64Mi").start(),
        Sidecar::named("b").flag("--max-body-size=64Mi").start()
    );
    let body: Vec<u8> = (0..16 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answer = b.invoke("a", "echo").body(body.clone()).send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
}
