//! The requests of one HTTP/2 connection share its task, and nothing else.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use service::{Http2Keepalive, ServeOptions, Tasks, body};
use tokio::net::TcpStream;

use crate::frames::{ACK, DATA, GOAWAY, PING, Peer, RST_STREAM, STATUS_200, WINDOW_UPDATE, frame, get};
use crate::server::{LONG, start};

/// More requests than a connection runs itself where there are threads.
const CROWD: u32 = 100;

async fn ask(port: u16, path: &'static str) -> Response<Incoming> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    Tasks::new().spawn("a client", connection);
    let uri = format!("http://x{path}");
    sender.send_request(Request::builder().uri(uri).body(body::empty()).unwrap()).await.unwrap()
}

async fn a_crowd_waits_together() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    let began = Instant::now();
    let asked: Vec<u8> = (0..CROWD).flat_map(|index| get(2 * index + 1, "/slow")).collect();
    peer.send(&asked).await;
    let mut answered = 0;
    while answered < CROWD {
        let frame = peer.receive().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM);
        answered += u32::from(frame.ends_stream());
    }
    assert!(began.elapsed() < Duration::from_millis(300 * 10), "one waited for another");
}

#[tokio::test]
async fn requests_that_wait_stop_no_other() {
    a_crowd_waits_together().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_stop_no_other_where_there_are_threads() {
    a_crowd_waits_together().await;
}

#[tokio::test]
async fn a_body_that_panics_breaks_its_stream_and_no_other() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    peer.send(&get(1, "/slow")).await;
    peer.send(&get(3, "/panic-in-body")).await;
    assert_eq!(peer.response(3).await, None, "it was reset");
    assert_eq!(peer.response(1).await.unwrap().0, STATUS_200);
}

#[tokio::test]
async fn a_request_that_panics_when_it_is_given_up_ends_no_other() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    peer.send(&get(1, "/slow")).await;
    peer.send(&get(3, "/panic-when-dropped")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.seen.hanging.load(Ordering::SeqCst), 1);
    peer.send(&frame(RST_STREAM, 0, 3, &8_u32.to_be_bytes())).await;
    assert_eq!(peer.response(1).await.unwrap().0, STATUS_200);
    assert_eq!(server.seen.hanging.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_works_for_a_client_that_left_is_dropped() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    let asked: Vec<u8> = (0..CROWD).flat_map(|index| get(2 * index + 1, "/hang")).collect();
    peer.send(&asked).await;
    assert_eq!(server.settled(|seen| seen.hanging.load(Ordering::SeqCst)).await, CROWD as usize);
    drop(peer);
    assert_eq!(server.settled(|seen| seen.hanging.load(Ordering::SeqCst)).await, 0);
}

#[tokio::test]
async fn fields_of_http_1_connections_are_left_out_and_length_and_date_are_told() {
    let server = start(ServeOptions::default()).await;
    let answer = ask(server.port, "/of-http-1").await;
    let names: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(answer.headers()["x-kept"], "1");
    let date = answer.headers()["date"].to_str().unwrap();
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), length);
    let server = start(ServeOptions { http1: false, ..ServeOptions::default() }).await;
    assert!(!ask(server.port, "/").await.headers().contains_key("date"));
}

#[tokio::test]
async fn a_long_answer_comes_whole_as_its_reader_makes_room() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    peer.send(&get(1, "/long")).await;
    let mut got = 0;
    loop {
        let came = peer.receive().await.unwrap();
        if came.kind != DATA {
            continue;
        }
        assert!(came.payload.iter().all(|byte| *byte == b'x'));
        got += came.payload.len();
        if came.ends_stream() {
            break;
        }
        let room = u32::try_from(came.payload.len()).unwrap().to_be_bytes();
        for stream in [0, 1] {
            peer.send(&frame(WINDOW_UPDATE, 0, stream, &room)).await;
        }
    }
    assert_eq!(got, LONG);
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_left_and_one_that_does_is_not() {
    let keepalive = Http2Keepalive { interval: Duration::from_millis(100), timeout: Duration::from_millis(200) };
    let server = start(ServeOptions { http2_keepalive: Some(keepalive), ..ServeOptions::default() }).await;
    let mut silent = Peer::http2(server.port).await;
    let began = Instant::now();
    silent.send(&get(1, "/hang")).await;
    assert_eq!(silent.goaway().await, Some(0), "it is told");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(server.settled(|seen| seen.hanging.load(Ordering::SeqCst)).await, 0);
    let mut answering = Peer::http2(server.port).await;
    let mut pings = 0;
    while pings < 5 {
        let came = answering.receive().await.unwrap();
        assert_ne!(came.kind, GOAWAY);
        if came.kind == PING {
            pings += 1;
            answering.send(&frame(PING, ACK, 0, &came.payload)).await;
        }
    }
    answering.send(&get(1, "/")).await;
    assert_eq!(answering.response(1).await.unwrap().0, STATUS_200);
}
