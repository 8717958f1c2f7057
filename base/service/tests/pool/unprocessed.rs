//! What a peer provably did not process is sent again over another connection; what it may have processed never is.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use service::dial::{Dialer, Endpoint};
use service::{Body, BoxError, Connections, Lifetimes, SendError, Tasks, body};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::peer::{INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, listen};

pub(crate) type Sent = JoinHandle<Result<Response<Body>, SendError>>;

/// A body that a test writes.
struct Pieces(mpsc::Receiver<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

pub(crate) fn pool() -> Connections {
    Connections::new(Dialer::plain(), false, Lifetimes::default(), Tasks::new())
}

fn request(body: Body) -> Request<Body> {
    Request::builder().method(Method::POST).uri("http://peer/x").body(body).unwrap()
}

pub(crate) fn send(pool: &Connections, address: &str, body: Body) -> Sent {
    let (pool, address) = (pool.clone(), address.to_owned());
    Tasks::new().spawn("a request", async move {
        let sending = pool.send(Endpoint { address: &address, peer: "" }, request(body));
        tokio::time::timeout(Duration::from_secs(20), sending).await.expect("an outcome in time")
    })
}

fn bodies(requests: BTreeMap<u32, Vec<u8>>) -> Vec<Vec<u8>> {
    let mut bodies: Vec<_> = requests.into_values().collect();
    bodies.sort();
    bodies
}

fn is_broken(outcome: &Result<Response<Body>, SendError>) -> bool {
    matches!(outcome, Err(SendError::Broken { .. }))
}

#[tokio::test]
async fn requests_that_a_goaway_leaves_out_are_sent_again_and_the_others_are_answered() {
    let (peer, pool) = (listen().await, pool());
    let sent: Vec<Sent> = ["one", "two", "three"].map(|text| send(&pool, &peer.address, body::full(text))).into();
    let mut first = peer.accept().await;
    let mut arrived = first.requests(3).await;
    assert_eq!(arrived.keys().copied().collect::<Vec<_>>(), [1, 3, 5]);
    first.go_away(1).await;
    let mut second = peer.accept().await;
    let again = second.requests(2).await;
    for stream in again.keys() {
        second.answer(*stream).await;
    }
    first.answer(1).await;
    for outcome in sent {
        assert_eq!(outcome.await.unwrap().unwrap().status(), 200);
    }
    arrived.remove(&1);
    assert_eq!(bodies(again), bodies(arrived), "whole and only those");
    assert!(first.is_left().await, "the old connection ends with its last answer");
    assert!(peer.is_quiet().await);
}

#[tokio::test]
async fn a_request_that_a_goaway_covers_is_not_sent_again() {
    let (peer, pool) = (listen().await, pool());
    let sent = send(&pool, &peer.address, body::full("one"));
    let mut first = peer.accept().await;
    first.requests(1).await;
    first.go_away(1).await;
    drop(first);
    assert!(is_broken(&sent.await.unwrap()));
    assert!(peer.is_quiet().await);
}

#[tokio::test]
async fn a_connection_that_closes_without_a_word_breaks_its_requests() {
    let (peer, pool) = (listen().await, pool());
    let sent = send(&pool, &peer.address, body::full("one"));
    let mut first = peer.accept().await;
    first.requests(1).await;
    drop(first);
    assert!(is_broken(&sent.await.unwrap()));
    let sent = send(&pool, &peer.address, body::full("two"));
    let mut second = peer.accept().await;
    second.requests(1).await;
    second.answer(1).await;
    assert_eq!(sent.await.unwrap().unwrap().status(), 200, "the next request gets a connection of its own");
}

#[tokio::test]
async fn a_refused_request_is_sent_again_over_another_connection() {
    let (peer, pool) = (listen().await, pool());
    let sent = send(&pool, &peer.address, body::full("one"));
    let mut first = peer.accept().await;
    first.requests(1).await;
    first.reset(1, REFUSED_STREAM).await;
    let mut second = peer.accept().await;
    assert_eq!(bodies(second.requests(1).await), [b"one"]);
    second.answer(1).await;
    assert_eq!(sent.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_that_is_reset_for_another_reason_is_not_sent_again() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        let (peer, pool) = (listen().await, pool());
        let sent = send(&pool, &peer.address, body::full("one"));
        let mut first = peer.accept().await;
        first.requests(1).await;
        first.reset(1, code).await;
        assert!(is_broken(&sent.await.unwrap()), "{code}");
        assert!(peer.is_quiet().await);
    }
}

#[tokio::test]
async fn a_request_that_two_connections_refuse_comes_back_whole() {
    let (peer, pool) = (listen().await, pool());
    let sent = send(&pool, &peer.address, body::full("one"));
    let mut connections = Vec::new();
    for _ in 0..2 {
        let mut connection = peer.accept().await;
        connection.requests(1).await;
        connection.reset(1, REFUSED_STREAM).await;
        connections.push(connection);
    }
    let Err(SendError::NotSent { request, .. }) = sent.await.unwrap() else { panic!("it was not processed") };
    assert_eq!(request.uri(), "http://peer/x");
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "one");
    assert!(peer.is_quiet().await);
}

#[tokio::test]
async fn a_streaming_body_goes_on_over_the_other_connection() {
    let (peer, pool) = (listen().await, pool());
    let (writer, pieces) = mpsc::channel::<Bytes>(4);
    let sent = send(&pool, &peer.address, body::boxed(Pieces(pieces)));
    let mut first = peer.accept().await;
    writer.send("one;".into()).await.unwrap();
    assert_eq!(first.bytes(4).await, 1);
    first.go_away(0).await;
    let mut second = peer.accept().await;
    second.bytes(4).await;
    writer.send("two;".into()).await.unwrap();
    drop(writer);
    assert_eq!(bodies(second.requests(1).await), [b"one;two;"]);
    second.answer(1).await;
    assert_eq!(sent.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_refused_request_of_which_too_much_was_sent_is_broken() {
    let (peer, pool) = (listen().await, pool());
    let mut first = {
        let sending = send(&pool, &peer.address, body::full(vec![b'x'; 64 << 10]));
        let mut first = peer.accept().await;
        first.bytes(1).await;
        first.reset(1, REFUSED_STREAM).await;
        let mut second = peer.accept().await;
        second.bytes(1).await;
        second.answer(1).await;
        assert_eq!(sending.await.unwrap().unwrap().status(), 200, "as much as is kept");
        second
    };
    let sent = send(&pool, &peer.address, body::full(vec![b'x'; (64 << 10) + 1]));
    let stream = first.bytes(1).await;
    first.reset(stream, REFUSED_STREAM).await;
    assert!(is_broken(&sent.await.unwrap()));
}

#[tokio::test]
async fn a_connection_that_is_closed_right_after_it_was_accepted_has_taken_no_request() {
    let (peer, pool) = (listen().await, pool());
    let sent = send(&pool, &peer.address, body::full("one"));
    drop(peer.socket().await);
    let Err(SendError::NotSent { request, reason }) = sent.await.unwrap() else { panic!("nothing was sent") };
    assert!(reason.starts_with(&format!("connection error: handshake with {}: ", peer.address)), "{reason}");
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "one");
    let sent = send(&pool, &peer.address, body::full("two"));
    let mut second = peer.accept().await;
    second.requests(1).await;
    second.answer(1).await;
    assert_eq!(sent.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_that_went_away_while_idle_costs_no_request() {
    let (peer, pool) = (listen().await, pool());
    let mut connection = {
        let sent = send(&pool, &peer.address, body::full("one"));
        let mut connection = peer.accept().await;
        connection.requests(1).await;
        connection.answer(1).await;
        sent.await.unwrap().unwrap();
        connection
    };
    for _ in 0..50 {
        connection.go_away(1).await;
        let sent = send(&pool, &peer.address, body::full("two"));
        let mut next = peer.accept().await;
        next.requests(1).await;
        next.answer(1).await;
        assert_eq!(sent.await.unwrap().unwrap().status(), 200);
        connection = next;
    }
}
