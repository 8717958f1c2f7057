//! `Upgrade: h2c`: from HTTP/1.1 to HTTP/2 on one connection.

use std::time::Duration;

use service::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::frames::{GOAWAY, PREFACE, Peer, RST_STREAM, SETTINGS, STATUS_200, frame, get};
use crate::server::{Server, start};

const ASK: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";

/// Sends a request and reads the head of the answer.
async fn ask(peer: &mut Peer, request: &str) -> String {
    peer.send(request.as_bytes()).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// A connection that was told 101 for `path`, with the client's preface and settings sent.
async fn upgraded(server: &Server, path: &str, fields: &str) -> Peer {
    let mut peer = Peer::connect(server.port).await;
    let head = ask(&mut peer, &format!("GET {path} HTTP/1.1\r\nHost: here:80\r\n{ASK}{fields}\r\n")).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: h2c\r\n"), "{head}");
    peer.send(PREFACE).await;
    peer.send(&frame(SETTINGS, 0, 0, &[])).await;
    peer
}

#[tokio::test]
async fn the_request_that_upgrades_is_answered_as_stream_one_and_later_streams_work() {
    let server = start(ServeOptions::default()).await;
    let mut peer = upgraded(&server, "/?a=b", "x-own: 1\r\nTE: trailers\r\n").await;
    let (status, body) = peer.response(1).await.unwrap();
    assert_eq!(status, STATUS_200);
    let body = String::from_utf8(body).unwrap();
    assert_eq!(body, r#"HTTP/2.0 GET http://here:80/?a=b te="trailers" x-own="1""#);
    for stream in [3, 5, 7] {
        peer.send(&get(stream, "/later")).await;
        let (status, body) = peer.response(stream).await.unwrap();
        assert_eq!(status, STATUS_200);
        assert!(body.starts_with(b"HTTP/2.0 GET http://x/later"));
    }
}

#[tokio::test]
async fn a_later_request_of_a_connection_may_upgrade_it() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::connect(server.port).await;
    let head = ask(&mut peer, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let head = ask(&mut peer, &format!("GET / HTTP/1.1\r\nHost: x\r\n{ASK}\r\n")).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    // In one write, so that what follows the settings arrives together with them.
    let all = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &get(3, "/second")].concat();
    peer.send(&all).await;
    assert_eq!(peer.response(1).await.unwrap().0, STATUS_200);
    let mut again = upgraded(&server, "/", "").await;
    assert_eq!(again.response(1).await.unwrap().0, STATUS_200);
}

#[tokio::test]
async fn what_cannot_be_upgraded_is_served_over_http_1() {
    let server = start(ServeOptions::default()).await;
    let requests = [
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n{ASK}\r\nhi"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", ASK.replace("AAMAAABk", "AAMAAAB=")),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", ASK.replace("h2c", "h2")),
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let mut peer = Peer::connect(server.port).await;
        let head = ask(&mut peer, &request).await;
        assert!(head.starts_with("http/1.1 200 "), "{request}: {head}");
    }
    let server = start(ServeOptions { http2: false, ..ServeOptions::default() }).await;
    let mut peer = Peer::connect(server.port).await;
    let head = ask(&mut peer, &format!("GET / HTTP/1.1\r\nHost: x\r\n{ASK}\r\n")).await;
    assert!(head.starts_with("http/1.1 200 "), "HTTP/2 is off: {head}");
}

#[tokio::test]
async fn a_stop_lets_the_upgraded_request_finish() {
    let server = start(ServeOptions::default()).await;
    let mut peer = upgraded(&server, "/slow", "").await;
    assert_eq!(peer.receive().await.unwrap().kind, SETTINGS);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shutdown.request();
    let mut kinds = Vec::new();
    while let Some(frame) = peer.receive().await {
        assert_ne!(frame.kind, RST_STREAM);
        kinds.push(frame.kind);
        if frame.ends_stream() && frame.stream == 1 {
            break;
        }
    }
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    drop(peer);
    tokio::time::timeout(Duration::from_secs(5), server.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn limits_hold_after_an_upgrade() {
    let server = start(ServeOptions::default()).await;
    let mut peer = upgraded(&server, "/", "").await;
    peer.response(1).await.unwrap();
    let long = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")];
    let mut block = crate::frames::block(&long);
    for _ in 0..100 {
        block.extend(crate::frames::block(&[("filler", &"x".repeat(100))]));
    }
    peer.send(&frame(1, 5, 3, &block)).await;
    assert_ne!(peer.response(3).await.map(|(status, _)| status), Some(STATUS_200));
}

#[tokio::test]
async fn a_large_head_and_a_token_are_carried_over() {
    let server = start(ServeOptions { max_header_bytes: 64 << 10, ..ServeOptions::default() }).await;
    let large = "x".repeat(40_000);
    let mut peer = upgraded(&server, "/", &format!("large: {large}\r\ndapr-api-token: secret\r\n")).await;
    let (status, body) = peer.response(1).await.unwrap();
    assert_eq!(status, STATUS_200);
    let body = String::from_utf8(body).unwrap();
    assert_eq!(body, format!(r#"HTTP/2.0 GET http://here:80/ dapr-api-token="secret" large="{large}""#));
}

#[tokio::test]
async fn a_client_that_never_begins_with_http_2_is_cut() {
    let limit = Duration::from_millis(200);
    let server = start(ServeOptions { header_read_timeout: limit, ..ServeOptions::default() }).await;
    for unexpected in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\nFiller: fill\r\n\r\n"] {
        let mut peer = Peer::connect(server.port).await;
        ask(&mut peer, &format!("GET / HTTP/1.1\r\nHost: x\r\n{ASK}\r\n")).await;
        peer.stream.write_all(unexpected).await.unwrap();
        let mut rest = Vec::new();
        let _ = peer.stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "closed without an answer");
    }
    server.is_responsive().await;
}
