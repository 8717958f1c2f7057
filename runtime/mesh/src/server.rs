//! The internal gRPC port: what other sidecars ask of us. Every call goes to the one [`Inbound`] handler that the sidecar
//! was assembled with; services nobody here knows are passed to the app through it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{BufMut as _, BytesMut};
use call::{Answer, Call, CallHead, Failure, Frame, Payload};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message as _;
use security::Peer;
use service::Body;
use telemetry::trace::SpanContext;
use tonic::{Code, Status};
use wire::internals::InternalInvokeResponse;

use crate::frames::{Decoder, Framed, LENGTH, Pieces};

const SERVICE: &str = "/dapr.proto.internals.v1.ServiceInvocation/";

/// What a sidecar does with calls that arrive from its peers. `peer` is who the connection proves them to be.
#[async_trait]
pub trait Inbound: Send + Sync + 'static {
    /// Calls the local app.
    ///
    /// # Errors
    /// When the call is refused or the app cannot answer it.
    async fn call(&self, peer: Peer, call: Call) -> Result<Answer, Failure>;

    /// Passes a gRPC request of an unknown service to the local app.
    async fn proxy(&self, peer: Peer, request: Request<Body>) -> Response<Body>;

    /// The span of this hop, for a call that arrived with these headers.
    fn trace(&self, headers: &HeaderMap, call: &Call) -> Option<SpanContext>;
}

/// The handler of the internal port.
pub struct Server {
    inbound: Arc<dyn Inbound>,
    max_message: usize,
    reflection: service::Reflection,
}

impl Server {
    /// Serves `inbound`; a message may have `max_message` bytes.
    pub fn new(inbound: Arc<dyn Inbound>, max_message: usize) -> Self {
        let reflection = service::Reflection::new(wire::DESCRIPTORS, &["dapr.proto.internals.v1.ServiceInvocation"]);
        Self { inbound, max_message, reflection }
    }

    /// Answers one request of a peer.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let Some(method) = request.uri().path().strip_prefix(SERVICE) else {
            return if service::Reflection::serves(request.uri().path()) {
                Box::pin(self.reflection.handle(request)).await
            } else {
                self.inbound.proxy(Peer::of(request.extensions()), request).await
            };
        };
        let answer = match method {
            "CallLocalStream" => self.call_local_stream(request).await,
            "CallLocal" => Box::pin(self.call_local(request)).await,
            "CallActor" | "CallActorReminder" | "CallActorStream" => {
                Err(Status::unimplemented(format!("{method}: actors are not built in this version of Trilby")))
            }
            _ => Err(Status::unimplemented(format!("unknown method {method} for service ServiceInvocation"))),
        };
        answer.unwrap_or_else(|status| status.into_http())
    }

    async fn call_local_stream(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        let mut decoder = Decoder::new(body, self.max_message);
        let first: Frame<CallHead> = match decoder.message().await {
            Some(first) => first?,
            None => return Err(invalid("request does not contain the required fields in the leading chunk")),
        };
        let missing = || invalid("request does not contain the required fields in the leading chunk");
        let head = first.head.ok_or_else(missing)?;
        let pieces = Pieces::<CallHead>::new(decoder, first.payload, false);
        let payload = Payload::Once(service::body::boxed(pieces));
        let mut call = head.into_call(Some(payload)).ok_or_else(missing)?;
        call.trace = self.inbound.trace(&parts.headers, &call);
        let wants_events = wants_events(&call);
        let answer = self.inbound.call(Peer::of(&parts.extensions), call).await.map_err(Failure::into_status)?;
        // An event stream is answered by events or not at all, as in the target.
        if wants_events && answer.is_http() && !(200..300).contains(&answer.status.code) {
            return Err(Status::internal("error invoking app channel: no response received from stream"));
        }
        let (head, length) = (answer.head(), answer.payload.length());
        let framed = Framed::answer(head, answer.payload.into_body()).primed().await;
        let mut response = respond(service::body::boxed(framed));
        if let Some(length) = length {
            response.headers_mut().insert(LENGTH, HeaderValue::from(length));
        }
        Ok(response)
    }

    /// The older form: both bodies inside one message.
    async fn call_local(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        let mut decoder = Decoder::new(body, self.max_message);
        let head: CallHead = match decoder.message().await {
            Some(head) => head?,
            None => return Err(invalid("the request is empty")),
        };
        let mut call = head.into_call(None).ok_or_else(|| invalid("field Message is nil"))?;
        call.trace = self.inbound.trace(&parts.headers, &call);
        let answer = self.inbound.call(Peer::of(&parts.extensions), call).await.map_err(Failure::into_status)?;
        let mut head =
            InternalInvokeResponse::decode(&*answer.head()).map_err(|error| Status::internal(error.to_string()))?;
        let type_url = answer.type_url;
        let value = service::body::read_bounded(answer.payload.into_body(), self.max_message as u64)
            .await
            .map_err(|error| Status::internal(format!("error invoking app channel: {error}")))?;
        head.message.get_or_insert_default().data = Some(wire::Any { type_url, value });
        let mut bytes = BytesMut::with_capacity(head.encoded_len() + 5);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(head.encoded_len()).unwrap_or(u32::MAX));
        head.encode(&mut bytes).map_err(|error| Status::internal(error.to_string()))?;
        Ok(service::single(HeaderMap::new(), bytes.freeze()))
    }
}

fn wants_events(call: &Call) -> bool {
    call::first(&call.metadata, "accept").is_some_and(|accept| accept.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn invalid(reason: &str) -> Status {
    Status::new(Code::InvalidArgument, format!("parsing InternalInvokeRequest error: {reason}"))
}

fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
