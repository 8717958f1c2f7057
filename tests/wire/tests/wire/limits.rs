//! Sizes are bounded, with the right answer at the edge, and memory stays bounded beyond it (SEC-11).

use std::time::Duration;

use testkit::{
    App, Arrived, BoxedBody, Frame, RawHttp2, Sidecar, body_of, channel_body, echo, header_block, ours_only, reply,
};
use tonic::Code;
use wire::Any;
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest};
use wire::runtime::InvokeServiceRequest;

/// Answers with the length of the body, once it is there.
async fn counted(arrived: Arrived) -> http::Response<BoxedBody> {
    match arrived.read().await {
        Ok(body) => http::Response::new(body_of(body.len().to_string())),
        Err(_) => http::Response::builder().status(400).body(body_of("")).unwrap(),
    }
}

async fn limited(app: &App) -> Sidecar {
    Sidecar::named("a").app(app).memory_store("store").flag("--max-body-size=2Ki").start().await
}

#[tokio::test]
async fn a_body_of_the_limit_passes_and_one_byte_more_does_not() {
    let app = App::http().route("/count", counted).start().await;
    let a = limited(&app).await;
    assert_eq!(a.invoke("a", "count").body(vec![b'x'; 2048]).send().await.status, 200);
    let over = a.invoke("a", "count").body(vec![b'x'; 2049]).send().await;
    assert_eq!(over.status, 500, "{over:?}");
    assert!(over.text().contains("too large"), "{over:?}");
    assert!(app.requests("/count").iter().all(|seen| seen.body.len() <= 2048));
    let value = |length: usize| format!("[{{\"key\":\"k\",\"value\":\"{}\"}}]", "x".repeat(length - 24));
    assert_eq!(value(2048).len(), 2048);
    assert_eq!(a.post("/v1.0/state/store").body(value(2048)).send().await.status, 204);
    let over = a.post("/v1.0/state/store").body(value(2049)).send().await;
    assert_eq!((over.status, over.error_code().as_str()), (400, "ERR_MALFORMED_REQUEST"));
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    let app = App::http().route("/echo", echo()).start().await;
    let a = limited(&app).await;
    let (writer, body) = channel_body();
    let call = testkit::spawn(a.invoke("a", "echo").stream(body).try_send());
    for _ in 0..64 {
        if writer.send(Ok(vec![b'x'; 1024].into())).await.is_err() {
            break;
        }
    }
    drop(writer);
    let answer = call.await.unwrap();
    assert!(!answer.as_ref().is_ok_and(|answer| answer.status == 200 && answer.body.len() > 2048), "{answer:?}");
    for seen in app.requests("/echo") {
        assert!(seen.body.len() <= 2048, "the app got {} bytes", seen.body.len());
        assert!(!seen.complete, "the app takes a cut body for a whole one");
    }
}

#[tokio::test]
async fn grpc_messages_are_bounded_too() {
    let app = App::http().route("/echo", echo()).start().await;
    let a = Sidecar::named("a").app(&app).flag("--max-body-size=128Ki").start().await;
    let mut dapr = a.dapr().await;
    let request = |length: usize| {
        let data = Some(Any::from_bytes(vec![b'x'; length].into()));
        let http_extension = Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() });
        let message = InvokeRequest { method: "echo".to_owned(), data, http_extension, ..InvokeRequest::default() };
        InvokeServiceRequest { id: "a".to_owned(), message: Some(message) }
    };
    dapr.invoke_service(request((128 << 10) - 64)).await.unwrap();
    let error = dapr.invoke_service(request((128 << 10) + 1)).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error:?}");
}

#[tokio::test]
async fn an_answer_of_the_app_is_not_bounded() {
    let large = |_: Arrived| async { http::Response::new(body_of(vec![b'x'; 6 << 20])) };
    let app = App::http().route("/large", large).start().await;
    let (_a, b) = crate::pair(&app).await;
    let answer = b.invoke("a", "large").send().await;
    assert_eq!((answer.status, answer.body.len()), (200, 6 << 20));
}

#[tokio::test]
async fn headers_are_bounded_by_the_read_buffer() {
    let app = App::http().route("/x", reply("")).start().await;
    let a = Sidecar::named("a").app(&app).flag("--read-buffer-size=16Ki").start().await;
    let answer = a.invoke("a", "x").header("x-large", "x".repeat(12 << 10)).send().await;
    assert_eq!(answer.status, 200);
    let answer = a.invoke("a", "x").header("x-large", "x".repeat(40 << 10)).send().await;
    assert_eq!(answer.status, 431);
    assert_eq!(app.requests("/x").len(), 1);
}

#[tokio::test]
async fn a_hundred_thousand_headers_harm_nobody() {
    let app = App::http().route("/x", reply("ok")).start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    let before = a.memory().resident;
    let mut request = "POST /v1.0/invoke/a/method/x HTTP/1.1\r\nHost: x\r\n".to_owned();
    for number in 0..100_000 {
        request.push_str(&format!("x-{number}: {number}\r\n"));
    }
    request.push_str("Content-Length: 0\r\n\r\n");
    let answer = testkit::RawHttp1::exchange(a.http_port(), &request).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(app.requests("/x").is_empty());
    assert_eq!(a.invoke("a", "x").send().await.text(), "ok");
    let more = a.memory().resident.saturating_sub(before) >> 20;
    assert!(more < 32, "{more} MiB more");
}

#[tokio::test]
async fn json_of_great_depth_is_an_error_and_not_a_crash() {
    let app = App::http().start().await;
    let mut a = Sidecar::named("a").app(&app).memory_store("store").start().await;
    let deep = format!("[{{\"key\":\"k\",\"value\":{}{}}}]", "[".repeat(500_000), "]".repeat(500_000));
    let answer = a.post("/v1.0/state/store").body(deep).send().await;
    assert!(matches!(answer.status, 204 | 400), "{}", answer.status);
    let deep = "[".repeat(1_000_000);
    for path in ["/v1.0/state/store", "/v1.0/state/store/bulk", "/v1.0/state/store/transaction"] {
        let answer = a.post(path).body(deep.clone()).send().await;
        assert_eq!(answer.status, 400, "{path}");
    }
    assert!(a.is_running());
}

#[tokio::test]
async fn a_length_prefix_of_two_gigabytes_reserves_nothing() {
    let app = App::grpc().start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    let before = a.memory().resident;
    for (port, path) in [
        (a.grpc_port(), "/dapr.proto.runtime.v1.Dapr/InvokeService"),
        (a.internal_port(), "/dapr.proto.internals.v1.ServiceInvocation/CallLocal"),
        (a.internal_port(), "/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream"),
    ] {
        let mut connection = RawHttp2::connect(port, &[]).await;
        let block = header_block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", path),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]);
        let data = [0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3];
        connection.send_all(&[Frame::new(1, 4, 1, block), Frame::new(0, 0, 1, data)]).await;
        let refused = connection.wait_for(Duration::from_secs(5), |frame| frame.stream == 1).await;
        assert!(refused.is_some_and(|frame| matches!(frame.kind, 1 | 3)), "{path}");
    }
    let more = a.memory().resident.saturating_sub(before) >> 20;
    assert!(more < 32, "{more} MiB more");
}

/// A gzip stream that unpacks to `mebibytes` of nothing: each takes about a KiB of it. Its checksum, at the end, is wrong.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let (mut block, nothing) = (Vec::with_capacity(8 << 10), vec![0; 1 << 20]);
    let mut packer = flate2::Compress::new(flate2::Compression::best(), false);
    packer.compress_vec(&nothing, &mut block, flate2::FlushCompress::Full).unwrap();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    [&header[..], &block.repeat(mebibytes), &[3, 0], &[0; 8]].concat()
}

#[tokio::test]
async fn a_packed_message_is_held_to_the_limit_of_what_it_unpacks_to() {
    let app = App::http().route("/echo", echo()).start().await;
    let a = Sidecar::named("a").app(&app).memory_store("store").flag("--max-body-size=2Mi").start().await;
    let before = a.memory().resident;
    for (mebibytes, packed_at_most) in [(3, 8 << 10), (1024, 2 << 20)] {
        let bomb = bomb(mebibytes);
        assert!(bomb.len() < packed_at_most, "{} bytes", bomb.len());
        let message = [&[1][..], &u32::try_from(bomb.len()).unwrap().to_be_bytes(), &bomb].concat();
        for method in ["InvokeService", "SaveState", "GetBulkSecret"] {
            let path = format!("/dapr.proto.runtime.v1.Dapr/{method}");
            let call = testkit::Call::to(a.grpc_port(), "POST", &path).http2().body(message.clone());
            let call = call.header("content-type", "application/grpc").header("te", "trailers");
            let refused = call.header("grpc-encoding", "gzip").send().await;
            let status = refused.trailers.as_ref().unwrap_or(&refused.headers);
            assert_eq!(status["grpc-status"], "8", "{method}: {refused:?}");
        }
    }
    let more = a.memory().peak.saturating_sub(before) >> 20;
    assert!(more < 32, "{more} MiB more");
    assert!(app.requests("/echo").is_empty());
}

#[tokio::test]
async fn a_large_body_streams_without_being_held() {
    ours_only!("the reference keeps more than this of large bodies");
    let app = App::http().route("/count", counted).start().await;
    let (a, b) = tokio::join!(
        Sidecar::named("a").app(&app).flag("--max-body-size=256Mi").start(),
        Sidecar::named("b").flag("--max-body-size=256Mi").start()
    );
    let before = [a.memory().resident, b.memory().resident];
    let (writer, body) = channel_body();
    let call = testkit::spawn(b.invoke("a", "count").stream(body).try_send());
    let piece = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    let mut most = [0, 0];
    for _ in 0..128 {
        writer.send(Ok(piece.clone())).await.unwrap();
        most = [most[0].max(a.memory().resident), most[1].max(b.memory().resident)];
    }
    drop(writer);
    assert_eq!(call.await.unwrap().unwrap().text(), (128 << 20).to_string());
    for (most, before) in most.into_iter().zip(before) {
        let more = most.saturating_sub(before) >> 20;
        assert!(more < 32, "{more} MiB more");
    }
}
