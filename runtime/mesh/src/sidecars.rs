//! Calls to other sidecars: the hop of service invocation (`CallLocalStream`) and gRPC requests that pass through as they
//! are. Called by `blocks::invoke`, which has decided where a call goes and stamped who calls.

use std::sync::LazyLock;

use call::{Answer, AnswerHead, Call, Failure, Frame, Payload};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use service::{Body, Connections, Reserved, SendError, SendFailure};
use tonic::{Code, Status};
use wire::common::StreamPayload;

use crate::Address;
use crate::frames::{Decoder, Framed, LENGTH, Pieces};

/// Parsed once.
static CALL: LazyLock<Uri> =
    LazyLock::new(|| Uri::from_static("/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream"));

/// A connection to another sidecar, kept for one call.
pub struct Reached(Reserved);

/// The other sidecars, by address. A clone shares the connections.
#[derive(Clone)]
pub struct Sidecars {
    connections: Connections,
    max_message: usize,
}

impl Sidecars {
    /// Calls over this pool; a message of an answer may have `max_message` bytes.
    pub fn new(connections: Connections, max_message: usize) -> Self {
        Self { connections, max_message }
    }

    /// Keeps a connection to the address for one call.
    ///
    /// # Errors
    /// When there is none and none can be opened: nothing was sent.
    pub async fn reach(&self, address: &Address) -> Result<Reached, Failure> {
        self.connections.reserve(address.endpoint()).await.map(Reached).map_err(Failure::unreachable)
    }

    /// Calls the app behind the sidecar at `address`, which was reached. Both bodies stream; of the call only a replayable body
    /// is left.
    ///
    /// # Errors
    /// When the sidecar cannot be reached after all, or it or its app refuses the call.
    pub async fn call(
        &self,
        address: &Address,
        Reached(reserved): Reached,
        app_id: &str,
        call: &mut Call,
    ) -> Result<Answer, Failure> {
        let body = Framed::request(call.head(), call.payload.take()).primed().await;
        let mut request = Request::new(service::body::boxed(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = CALL.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        call.write_trace_grpc(headers);
        let sent = self.connections.send_over(address.endpoint(), Ok(reserved), request).await;
        self.read(sent.map_err(failure)?, app_id).await
    }

    async fn read(&self, response: Response<Body>, app_id: &str) -> Result<Answer, Failure> {
        let (parts, body) = response.into_parts();
        if let Some(status) = ended_by(&parts.headers) {
            return Err(refused(status, app_id));
        }
        if parts.status != http::StatusCode::OK {
            return Err(Failure::new(Code::Unknown, format!("the sidecar of {app_id} answered HTTP {}", parts.status)));
        }
        let mut decoder = Decoder::new(body, self.max_message);
        let first: Frame<AnswerHead> = match decoder.message().await {
            Some(Ok(first)) => first,
            Some(Err(status)) => return Err(refused(status, app_id)),
            None => return Err(refused(decoder.status(), app_id)),
        };
        let missing = || Failure::plain("response does not contain the required fields in the leading chunk");
        let payload = if is_short_and_whole(&parts.headers, first.payload.as_ref()) {
            end_of(&mut decoder, app_id).await?;
            Payload::Replayable(first.payload.unwrap_or_default().data)
        } else {
            let body = Pieces::<AnswerHead>::new(decoder, first.payload, true);
            Payload::Once(service::body::boxed(body))
        };
        first.head.and_then(|head| head.into_answer(Some(payload))).ok_or_else(missing)
    }

    /// Passes a gRPC request on as it is to the sidecar at `address`, which was reached; body and trailers stream.
    ///
    /// # Errors
    /// When the sidecar cannot be reached or breaks off.
    pub async fn proxy(
        &self,
        address: &Address,
        Reached(reserved): Reached,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        self.connections.send_over(address.endpoint(), Ok(reserved), request).await.map_err(failure)
    }
}

fn failure(error: SendError) -> Failure {
    let SendFailure { unsent, reason } = error.into();
    Failure { code: Some(Code::Unavailable), message: reason, unsent }
}

/// The status of an answer that is only trailers.
fn ended_by(headers: &HeaderMap) -> Option<Status> {
    headers.get("grpc-status").and_then(|_| Status::from_header_map(headers))
}

/// Whether the first message carries the whole body of a short answer, as the other sidecar says.
fn is_short_and_whole(headers: &HeaderMap, payload: Option<&StreamPayload>) -> bool {
    let length = headers.get(LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let here = payload.map_or(0, |payload| payload.data.len() as u64);
    payload.is_none_or(|payload| payload.seq == 0) && here <= call::SHORT && length == Some(here)
}

/// Waits for the end of a stream that has nothing more to say. It was sent together with the last message.
async fn end_of(decoder: &mut Decoder, app_id: &str) -> Result<(), Failure> {
    match decoder.message::<Frame<AnswerHead>>().await {
        None if decoder.is_ok() => Ok(()),
        None => Err(refused(decoder.status(), app_id)),
        Some(Err(status)) => Err(refused(status, app_id)),
        Some(Ok(_)) => Err(Failure::plain(format!("the sidecar of {app_id} sent more than it said"))),
    }
}

fn refused(status: Status, app_id: &str) -> Failure {
    if status.code() == Code::Unimplemented {
        return Failure::plain(format!(
            "target app '{app_id}' is running a version of Dapr that does not support streaming-based service invocation"
        ));
    }
    Failure::new(status.code(), status.message())
}
