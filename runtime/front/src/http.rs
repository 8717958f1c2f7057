//! The HTTP door: one request through limits, CORS, token and route to one operation.

mod configuration;
mod conversation;
mod counted;
mod crypto;
mod health;
mod invoke;
mod lock;
mod message;
mod metadata;
mod publish;
mod respond;
mod secrets;
mod state;
mod subtle;

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use ::http::header::{ORIGIN, USER_AGENT};
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use loaded::{Next, Pipeline, RemoteAddress, Unguarded};
use security::{ApiToken, path, token};
use service::{Body, ConnectionInfo};
use telemetry::Metrics;
use telemetry::metrics::HttpServer;
use telemetry::trace::{BAGGAGE, baggage};

use crate::api_log::{ApiLog, Entry};
use crate::routes::{Matched, Operation, Routes};
use crate::{Access, Api, Cors};
use counted::Counting;

/// How the HTTP door behaves.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// Cross-origin requests.
    pub cors: Option<Cors>,
    /// The API token.
    pub token: ApiToken,
    /// API log.
    pub log: ApiLog,
    /// Allowed and denied APIs.
    pub access: Access,
    /// The middlewares that every request passes, after the token and before the API log.
    pub pipeline: Option<Pipeline>,
    /// The public port: health and metadata only, without token and body limit.
    pub public: bool,
    /// Where requests are counted.
    pub metrics: Metrics,
}

/// The HTTP API on one or more listeners.
pub struct HttpDoor(Arc<Inner>);

struct Inner {
    api: Arc<Api>,
    routes: Routes,
    options: HttpOptions,
    counts: Arc<HttpServer>,
}

/// An operation at work.
type Operating<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// A request with its route.
pub(crate) struct Routed {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Routed {
    /// A decoded path parameter; empty if the route has none of that name.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The decoded pairs of the query string.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let decode = |text: &str| path::decode_parameter(text).map(|text| text.into_owned()).unwrap_or_default();
        let pairs = self.uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    /// The `metadata.` parameters of the query string: request metadata for a component.
    pub(crate) fn component_metadata(&self) -> std::collections::HashMap<String, String> {
        let pairs = self.query().into_iter();
        pairs.filter_map(|(name, value)| Some((name.strip_prefix("metadata.")?.to_owned(), value))).collect()
    }
}

impl HttpDoor {
    /// A door to these blocks.
    pub fn new(api: Arc<Api>, options: HttpOptions) -> Self {
        let routes = Routes::new(&options.access, options.public);
        let counts = Arc::new(HttpServer::new(&options.metrics));
        Self(Arc::new(Inner { api, routes, options, counts }))
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        self.0.handle(request).await
    }
}

impl Inner {
    async fn handle(self: &Arc<Self>, mut request: Request<Body>) -> Response<Body> {
        if !self.api.invoker.tracing().is_on() {
            return self.counted(request).await;
        }
        let values = request.headers().get_all(BAGGAGE).into_iter().filter_map(|value| value.to_str().ok());
        let header = match baggage::check(values) {
            Ok(None) => return self.counted(request).await,
            Ok(Some(checked)) => HeaderValue::from_str(&checked.header).ok(),
            Err(error) => return respond::text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
        };
        if let Some(header) = &header {
            request.headers_mut().insert(BAGGAGE, header.clone());
        }
        let mut response = self.counted(request).await;
        if let Some(header) = header {
            response.headers_mut().insert(BAGGAGE, header);
        }
        response
    }

    async fn counted(self: &Arc<Self>, request: Request<Body>) -> Response<Body> {
        let Some(counting) = Counting::begin(&self.counts, &request) else { return self.cross_origin(request).await };
        counting.end(self.cross_origin(request).await)
    }

    async fn cross_origin(self: &Arc<Self>, request: Request<Body>) -> Response<Body> {
        let Some(cors) = &self.options.cors else { return self.authenticated(request).await };
        if let Some(answer) = cors.preflight(&request) {
            return answer;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let mut response = self.authenticated(request).await;
        cors.mark(origin.as_ref(), response.headers_mut());
        response
    }

    async fn authenticated(self: &Arc<Self>, mut request: Request<Body>) -> Response<Body> {
        let health = is_health(request.method(), request.uri());
        if !self.options.public && !health && self.options.token.check(request.headers()).is_err() {
            return respond::error(&errors::api_token_invalid());
        }
        token::strip(request.headers_mut());
        if self.options.public {
            return self.logged(request).await;
        }
        let request = request.map(|body| service::body::boxed(service::body::limit(body, self.api.limits.max_body)));
        match &self.options.pipeline {
            None => self.logged(request).await,
            Some(pipeline) => {
                // Whoever watches over the sidecar has to learn that it lives, not why it refuses requests.
                let unguarded = if health { Unguarded::GoOn } else { Unguarded::Refuse };
                self.guarded(pipeline, unguarded, request).await
            }
        }
    }

    async fn guarded(
        self: &Arc<Self>,
        pipeline: &Pipeline,
        unguarded: Unguarded,
        mut request: Request<Body>,
    ) -> Response<Body> {
        if let Some(peer) = request.extensions().get::<ConnectionInfo>().and_then(|connection| connection.peer) {
            request.extensions_mut().insert(RemoteAddress(peer));
        }
        let door = Arc::clone(self);
        let end = Next::new(move |request| async move { door.logged(request).await });
        pipeline.run(request, unguarded, end).await
    }

    async fn logged(&self, request: Request<Body>) -> Response<Body> {
        let cleaned = path::clean(request.uri().path());
        let matched = self.routes.http(request.method(), &cleaned);
        if !self.options.log.enabled || self.options.public {
            return self.route(request, matched).await;
        }
        let entry = Entry {
            started: Instant::now(),
            method: format!("{} {}", request.method(), path::decode(request.uri().path()).unwrap_or_default()),
            user_agent: request
                .headers()
                .get(USER_AGENT)
                .and_then(|agent| agent.to_str().ok())
                .unwrap_or("")
                .to_owned(),
        };
        let api = matched.as_ref().map(|matched| matched.api);
        let name = match api {
            Some(api) => api.name.to_owned(),
            None => invoke::log_name(&request),
        };
        let response = self.route(request, matched).await;
        let size = response.body().size_hint().exact().unwrap_or_default();
        self.options.log.http(entry, api, &name, (response.status().as_u16(), size));
        response
    }

    async fn route(&self, request: Request<Body>, matched: Option<Matched>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut routed =
            Routed { method: parts.method, uri: parts.uri, headers: parts.headers, parameters: Vec::new(), body };
        let Some(Matched { api, parameters }) = matched else {
            if self.options.public {
                return respond::error(&errors::route_not_found());
            }
            return self.operate(Operation::InvokeService, routed).await;
        };
        for (name, value) in parameters {
            match path::decode_parameter(&value) {
                Ok(value) => routed.parameters.push((name, value.into_owned())),
                Err(error) => {
                    let message = format!("failed to unescape request parameter {name:?}. Error: {error}\n");
                    return respond::text(StatusCode::BAD_REQUEST, &message);
                }
            }
        }
        match api.operation {
            Some(operation) => self.operate(operation, routed).await,
            None => respond::error(&errors::api_not_built(api.name)),
        }
    }

    /// Each operation is boxed by itself: together they would make every request's future as large as all of them.
    fn operate(&self, operation: Operation, routed: Routed) -> Operating<'_> {
        let api = &self.api;
        match operation {
            Operation::GetState => Box::pin(state::get(api, routed)),
            Operation::SaveState => Box::pin(state::save(api, routed)),
            Operation::DeleteState => Box::pin(state::delete(api, routed)),
            Operation::GetBulkState => Box::pin(state::get_bulk(api, routed)),
            Operation::ExecuteStateTransaction => Box::pin(state::transact(api, routed)),
            Operation::QueryState => Box::pin(state::query(api, routed)),
            Operation::ListStateKeys => Box::pin(state::keys(api, routed)),
            Operation::PublishEvent => Box::pin(publish::publish(api, routed)),
            Operation::BulkPublishEvent => Box::pin(publish::publish_all(api, routed)),
            Operation::GetSecret => Box::pin(secrets::get(api, routed)),
            Operation::GetBulkSecret => Box::pin(secrets::get_bulk(api, routed)),
            Operation::GetConfiguration => Box::pin(configuration::get(api, routed)),
            Operation::SubscribeConfiguration => Box::pin(configuration::subscribe(api, routed)),
            Operation::UnsubscribeConfiguration => Box::pin(ready(configuration::unsubscribe(api, &routed))),
            Operation::TryLock => Box::pin(lock::try_lock(api, routed)),
            Operation::Unlock => Box::pin(lock::unlock(api, routed)),
            Operation::EncryptDocument => Box::pin(crypto::encrypt(api, routed)),
            Operation::DecryptDocument => Box::pin(crypto::decrypt(api, routed)),
            Operation::SubtleGetKey
            | Operation::SubtleEncrypt
            | Operation::SubtleDecrypt
            | Operation::SubtleWrapKey
            | Operation::SubtleUnwrapKey
            | Operation::SubtleSign
            | Operation::SubtleVerify => Box::pin(subtle::operate(api, operation, routed)),
            Operation::InvokeService | Operation::DeleteBulkState | Operation::SubscribeTopicEvents => {
                Box::pin(invoke::invoke(api, routed))
            }
            Operation::ConverseAlpha1 => Box::pin(conversation::alpha1(api, routed)),
            Operation::ConverseAlpha2 => Box::pin(conversation::alpha2(api, routed)),
            Operation::GetMetadata => Box::pin(ready(metadata::get(api))),
            Operation::PutMetadata => Box::pin(metadata::put(api, routed)),
            Operation::Shutdown => Box::pin(ready(metadata::shutdown(api, &routed))),
            Operation::Healthz => Box::pin(ready(health::healthz(api, &routed))),
            Operation::HealthzOutbound => Box::pin(ready(health::outbound(api))),
        }
    }
}

/// The two requests that need no token.
fn is_health(method: &Method, uri: &Uri) -> bool {
    method == Method::GET && matches!(uri.path().trim_matches('/'), "v1.0/healthz" | "v1.0/healthz/outbound")
}
