//! Calls whose message is here, whole and uncompressed, when they are looked at: nearly all of methods with one message each
//! way. They are read and answered in one go. Called by the door; what is not like that, it passes to the generated service, which
//! reads it piece by piece. It must not answer anything otherwise than that service would.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use prost::Message;
use service::{Body, BoxError, single};
use tonic::Status;
use tonic::metadata::MetadataMap;
use wire::runtime::dapr_server::Dapr as _;

use super::Answering;
use super::dapr::Dapr;

/// Bytes in front of each message: a flag and a length.
const PREFIX: usize = 5;
/// Headers that are gRPC's own, whatever a method says.
const OWN: [&str; 5] = ["te", "content-type", "grpc-message", "grpc-message-type", "grpc-status"];

/// The methods of one message each way.
macro_rules! methods {
    ($($name:literal => $function:ident,)*) => {
        /// A method that has one message each way.
        pub(super) fn unary(method: &str) -> Option<&'static str> {
            match method {
                $($name => Some($name),)*
                _ => None,
            }
        }

        /// Answers a call of such a method.
        fn run(dapr: &Arc<Dapr>, method: &str, head: Parts, message: &[u8]) -> Answering {
            let dapr = Arc::clone(dapr);
            match method {
                $($name => match read(head, message) {
                    Ok(request) => Box::pin(async move { write(dapr.$function(request).await) }),
                    Err(status) => ended(status),
                },)*
                _ => ended(Status::unimplemented(format!("unknown method {method}"))),
            }
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];
    };
}

methods! {
    "InvokeService" => invoke_service,
    "GetState" => get_state,
    "GetBulkState" => get_bulk_state,
    "SaveState" => save_state,
    "DeleteState" => delete_state,
    "DeleteBulkState" => delete_bulk_state,
    "ExecuteStateTransaction" => execute_state_transaction,
    "QueryStateAlpha1" => query_state_alpha1,
    "PublishEvent" => publish_event,
    "BulkPublishEventAlpha1" => bulk_publish_event_alpha1,
    "BulkPublishEvent" => bulk_publish_event,
    "GetSecret" => get_secret,
    "GetBulkSecret" => get_bulk_secret,
    "GetConfigurationAlpha1" => get_configuration_alpha1,
    "GetConfiguration" => get_configuration,
    "UnsubscribeConfigurationAlpha1" => unsubscribe_configuration_alpha1,
    "UnsubscribeConfiguration" => unsubscribe_configuration,
    "TryLockAlpha1" => try_lock_alpha1,
    "UnlockAlpha1" => unlock_alpha1,
    "ConverseAlpha1" => converse_alpha1,
    "ConverseAlpha2" => converse_alpha2,
    "SubtleGetKeyAlpha1" => subtle_get_key_alpha1,
    "SubtleEncryptAlpha1" => subtle_encrypt_alpha1,
    "SubtleDecryptAlpha1" => subtle_decrypt_alpha1,
    "SubtleWrapKeyAlpha1" => subtle_wrap_key_alpha1,
    "SubtleUnwrapKeyAlpha1" => subtle_unwrap_key_alpha1,
    "SubtleSignAlpha1" => subtle_sign_alpha1,
    "SubtleVerifyAlpha1" => subtle_verify_alpha1,
    "GetMetadata" => get_metadata,
    "SetMetadata" => set_metadata,
    "Shutdown" => shutdown,
}

/// A call that is answered, or the request as it was.
pub(super) enum Taken {
    /// It is answered; its message had so many bytes.
    Whole(Answering, u64),
    /// It has to be read piece by piece.
    Parts(Box<Request<Body>>),
}

/// Answers a call of this method if its message is here, within the limit.
pub(super) fn take(dapr: &Arc<Dapr>, method: Option<&'static str>, request: Request<Body>, limit: u64) -> Taken {
    let Some(method) = method.filter(|_| !request.headers().contains_key("grpc-encoding")) else {
        return Taken::Parts(Box::new(request));
    };
    let (head, mut body) = request.into_parts();
    let message = match message_of(&mut body, limit) {
        Ok(message) => message,
        Err(seen) => return Taken::Parts(Box::new(Request::from_parts(head, again(seen, body)))),
    };
    let content = message.get(PREFIX..).unwrap_or_default();
    Taken::Whole(run(dapr, method, head, content), content.len() as u64)
}

fn ended(status: Status) -> Answering {
    Box::pin(std::future::ready(status.into_http()))
}

/// What was read of a body.
#[derive(Default)]
struct Seen {
    first: Option<Read>,
    second: Option<Read>,
}

type Read = Result<Frame<Bytes>, BoxError>;

/// The one message of a body, with its prefix, if all of it is here; else what was read of it.
fn message_of(body: &mut Body, limit: u64) -> Result<Bytes, Seen> {
    // Nobody waits: who reads on asks again, with a waker.
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(first)) = Pin::new(&mut *body).poll_frame(&mut context) else { return Err(Seen::default()) };
    let message = first.as_ref().ok().and_then(Frame::data_ref).filter(|data| is_whole(data, limit)).cloned();
    let Some(message) = message else { return Err(Seen { first: Some(first), second: None }) };
    if body.is_end_stream() {
        return Ok(message);
    }
    match Pin::new(body).poll_frame(&mut context) {
        Poll::Ready(None) => Ok(message),
        Poll::Ready(second) => Err(Seen { first: Some(first), second }),
        Poll::Pending => Err(Seen { first: Some(first), second: None }),
    }
}

fn is_whole(data: &[u8], limit: u64) -> bool {
    let Some(([0, length @ ..], content)) = data.split_first_chunk::<PREFIX>() else { return false };
    let length = u64::from(u32::from_be_bytes(*length));
    length == content.len() as u64 && length <= limit
}

/// The body again, from its beginning.
fn again(seen: Seen, rest: Body) -> Body {
    if seen.first.is_none() { rest } else { service::body::boxed(Again { seen, rest }) }
}

struct Again {
    seen: Seen,
    rest: Body,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.seen.first.take().or_else(|| self.seen.second.take()) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.seen.first.is_none() && self.seen.second.is_none() && self.rest.is_end_stream()
    }
}

fn read<M: Message + Default>(head: Parts, message: &[u8]) -> Result<tonic::Request<M>, Status> {
    // From a slice, so that what is kept of it does not keep the buffer of the connection.
    let message = M::decode(message).map_err(|error| Status::internal(error.to_string()))?;
    Ok(tonic::Request::from_parts(MetadataMap::from_headers(head.headers), head.extensions, message))
}

fn write<M: Message>(answer: Result<tonic::Response<M>, Status>) -> Response<Body> {
    match answer.and_then(written) {
        Ok(response) => response,
        Err(status) => status.into_http(),
    }
}

fn written<M: Message>(answer: tonic::Response<M>) -> Result<Response<Body>, Status> {
    let (metadata, message, extensions) = answer.into_parts();
    let mut headers: HeaderMap = metadata.into_headers();
    if !headers.is_empty() {
        for own in OWN {
            headers.remove(own);
        }
    }
    let length = message.encoded_len();
    let told = u32::try_from(length).map_err(|_| Status::out_of_range("the answer is longer than 4 GiB"))?;
    let mut buffer = BytesMut::with_capacity(PREFIX + length);
    buffer.put_u8(0);
    buffer.put_u32(told);
    message.encode(&mut buffer).map_err(|error| Status::internal(error.to_string()))?;
    let mut response = single(headers, buffer.freeze());
    // What the door reads of an answer, such as the error that it is.
    *response.extensions_mut() = extensions;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt as _;

    use super::*;

    const MESSAGE: &[u8] = &[0, 0, 0, 0, 3, b'a', b'b', b'c'];

    /// Frames at hand; `None` is a wait for the next.
    struct Frames(VecDeque<Option<Frame<Bytes>>>);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            match self.0.pop_front() {
                Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
                Some(None) => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                None => Poll::Ready(None),
            }
        }
    }

    fn body(pieces: &[Option<&'static [u8]>]) -> Body {
        let frames = pieces.iter().map(|piece| piece.map(|data| Frame::data(Bytes::from_static(data))));
        service::body::boxed(Frames(frames.collect()))
    }

    #[test]
    fn a_message_that_is_here_is_taken() {
        assert_eq!(message_of(&mut body(&[Some(MESSAGE)]), 3).ok().unwrap(), MESSAGE);
        assert_eq!(message_of(&mut service::body::full(MESSAGE), 3).ok().unwrap(), MESSAGE);
    }

    #[tokio::test]
    async fn what_is_not_one_whole_short_message_is_left_as_it_was() {
        let cases: [&[Option<&'static [u8]>]; 9] = [
            &[],
            &[None, Some(MESSAGE)],
            &[Some(MESSAGE), None],
            &[Some(MESSAGE), Some(MESSAGE)],
            &[Some(&[0, 0, 0, 0, 3, b'a']), Some(b"bc")],
            &[Some(&[0, 0, 0]), Some(&[0, 3])],
            &[Some(&[1, 0, 0, 0, 3, b'a', b'b', b'c'])],
            &[Some(&[0, 0, 0, 0, 2, b'a', b'b', b'c'])],
            &[Some(&[0, 0, 0, 0, 4, b'a', b'b', b'c', b'd'])],
        ];
        for pieces in cases {
            let mut given = body(pieces);
            let seen = message_of(&mut given, 3).err().unwrap();
            let all: Vec<u8> = pieces.iter().copied().flatten().flatten().copied().collect();
            assert_eq!(again(seen, given).collect().await.unwrap().to_bytes(), all, "{pieces:?}");
        }
    }

    #[test]
    fn trailers_are_left_to_the_service_that_reads_them() {
        let frames = [Some(Frame::data(Bytes::from_static(MESSAGE))), Some(Frame::trailers(HeaderMap::new()))];
        let mut given = service::body::boxed(Frames(frames.into_iter().collect()));
        let seen = message_of(&mut given, 3).err().unwrap();
        assert!(seen.second.unwrap().unwrap().is_trailers());
    }

    #[test]
    fn what_is_noted_with_an_answer_stays_with_it() {
        let mut answer = tonic::Response::new(wire::runtime::UnsubscribeConfigurationResponse::default());
        answer.extensions_mut().insert("noted");
        assert_eq!(write(Ok(answer)).extensions().get::<&str>(), Some(&"noted"));
    }

    #[test]
    fn every_built_method_without_streams_is_known() {
        let built = crate::apis().filter(|api| api.operation.is_some());
        let methods = built.flat_map(|api| api.grpc.iter().map(|known| known.method));
        let missing: Vec<_> =
            methods.filter(|name| !NAMES.contains(name) && !super::super::counted::STREAMS.contains(name)).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
