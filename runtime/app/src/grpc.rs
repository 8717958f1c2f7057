//! Calls to a gRPC app: `OnInvoke` of `AppCallback`, the health check, and requests of services that only the app knows.

use std::time::Instant;

use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Request, Response};
use bytes::Bytes;
use call::{Answer, Call, Failure, Metadata, Payload};
use prost::Message as _;
use service::dial::Dialer;
use service::{Body, Connections, Lifetimes, Tasks};
use telemetry::metrics::GrpcClient;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use wire::common::{InvokeRequest, InvokeResponse};

use crate::channel::{Options, Slot};

const ON_INVOKE: &str = "/dapr.proto.runtime.v1.AppCallback/OnInvoke";
const HEALTH_CHECK: &str = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck";

/// A gRPC server that calls go to.
pub(crate) struct GrpcChannel {
    channel: service::Channel,
    token: Option<HeaderValue>,
    max_message: usize,
    counts: GrpcClient,
}

impl GrpcChannel {
    pub(crate) fn new(options: &Options, tasks: &Tasks) -> Result<Self, String> {
        let secure = options.protocol.is_secure();
        let dialer = if secure {
            Dialer::with_tls(|| {
                security::tls::insecure(&[b"h2"]).map_err(|error| std::io::Error::other(error.to_string()))
            })
        } else {
            Dialer::plain()
        };
        let connections = Connections::new(dialer, secure, Lifetimes::default(), tasks.clone());
        let channel = service::Channel::new(connections, options.address.authority());
        let counts = GrpcClient::new(&options.metrics);
        Ok(Self { channel, token: options.token.clone(), max_message: options.max_message, counts })
    }

    pub(crate) fn client(&self) -> tonic::client::Grpc<service::Channel> {
        tonic::client::Grpc::new(self.channel.clone())
            .max_decoding_message_size(self.max_message)
            .max_encoding_message_size(self.max_message)
    }

    /// Calls `OnInvoke`. The whole body is one message; `slot` is held until the app has answered.
    pub(crate) async fn invoke(&self, call: &mut Call, slot: Slot) -> Result<Answer, Failure> {
        let data = service::body::read_bounded(call.payload.take(), self.max_message as u64)
            .await
            .map_err(|error| Failure::plain(error.to_string()))?;
        let mut headers = HeaderMap::new();
        call::to_grpc_headers(&call.metadata, &mut headers)
            .map_err(|error| Failure::new(Code::InvalidArgument, error.to_string()))?;
        call.write_trace_grpc(&mut headers);
        self.add_token(&mut headers);
        let message = InvokeRequest {
            method: std::mem::take(&mut call.method),
            data: Some(wire::Any { type_url: std::mem::take(&mut call.type_url), value: data }),
            content_type: std::mem::take(&mut call.content_type),
            http_extension: call.extension.take(),
        };
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        let mut client = self.client();
        client.ready().await.map_err(|error| Failure::unreachable(error.to_string()))?;
        let codec: ProstCodec<InvokeRequest, InvokeResponse> = ProstCodec::default();
        let (sent, started) = (length_if(self.counts.is_on(), request.get_ref()), Instant::now());
        let mut received = 0;
        let answer = match client.server_streaming(request, PathAndQuery::from_static(ON_INVOKE), codec).await {
            Ok(response) => read_answer(response, &mut received).await,
            Err(status) => refused(&status, Metadata::new()),
        };
        drop(slot);
        let code = answer.as_ref().map_or(Code::Unavailable as i32, |answer| answer.status.code);
        self.counts.ended(ON_INVOKE, code, (sent, received), started.elapsed());
        answer
    }

    /// Makes a call with one answer, and counts it.
    pub(crate) async fn counted<M, A>(
        &self,
        path: &'static str,
        request: tonic::Request<M>,
        client: &mut tonic::client::Grpc<service::Channel>,
    ) -> Result<A, Status>
    where
        M: prost::Message + Default + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let codec: ProstCodec<M, A> = ProstCodec::default();
        let (sent, started) = (length_if(self.counts.is_on(), request.get_ref()), Instant::now());
        let answer = client.unary(request, PathAndQuery::from_static(path), codec).await;
        let code = answer.as_ref().map_or_else(|status| status.code() as i32, |_| 0);
        if path == HEALTH_CHECK {
            self.counts.probed(code, started.elapsed());
        } else {
            let received = answer.as_ref().map_or(0, |answer| length_if(self.counts.is_on(), answer.get_ref()));
            self.counts.ended(path, code, (sent, received), started.elapsed());
        }
        answer.map(tonic::Response::into_inner)
    }

    pub(crate) fn add_token(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.token {
            headers.insert(security::token::HEADER, token.clone());
        }
    }

    /// Passes a request on as it is, with the app's token instead of the caller's.
    pub(crate) async fn proxy(&self, mut request: Request<Body>) -> Result<Response<Body>, Failure> {
        request.headers_mut().remove(security::token::HEADER);
        self.add_token(request.headers_mut());
        self.channel.send(request).await.map_err(|failure| Failure {
            code: Some(Code::Unavailable),
            message: failure.reason,
            unsent: failure.unsent,
        })
    }

    pub(crate) async fn probe(&self) -> Result<(), String> {
        let mut client = self.client();
        client.ready().await.map_err(|error| format!("Health check failed: {error}"))?;
        let sent: Result<(), Status> = self.counted(HEALTH_CHECK, tonic::Request::new(()), &mut client).await;
        sent.map_err(|status| format!("Health check failed: {}", Failure::from_rpc(&status)))
    }
}

/// The bytes of a message, where they are counted.
fn length_if(is_counted: bool, message: &impl prost::Message) -> u64 {
    if is_counted { message.encoded_len() as u64 } else { 0 }
}

async fn read_answer(
    response: tonic::Response<tonic::Streaming<InvokeResponse>>,
    received: &mut u64,
) -> Result<Answer, Failure> {
    let (metadata, mut stream, _) = response.into_parts();
    let headers = call::from_grpc_headers(&metadata.into_headers(), None);
    let message = match stream.message().await {
        Ok(Some(message)) => message,
        Ok(None) => InvokeResponse::default(),
        Err(status) => return refused(&status, headers),
    };
    *received = message.encoded_len() as u64;
    let trailers = match stream.trailers().await {
        Ok(trailers) => trailers.unwrap_or_default(),
        Err(status) => return refused(&status, headers),
    };
    let (type_url, data) = message.data.map(|data| (data.type_url, data.value)).unwrap_or_default();
    Ok(Answer {
        status: wire::internals::Status::default(),
        headers,
        trailers: call::from_grpc_headers(&trailers.into_headers(), None),
        content_type: message.content_type,
        type_url,
        payload: Payload::Replayable(data),
    })
}

/// An error status of the app is an answer; one that was made here, because the app could not be reached, is too (the
/// target answers it the same way), unless the call may be sent again.
fn refused(status: &Status, headers: Metadata) -> Result<Answer, Failure> {
    let failure = Failure::from_rpc(status);
    if failure.unsent {
        return Err(failure);
    }
    let details =
        wire::google_rpc::Status::decode(Bytes::copy_from_slice(status.details())).unwrap_or_default().details;
    let code = failure.code.unwrap_or(Code::Unknown);
    Ok(Answer {
        status: wire::internals::Status { code: code as i32, message: failure.message, details },
        headers,
        trailers: call::from_grpc_headers(&status.metadata().clone().into_headers(), None),
        content_type: String::new(),
        type_url: String::new(),
        payload: Payload::empty(),
    })
}
