//! The gRPC door: token, access list, then the Dapr service, reflection, or the proxy for services we do not know.

mod configuration;
mod conversation;
mod counted;
mod crypto;
mod dapr;
mod invoke;
mod lock;
mod publish;
mod secrets;
mod state;
mod stream;
mod subscribe;
mod subtle;

use std::sync::Arc;
use std::time::Instant;

use http::header::USER_AGENT;
use http::{Request, Response};
use security::ApiToken;
use security::token::{self, TokenFault};
use service::{Body, Excess, Messages, Watching};
use telemetry::Metrics;
use telemetry::metrics::GrpcServer;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tower_service::Service as _;
use wire::runtime::dapr_server::DaprServer;

pub(crate) use configuration::refusal as configuration_refusal;
pub(crate) use crypto::refusal as crypto_refusal;
pub(crate) use lock::{number as lock_number, refusal as lock_refusal};
pub(crate) use publish::refusal as publish_refusal;
pub(crate) use subtle::format as key_format;

use crate::api_log::Entry;
use crate::routes::Routes;
use crate::{Access, Api, ApiLog};
use counted::Counting;

const DAPR: &str = "/dapr.proto.runtime.v1.Dapr/";
const TASK_HUB: &str = "/TaskHubSidecarService/";

/// The gRPC API on one or more listeners.
pub struct GrpcDoor {
    api: Arc<Api>,
    routes: Routes,
    token: ApiToken,
    log: ApiLog,
    dapr: DaprServer<dapr::Dapr>,
    reflection: service::Reflection,
    counts: GrpcServer,
}

impl GrpcDoor {
    /// A door to these blocks.
    pub fn new(api: Arc<Api>, access: &Access, token: ApiToken, log: ApiLog) -> Self {
        // A message longer than this is refused before it gets here; what one unpacks to is held to it here.
        let limit = usize::try_from(api.limits.max_body).unwrap_or(usize::MAX);
        let dapr = DaprServer::new(dapr::Dapr::new(Arc::clone(&api)))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(limit)
            .max_encoding_message_size(usize::MAX);
        let reflection = service::Reflection::new(wire::DESCRIPTORS, &["dapr.proto.runtime.v1.Dapr"]);
        let counts = GrpcServer::default();
        Self { routes: Routes::new(access, false), api, token, log, dapr, reflection, counts }
    }

    /// Counts every call.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        Self { counts: GrpcServer::new(metrics), ..self }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        if !self.log.enabled {
            return self.authenticated(request).await;
        }
        let entry = Entry {
            started: Instant::now(),
            method: request.uri().path().to_owned(),
            user_agent: request
                .headers()
                .get(USER_AGENT)
                .and_then(|agent| agent.to_str().ok())
                .unwrap_or("")
                .to_owned(),
        };
        let response = self.authenticated(request).await;
        // The code of an answer that streams stands in its trailers, which come later.
        let code = Status::from_header_map(response.headers()).map_or(0, |status| status.code() as i32);
        ApiLog::grpc(&entry, code);
        response
    }

    async fn authenticated(&self, mut request: Request<Body>) -> Response<Body> {
        match self.token.check(request.headers()) {
            Ok(()) => {}
            Err(TokenFault::Missing) => return refuse(errors::api_token_missing()),
            Err(TokenFault::Mismatch | TokenFault::Repeated) => return refuse(errors::api_token_mismatch()),
        }
        token::strip(request.headers_mut());
        if let Err(malformed) = crate::context::start_timeout(&mut request) {
            return Status::internal(malformed.to_string()).into_http();
        }
        self.route(request).await
    }

    async fn route(&self, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        if let Some(method) = path.strip_prefix(DAPR) {
            return match self.routes.grpc(method) {
                Some((_, false)) => refuse(errors::api_denied()),
                Some((api, true)) if api.operation.is_none() => refuse(errors::api_not_built(api.name)),
                known => self.dapr(request, known.is_some()).await,
            };
        }
        if path.starts_with(TASK_HUB) {
            return refuse(errors::api_not_built("TaskHubSidecarService"));
        }
        if service::Reflection::serves(path) {
            return self.reflection.handle(request).await;
        }
        self.api.invoker.proxy(request).await
    }

    async fn dapr(&self, request: Request<Body>, is_known: bool) -> Response<Body> {
        let mut dapr = self.dapr.clone();
        let (limit, excess) = (self.api.limits.max_body, Excess::default());
        let watching = Watching::new(Counting::begin(&self.counts, &request, &excess).filter(|_| is_known));
        let request = request.map(|body| Messages::request(body, limit, excess.clone()));
        let response = match dapr.call(request).await {
            Ok(response) => response.map(service::body::boxed),
            Err(never) => match never {},
        };
        watching.answer(excess.status(limit).map_or(response, Status::into_http), limit)
    }
}

fn refuse(error: errors::ApiError) -> Response<Body> {
    Status::from(error).into_http()
}

#[cfg(test)]
mod context_tests;
