//! Answers that nobody reads cost their own stream only.

use http_body_util::BodyExt as _;
use service::body;

use crate::peer::listen;
use crate::unprocessed::{pool, send};

/// More than h2 lets small frames of a connection cost by default, and less than the window of a stream.
const EVENTS: usize = 10_000;
const EVENT: &[u8] = b"data: 0123456789\n\n";

#[tokio::test]
async fn small_events_that_nobody_reads_end_no_connection() {
    let (peer, pool) = (listen().await, pool());
    let mut answers = Vec::new();
    let first = send(&pool, &peer.address, body::full("events"));
    let mut connection = peer.accept().await;
    connection.requests(1).await;
    connection.open(1).await;
    answers.push(first.await.unwrap().unwrap());
    for stream in [3, 5, 7] {
        let sent = send(&pool, &peer.address, body::full("events"));
        connection.requests(1).await;
        connection.open(stream).await;
        answers.push(sent.await.unwrap().unwrap());
    }
    for stream in [1, 3, 5, 7] {
        for _ in 0..EVENTS {
            connection.data(stream, EVENT).await;
        }
    }
    let sent = send(&pool, &peer.address, body::full("quick"));
    connection.requests(1).await;
    connection.answer(9).await;
    assert_eq!(sent.await.unwrap().unwrap().status(), 200);
    for stream in [1, 3, 5, 7] {
        connection.end(stream).await;
    }
    for answer in answers {
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), EVENTS * EVENT.len());
    }
}
