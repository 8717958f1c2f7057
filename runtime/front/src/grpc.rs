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
mod whole;

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use http::header::USER_AGENT;
use http::{Request, Response};
use security::ApiToken;
use security::token::{self, TokenFault};
use service::{Body, Excess, Messages, Watching};
use telemetry::Metrics;
use telemetry::metrics::{ErrorCodes, GrpcServer};
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
use whole::Taken;

const DAPR: &str = "/dapr.proto.runtime.v1.Dapr/";
const TASK_HUB: &str = "/TaskHubSidecarService/";

/// A call that is being answered.
type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// The gRPC API on one or more listeners.
pub struct GrpcDoor {
    api: Arc<Api>,
    routes: Routes,
    token: ApiToken,
    log: ApiLog,
    dapr: Arc<dapr::Dapr>,
    generated: DaprServer<dapr::Dapr>,
    reflection: service::Reflection,
    counts: GrpcServer,
    error_codes: ErrorCodes,
}

impl GrpcDoor {
    /// A door to these blocks.
    pub fn new(api: Arc<Api>, access: &Access, token: ApiToken, log: ApiLog) -> Self {
        // A message longer than this is refused before it gets here; what one unpacks to is held to it here.
        let limit = usize::try_from(api.limits.max_body).unwrap_or(usize::MAX);
        let dapr = Arc::new(dapr::Dapr::new(Arc::clone(&api)));
        let generated = DaprServer::from_arc(Arc::clone(&dapr))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(limit)
            .max_encoding_message_size(usize::MAX);
        let reflection = service::Reflection::new(wire::DESCRIPTORS, &["dapr.proto.runtime.v1.Dapr"]);
        let (counts, error_codes) = (GrpcServer::default(), ErrorCodes::default());
        Self { routes: Routes::new(access, false), api, token, log, dapr, generated, reflection, counts, error_codes }
    }

    /// Counts every call.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        Self { counts: GrpcServer::new(metrics), error_codes: ErrorCodes::new(metrics), ..self }
    }

    /// Answers one request. Each way of answering is boxed by itself: together they would make every call as large as all.
    pub fn handle(self: &Arc<Self>, request: Request<Body>) -> Answering {
        let door = Arc::clone(self);
        match door.log.enabled {
            true => Box::pin(door.logged(request)),
            false => door.answer(request),
        }
    }

    async fn logged(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
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
        let response = self.answer(request).await;
        // The code of an answer that streams stands in its trailers, which come later.
        let code = Status::from_header_map(response.headers()).map_or(0, |status| status.code() as i32);
        ApiLog::grpc(&entry, code);
        response
    }

    fn answer(self: Arc<Self>, mut request: Request<Body>) -> Answering {
        match self.admit(&mut request) {
            Ok(()) => self.route(request),
            Err(refused) => Box::pin(ready(refused)),
        }
    }

    /// Refuses a call that does not show the token, which no call keeps, and starts its time.
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Response<Body>> {
        self.token.check(request.headers()).map_err(|fault| match fault {
            TokenFault::Missing => refuse(errors::api_token_missing()),
            TokenFault::Mismatch | TokenFault::Repeated => refuse(errors::api_token_mismatch()),
        })?;
        token::strip(request.headers_mut());
        let started = crate::context::start_timeout(request);
        started.map_err(|malformed| Status::internal(malformed.to_string()).into_http())
    }

    fn route(self: Arc<Self>, request: Request<Body>) -> Answering {
        let path = request.uri().path();
        if let Some(method) = path.strip_prefix(DAPR) {
            return match self.routes.grpc(method) {
                Some((_, false)) => Box::pin(ready(refuse(errors::api_denied()))),
                Some((api, true)) if api.operation.is_none() => {
                    Box::pin(ready(refuse(errors::api_not_built(api.name))))
                }
                known => self.dapr(request, known.is_some()),
            };
        }
        if path.starts_with(TASK_HUB) {
            return Box::pin(ready(refuse(errors::api_not_built("TaskHubSidecarService"))));
        }
        if service::Reflection::serves(path) {
            return Box::pin(async move { self.reflection.handle(request).await });
        }
        Box::pin(async move { self.api.invoker.proxy(request).await })
    }

    fn dapr(&self, request: Request<Body>, is_known: bool) -> Answering {
        let (limit, excess) = (self.api.limits.max_body, Excess::default());
        let counting = Counting::begin(&self.counts, &request, &excess).filter(|_| is_known);
        let error_codes = counting.as_ref().map(|_| self.error_codes.clone()).unwrap_or_default();
        let watching = Watching::new(counting);
        let method = request.uri().path().strip_prefix(DAPR).and_then(whole::unary);
        let request = match whole::take(&self.dapr, method, request, limit) {
            Taken::Whole(answer, carried) => {
                excess.carry(carried);
                return Box::pin(async move {
                    let response = answer.await;
                    counted::error(&error_codes, &response);
                    watching.answer(response, limit)
                });
            }
            Taken::Parts(request) => *request,
        };
        let answer = self.generated.clone().call(request.map(|body| Messages::request(body, limit, excess.clone())));
        Box::pin(async move {
            let response = match answer.await {
                Ok(response) => response.map(service::body::boxed),
                Err(never) => match never {},
            };
            counted::error(&error_codes, &response);
            watching.answer(excess.status(limit).map_or(response, Status::into_http), limit)
        })
    }
}

fn refuse(error: errors::ApiError) -> Response<Body> {
    Status::from(error).into_http()
}

#[cfg(test)]
mod context_tests;
