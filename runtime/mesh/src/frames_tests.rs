//! What the frames between sidecars promise.

use std::collections::VecDeque;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use wire::internals::InternalInvokeRequest;

use super::*;

/// Gives its steps one by one; `None` is a pause after which it is asked again.
struct Steps(VecDeque<Option<Result<Bytes, BoxError>>>);

impl http_body::Body for Steps {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.pop_front() {
            Some(Some(step)) => Poll::Ready(Some(step.map(Frame::data))),
            Some(None) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}

fn steps(steps: impl IntoIterator<Item = Option<Bytes>>) -> Body {
    service::body::boxed(Steps(steps.into_iter().map(|step| step.map(Ok)).collect()))
}

fn head() -> InternalInvokeRequest {
    InternalInvokeRequest { ver: 1, ..Default::default() }
}

/// The frames' lengths, and all their bytes.
async fn sent(mut framed: Framed) -> (Vec<usize>, Bytes) {
    let (mut lengths, mut bytes) = (Vec::new(), BytesMut::new());
    while let Some(frame) = framed.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            lengths.push(data.len());
            bytes.extend_from_slice(&data);
        }
    }
    (lengths, bytes.freeze())
}

/// Decodes messages that arrive in chunks of this size: the head of the first, and all of the body.
async fn received(bytes: Bytes, chunk: usize) -> (InternalInvokeRequest, Bytes) {
    let chunks: Vec<_> = bytes.chunks(chunk).map(|chunk| Some(Bytes::copy_from_slice(chunk))).collect();
    let mut decoder = Decoder::new(steps(chunks), 1 << 20);
    let first: wire::internals::InternalInvokeRequestStream = decoder.message().await.unwrap().unwrap();
    let pieces = Pieces::<call::CallHead>::new(decoder, first.payload, false);
    (first.request.unwrap(), pieces.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_small_body_leaves_with_its_head_and_its_end() {
    for body in [service::body::full("abc"), steps([None, Some(Bytes::from_static(b"abc"))]), service::body::empty()] {
        let (lengths, _) = sent(Framed::request(head().encode_to_vec(), body).primed().await).await;
        assert_eq!(lengths.len(), 1);
    }
    let mut framed = Framed::request(head().encode_to_vec(), service::body::full("abc")).primed().await;
    assert!(!framed.is_end_stream());
    framed.frame().await.unwrap().unwrap();
    assert!(framed.is_end_stream());
}

#[tokio::test]
async fn a_body_that_stays_silent_does_not_hold_back_its_head() {
    let body = steps([None, None, None, Some(Bytes::from_static(b"abc"))]);
    let mut framed = Framed::request(head().encode_to_vec(), body).primed().await;
    let first = framed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(!first.ends_with(b"abc"));
    let second = framed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(second.ends_with(b"abc"));
}

#[tokio::test]
async fn bodies_of_all_sizes_arrive_in_any_chunks() {
    for size in [0, 1, COPIED, COPIED + 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
        let body: Bytes = (0..size).map(|index| index as u8).collect();
        let framed = Framed::request(head().encode_to_vec(), steps([Some(body.clone())])).primed().await;
        let (_, bytes) = sent(framed).await;
        for chunk in [1, 3, 7, 1000, 16 << 10, PIECE + 20, 1 << 20] {
            let (first, arrived) = received(bytes.clone(), chunk).await;
            assert_eq!((first, arrived), (head(), body.clone()), "{size} bytes in chunks of {chunk}");
        }
    }
}

#[tokio::test]
async fn a_large_piece_is_not_copied() {
    let body = Bytes::from(vec![7; PIECE]);
    let mut framed = Framed::request(head().encode_to_vec(), service::body::full(body.clone())).primed().await;
    framed.frame().await.unwrap().unwrap();
    let piece = framed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(piece.as_ptr(), body.as_ptr());
}

#[tokio::test]
async fn a_body_that_fails_at_once_never_looks_complete() {
    let failing = || service::body::boxed(Steps(VecDeque::from([Some(Err("gone".into()))])));
    let mut request = Framed::request(head().encode_to_vec(), failing()).primed().await;
    assert!(!request.is_end_stream());
    assert!(request.frame().await.unwrap().is_err());
    let mut answer = Framed::answer(Vec::new(), failing()).primed().await;
    let trailers = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_ne!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn an_answer_ends_with_its_status_right_behind_the_body() {
    let mut answer = Framed::answer(Vec::new(), service::body::full("abc")).primed().await;
    assert!(answer.frame().await.unwrap().unwrap().is_data());
    let trailers = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert!(answer.is_end_stream());
}

#[tokio::test]
async fn a_message_that_announces_too_much_is_refused_and_reserves_little() {
    let mut start = BytesMut::from(&b"\0"[..]);
    start.put_u32(u32::MAX);
    let chunks = || [Some(start.clone().freeze()), Some(Bytes::from_static(b"x"))];
    let mut decoder = Decoder::new(steps(chunks()), 100);
    let refused = decoder.message::<call::Frame<call::CallHead>>().await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let mut decoder = Decoder::new(steps(chunks()), usize::MAX);
    decoder.message::<call::Frame<call::CallHead>>().await.unwrap().unwrap_err();
    assert!(decoder.parts.capacity() <= 2 * MAX_RESERVED);
}
