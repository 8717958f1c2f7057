//! Encrypting and decrypting documents over HTTP. Called by the HTTP door.
//!
//! As in the target, an answer starts when it is known to be whole, so that a document that is found wrong on its way is
//! an error with a status. Only an answer longer than `HELD` starts before: then what is wrong breaks the connection off.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use blocks::crypto::{Document, Encrypt, Error, Input, InputFault};
use bytes::{Bytes, BytesMut};
use errors::ApiError;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame};
use service::body::BoxError;
use service::{Body, BodyTooLarge};
use tokio::sync::{Notify, mpsc};

use super::{Routed, respond};
use crate::Api;
use crate::context::Requested;
use crate::grpc::crypto_refusal;

/// The longest answer that is held back until it is whole: that of the longest body that the door takes unless told
/// otherwise.
const HELD: usize = 4 << 20;

/// How many pieces of a longer answer wait for a caller who first sends everything, where bodies have no limit.
const MAX_WAITING: u64 = 1024;
const PIECE: u64 = 64 << 10;

/// How many pieces wait for a caller who reads, and how long that one may take for the next.
const SHORT: usize = 16;
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) async fn encrypt(api: &Api, request: Routed) -> Response<Body> {
    let started = start_encrypting(api, request).await;
    answer(api, started).await
}

pub(super) async fn decrypt(api: &Api, request: Routed) -> Response<Body> {
    let started = start_decrypting(api, request).await;
    answer(api, started).await
}

async fn start_encrypting(api: &Api, request: Routed) -> Result<Document, ApiError> {
    let provider = api.crypto.provider(request.parameter("name")).map_err(crypto_refusal)?;
    let (context, headers) = (Requested::http(&request.headers), &request.headers);
    let truthy = ["y", "yes", "true", "t", "on", "1"];
    let omit = header(headers, "dapr-omit-decryption-key-name");
    let wanted = Encrypt {
        key: needed(headers, "dapr-key-name")?,
        algorithm: needed(headers, "dapr-key-wrap-algorithm")?,
        cipher: header(headers, "dapr-data-encryption-cipher"),
        omit_decryption_key: truthy.iter().any(|truthy| omit.trim().eq_ignore_ascii_case(truthy)),
        decryption_key: header(headers, "dapr-decryption-key-name"),
    };
    provider.encrypt(&context, &wanted, Box::new(Pieces(request.body))).await.map_err(crypto_refusal)
}

async fn start_decrypting(api: &Api, request: Routed) -> Result<Document, ApiError> {
    let provider = api.crypto.provider(request.parameter("name")).map_err(crypto_refusal)?;
    let (context, key) = (Requested::http(&request.headers), header(&request.headers, "dapr-key-name"));
    provider.decrypt(&context, &key, Box::new(Pieces(request.body))).await.map_err(crypto_refusal)
}

/// The first value of a header; empty if there is none.
fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn needed(headers: &HeaderMap, name: &str) -> Result<String, ApiError> {
    let value = header(headers, name);
    if value.is_empty() { Err(errors::bad_request(format!("missing header '{name}'"))) } else { Ok(value) }
}

/// The body of a request.
struct Pieces(Body);

#[async_trait::async_trait]
impl Input for Pieces {
    async fn next(&mut self) -> Option<Result<Bytes, InputFault>> {
        loop {
            match poll_fn(|context| Pin::new(&mut self.0).poll_frame(context)).await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_trailers) => {}
                },
                Err(error) if error.is::<BodyTooLarge>() => {
                    return Some(Err(InputFault("stream too large".to_owned())));
                }
                Err(error) => return Some(Err(InputFault(error.to_string()))),
            }
        }
    }
}

async fn answer(api: &Api, started: Result<Document, ApiError>) -> Response<Body> {
    let (mut document, mut held) = match started {
        Ok(document) => (document, BytesMut::new()),
        Err(error) => return respond::error(&error),
    };
    while held.len() <= HELD {
        match document.next().await {
            Some(Ok(piece)) => held.extend_from_slice(&piece),
            Some(Err(error)) => return respond::error(&crypto_refusal(error)),
            None => return octets(service::body::full(held)),
        }
    }
    octets(service::body::boxed(going_on(api, held.freeze(), document)))
}

fn octets(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// A long answer. Its making goes on while the caller still sends, whether or not it reads already: many callers send
/// everything first. So as much of it waits as a body may be long.
fn going_on(api: &Api, held: Bytes, mut document: Document) -> Waiting {
    let waiting = match api.limits.max_body {
        u64::MAX => MAX_WAITING,
        limit => (limit / PIECE).saturating_add(2),
    };
    let most = tokio::sync::Semaphore::MAX_PERMITS;
    let (sender, receiver) = mpsc::channel(usize::try_from(waiting).unwrap_or(most).min(most));
    let taken = Arc::new(Notify::new());
    let mut making = Making { sender, taken: Arc::clone(&taken), patient: true };
    // The handle is not needed: the task ends with the caller.
    drop(api.tasks.spawn("making a document", async move {
        loop {
            let piece = match document.next().await {
                Some(Ok(bytes)) => Piece::Bytes(bytes),
                Some(Err(error)) => Piece::Broken(error),
                None => Piece::Whole,
            };
            let over = !matches!(piece, Piece::Bytes(_));
            if !making.hand_over(piece).await || over {
                return;
            }
        }
    }));
    Waiting { held: Some(held), receiver: Some(receiver), taken }
}

enum Piece {
    Bytes(Bytes),
    Broken(Error),
    Whole,
}

/// The side that makes a long answer.
struct Making {
    sender: mpsc::Sender<Piece>,
    taken: Arc<Notify>,
    /// Whether the caller has been reading lately.
    patient: bool,
}

impl Making {
    /// Puts a piece into the queue; whether the caller is still there. A caller who reads is waited for, so that the queue
    /// stays short; one who does not is taken to send first.
    async fn hand_over(&mut self, piece: Piece) -> bool {
        let waiting = self.sender.max_capacity() - self.sender.capacity();
        if waiting < SHORT {
            self.patient = true;
        } else if self.patient {
            tokio::select! {
                read = tokio::time::timeout(PATIENCE, self.taken.notified()) => self.patient = read.is_ok(),
                () = self.sender.closed() => return false,
            }
        }
        self.sender.send(piece).await.is_ok()
    }
}

/// What is left of a long answer. It is whole only where the last piece says so.
struct Waiting {
    held: Option<Bytes>,
    receiver: Option<mpsc::Receiver<Piece>>,
    taken: Arc<Notify>,
}

impl HttpBody for Waiting {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(held))));
        }
        let Some(receiver) = &mut self.receiver else { return Poll::Ready(None) };
        let piece = std::task::ready!(receiver.poll_recv(context));
        self.taken.notify_one();
        if let Some(Piece::Bytes(bytes)) = piece {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        self.receiver = None;
        Poll::Ready(match piece {
            Some(Piece::Whole) => None,
            Some(Piece::Broken(error)) => Some(Err(error.into())),
            _ => Some(Err("the document broke off".into())),
        })
    }
}
