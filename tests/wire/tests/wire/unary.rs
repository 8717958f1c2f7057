//! A gRPC call with one message each way is answered the same however its message comes: in one piece, in parts, packed.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use prost::Message;
use testkit::Sidecar;
use tokio_stream::wrappers::ReceiverStream;
use wire::common::StateItem;
use wire::runtime::{GetMetadataRequest, GetStateRequest, GetStateResponse, SaveStateRequest};

/// Headers, body and trailers of an answer.
type Answered = (HeaderMap, Bytes, Option<HeaderMap>);

fn message(content: &[u8], flag: u8) -> Vec<u8> {
    let mut message = vec![flag];
    message.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    message.extend(content);
    message
}

/// Calls a method of the Dapr service; the pieces of the body come one after the other.
async fn call(a: &Sidecar, method: &str, encoding: Option<&str>, pieces: Vec<Frame<Bytes>>) -> Answered {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, tonic::Status>>(1);
    let body = tonic::body::Body::new(StreamBody::new(ReceiverStream::new(receiver)));
    let path = format!("/dapr.proto.runtime.v1.Dapr/{method}");
    let mut request = Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let sent = async {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            // The answer may come before all is sent.
            let _ = sender.send(Ok(piece)).await;
        }
        drop(sender);
    };
    let channel = a.channel().await;
    let (answer, ()) = tokio::join!(channel.send(request.body(body).unwrap()), sent);
    let (head, body) = answer.unwrap().into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (head.headers, collected.to_bytes(), trailers)
}

fn data(bytes: &[u8]) -> Frame<Bytes> {
    Frame::data(Bytes::copy_from_slice(bytes))
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(content).unwrap();
    message(&packer.finish().unwrap(), 1)
}

/// The answer to a message in one piece, which is also that to the same in parts and packed.
async fn same(a: &Sidecar, method: &str, content: &[u8]) -> Answered {
    let whole = message(content, 0);
    let first = call(a, method, None, vec![data(&whole)]).await;
    let (start, end) = whole.split_at(whole.len() / 2);
    assert_eq!(call(a, method, None, vec![data(start), data(end)]).await, first, "in parts");
    assert_eq!(call(a, method, Some("gzip"), vec![data(&packed(content))]).await, first, "packed");
    let told = Frame::trailers([("x-own".parse().unwrap(), "1".parse().unwrap())].into_iter().collect());
    assert_eq!(call(a, method, None, vec![data(&whole), told]).await, first, "with trailers");
    first
}

#[tokio::test]
async fn an_answer_is_the_same_however_its_request_comes() {
    let a = Sidecar::named("a").memory_store("store").start().await;
    let item = StateItem { key: "key".to_owned(), value: b"value".to_vec().into(), ..StateItem::default() };
    let save = SaveStateRequest { store_name: "store".to_owned(), states: vec![item] };
    let (head, body, trailers) = call(&a, "SaveState", None, vec![data(&message(&save.encode_to_vec(), 0))]).await;
    assert_eq!((head["content-type"].to_str().unwrap(), &*body), ("application/grpc", &[0_u8; 5][..]));
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    let get = |store: &str| {
        let request = GetStateRequest { store_name: store.to_owned(), key: "key".to_owned(), ..Default::default() };
        request.encode_to_vec()
    };
    let (_, body, trailers) = same(&a, "GetState", &get("store")).await;
    assert_eq!(GetStateResponse::decode(&body[5..]).unwrap().data.as_ref(), b"value");
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    let (head, body, _) = same(&a, "GetState", &get("none")).await;
    assert!(head["grpc-status"] != "0" && head.contains_key("grpc-message") && body.is_empty());
    let (head, ..) = same(&a, "GetState", b"\xff\xff\xff").await;
    assert_eq!(head["grpc-status"], "13");
    let metadata = message(&GetMetadataRequest::default().encode_to_vec(), 0);
    let (_, body, _) = call(&a, "GetMetadata", None, vec![data(&metadata)]).await;
    assert!(body.len() > 5);
    let (head, ..) = call(&a, "GetState", None, vec![]).await;
    assert_eq!(head["grpc-status"], "13", "there is no message");
    let (head, ..) = call(&a, "GetState", None, vec![data(&[0; 3])]).await;
    assert_ne!(head["grpc-status"], "0", "it ends inside a message");
}
