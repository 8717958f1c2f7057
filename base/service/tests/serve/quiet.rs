//! A connection of HTTP/1.1 on which nothing happens is only a socket, and nobody can tell.

use std::time::{Duration, Instant};

use service::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::frames::{PREFACE, Peer, SETTINGS, STATUS_200, frame, get};
use crate::server::{LARGE, start};

/// More than twice as long as a connection is kept ready for its next request.
const QUIET: Duration = Duration::from_millis(1200);
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn ask(peer: &mut Peer) {
    peer.send(HEAD).await;
    answered(peer).await;
}

/// Reads the head of an answer.
async fn answered(peer: &mut Peer) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_secs(10), peer.stream.read_exact(&mut byte)).await;
        read.unwrap().unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
}

#[tokio::test]
async fn half_a_head_behind_a_request_is_not_lost() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::connect(server.port).await;
    let (first, second) = HEAD.split_at(10);
    peer.send(&[HEAD, first].concat()).await;
    answered(&mut peer).await;
    tokio::time::sleep(QUIET).await;
    peer.send(second).await;
    answered(&mut peer).await;
    tokio::time::sleep(QUIET).await;
    ask(&mut peer).await;
}

#[tokio::test]
async fn half_a_head_on_a_connection_that_was_quiet_is_cut() {
    let limit = Duration::from_millis(200);
    let server = start(ServeOptions { header_read_timeout: limit, ..ServeOptions::default() }).await;
    for early in [true, false] {
        let mut peer = Peer::connect(server.port).await;
        let half = HEAD.split_at(10).0;
        peer.send(&if early { [HEAD, half].concat() } else { HEAD.to_vec() }).await;
        answered(&mut peer).await;
        tokio::time::sleep(if early { Duration::ZERO } else { QUIET }).await;
        let began = Instant::now();
        if !early {
            peer.send(half).await;
        }
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), peer.stream.read_to_end(&mut rest)).await;
        end.unwrap().unwrap();
        assert!(began.elapsed() >= limit && began.elapsed() < QUIET + limit * 5, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_request_that_takes_its_time_is_no_silence() {
    let server = start(ServeOptions::default()).await;
    let mut slow = Peer::connect(server.port).await;
    slow.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na").await;
    let mut large = Peer::connect(server.port).await;
    large.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(QUIET).await;
    slow.send(b"b").await;
    answered(&mut slow).await;
    let mut body = [0; 2];
    slow.stream.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"ab");
    // All of it was with the server's half of the connection, but not with the kernel.
    answered(&mut large).await;
    let mut body = vec![0; LARGE];
    large.stream.read_exact(&mut body).await.unwrap();
    assert!(body.iter().all(|byte| *byte == b'x'));
    ask(&mut large).await;
}

#[tokio::test]
async fn a_stop_closes_quiet_connections_at_once() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::connect(server.port).await;
    ask(&mut peer).await;
    tokio::time::sleep(QUIET).await;
    let began = Instant::now();
    server.shutdown.request();
    assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0);
    server.tasks.wait().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_quiet_connection_counts_until_its_client_leaves() {
    let server = start(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let mut first = Peer::connect(server.port).await;
    ask(&mut first).await;
    tokio::time::sleep(QUIET).await;
    let mut second = Peer::connect(server.port).await;
    second.send(HEAD).await;
    let early = tokio::time::timeout(Duration::from_millis(300), second.stream.readable()).await;
    assert!(early.is_err(), "the second connection was served");
    drop(first);
    answered(&mut second).await;
}

#[tokio::test]
async fn a_connection_that_was_quiet_may_become_http_2() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::connect(server.port).await;
    ask(&mut peer).await;
    tokio::time::sleep(QUIET).await;
    let asking = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    peer.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{asking}\r\n").as_bytes()).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    peer.stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    assert_eq!(peer.response(1).await.unwrap().0, STATUS_200);
    peer.send(&get(3, "/later")).await;
    assert_eq!(peer.response(3).await.unwrap().0, STATUS_200);
}
