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
use std::ops::Deref;
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
use telemetry::metrics::{ErrorCodes, HttpServer};
use telemetry::trace::{BAGGAGE, baggage};

use crate::api_log::{ApiLog, Entry};
use crate::noted::Noted;
use crate::routes::{Api as Row, Matched, Operation, Routes};
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
    error_codes: ErrorCodes,
}

/// The decoded parameters of a path.
type Parameters = Vec<(&'static str, String)>;

/// An operation at work.
type Operating<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// A request with its route.
pub(crate) struct Routed {
    pub(crate) head: Head,
    pub(crate) body: Body,
}

/// All of a request but its body.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) parameters: Parameters,
}

impl Deref for Routed {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl Head {
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
        let error_codes = ErrorCodes::new(&options.metrics);
        Self(Arc::new(Inner { api, routes, options, counts, error_codes }))
    }

    /// Whether it asks where requests come from (`ConnectionInfo`).
    #[must_use]
    pub fn asks_for_connection(&self) -> bool {
        self.0.options.pipeline.is_some()
    }

    /// Answers one request.
    pub fn handle(&self, mut request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + use<> {
        let door = Arc::clone(&self.0);
        let mut begun = door.begin(&mut request);
        // Not an asynchronous function: it would hold all that it is given twice.
        async move {
            let response = match begun.answer.take() {
                Some(answer) => answer,
                None => door.answer(request).await,
            };
            door.end(begun, response)
        }
    }
}

/// What was found at the beginning of a request, and has to be done when it is answered.
struct Begun {
    /// Its answer, where that is known already.
    answer: Option<Response<Body>>,
    counting: Option<Counting>,
    /// What the answer tells again.
    baggage: Option<HeaderValue>,
    /// Where it comes from, if the answer is to say whether that may read it.
    origin: Option<Option<HeaderValue>>,
}

impl Inner {
    fn begin(&self, request: &mut Request<Body>) -> Begun {
        let mut begun = Begun { answer: None, counting: None, baggage: None, origin: None };
        match self.baggage(request) {
            Ok(baggage) => begun.baggage = baggage,
            Err(refused) => return Begun { answer: Some(refused), ..begun },
        }
        begun.counting = Counting::begin(&self.counts, request);
        if let Some(cors) = &self.options.cors {
            if let Some(preflight) = cors.preflight(request) {
                return Begun { answer: Some(preflight), ..begun };
            }
            begun.origin = Some(request.headers().get(ORIGIN).cloned());
        }
        begun.answer = self.admit(request);
        begun
    }

    fn end(&self, begun: Begun, mut response: Response<Body>) -> Response<Body> {
        if let (Some(cors), Some(origin)) = (&self.options.cors, begun.origin) {
            cors.mark(origin.as_ref(), response.headers_mut());
        }
        if self.error_codes.is_on() {
            Noted::count(response.extensions(), &self.error_codes);
        }
        if let Some(counting) = begun.counting {
            response = counting.end(response);
        }
        if let Some(baggage) = begun.baggage {
            response.headers_mut().insert(BAGGAGE, baggage);
        }
        response
    }

    /// Checks the baggage of a request that is traced, and brings its header into its one form.
    fn baggage(&self, request: &mut Request<Body>) -> Result<Option<HeaderValue>, Response<Body>> {
        if !self.api.invoker.tracing().is_on() {
            return Ok(None);
        }
        let values = request.headers().get_all(BAGGAGE).into_iter().filter_map(|value| value.to_str().ok());
        let checked =
            baggage::check(values).map_err(|error| respond::text(StatusCode::BAD_REQUEST, &format!("{error}\n")))?;
        let header = checked.and_then(|checked| HeaderValue::from_str(&checked.header).ok());
        if let Some(header) = &header {
            request.headers_mut().insert(BAGGAGE, header.clone());
        }
        Ok(header)
    }

    /// Refuses a request that does not show the token; no request keeps one.
    fn admit(&self, request: &mut Request<Body>) -> Option<Response<Body>> {
        let is_open = self.options.public || is_health(request.method(), request.uri());
        if !is_open && self.options.token.check(request.headers()).is_err() {
            return Some(respond::error(&errors::api_token_invalid()));
        }
        token::strip(request.headers_mut());
        None
    }

    /// Answers what was admitted.
    fn answer(self: &Arc<Self>, request: Request<Body>) -> Operating<'_> {
        if self.options.public {
            return self.route(request);
        }
        let request = request.map(|body| service::body::limit_received(body, self.api.limits.max_body));
        match &self.options.pipeline {
            None => self.route(request),
            Some(pipeline) => Box::pin(self.guarded(pipeline, request)),
        }
    }

    async fn guarded(self: &Arc<Self>, pipeline: &Pipeline, mut request: Request<Body>) -> Response<Body> {
        // Whoever watches over the sidecar has to learn that it lives, not why it refuses requests.
        let health = is_health(request.method(), request.uri());
        let unguarded = if health { Unguarded::GoOn } else { Unguarded::Refuse };
        if let Some(peer) = request.extensions().get::<ConnectionInfo>().and_then(|connection| connection.peer) {
            request.extensions_mut().insert(RemoteAddress(peer));
        }
        let door = Arc::clone(self);
        let end = Next::new(move |request| async move { door.route(request).await });
        pipeline.run(request, unguarded, end).await
    }

    fn route(&self, request: Request<Body>) -> Operating<'_> {
        let cleaned = path::clean(request.uri().path());
        let matched = self.routes.http(request.method(), &cleaned);
        let api = matched.as_ref().map(|matched| matched.api);
        let parameters = match matched.map_or_else(|| Ok(Vec::new()), decoded) {
            Ok(parameters) => parameters,
            Err(refused) => return Box::pin(ready(refused)),
        };
        if self.options.log.enabled && !self.options.public {
            return Box::pin(self.logged(request, api, parameters));
        }
        self.meant(request, api, parameters)
    }

    async fn logged(
        &self,
        request: Request<Body>,
        api: Option<&'static Row>,
        parameters: Parameters,
    ) -> Response<Body> {
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
        let name = match api {
            Some(api) => api.name.to_owned(),
            None => invoke::log_name(&request),
        };
        let response = self.meant(request, api, parameters).await;
        let size = response.body().size_hint().exact().unwrap_or_default();
        self.options.log.http(entry, api, &name, (response.status().as_u16(), size));
        response
    }

    fn meant(&self, request: Request<Body>, api: Option<&'static Row>, parameters: Parameters) -> Operating<'_> {
        let (parts, body) = request.into_parts();
        let head = Head { method: parts.method, uri: parts.uri, headers: parts.headers, parameters };
        match api.map(|api| (api.operation, api.name)) {
            None if self.options.public => Box::pin(ready(respond::error(&errors::route_not_found()))),
            None => self.operate(Operation::InvokeService, Routed { head, body }),
            Some((Some(operation), _)) => self.operate(operation, Routed { head, body }),
            Some((None, name)) => Box::pin(ready(respond::error(&errors::api_not_built(name)))),
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
                invoke::invoke(api, routed)
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

/// The parameters of a path, or the answer to one that has a parameter which cannot be decoded.
fn decoded(matched: Matched<'_>) -> Result<Parameters, Response<Body>> {
    let decode = |(name, value)| match path::decode_parameter(value) {
        Ok(value) => Ok((name, value.into_owned())),
        Err(error) => {
            let message = format!("failed to unescape request parameter {name:?}. Error: {error}\n");
            Err(respond::text(StatusCode::BAD_REQUEST, &message))
        }
    };
    matched.parameters.into_iter().map(decode).collect()
}

/// The two requests that need no token.
fn is_health(method: &Method, uri: &Uri) -> bool {
    method == Method::GET && matches!(uri.path().trim_matches('/'), "v1.0/healthz" | "v1.0/healthz/outbound")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room that what this makes takes until it is done.
    fn room<Answer: Future>(_: fn(&'static HttpDoor, Request<Body>) -> Answer) -> usize {
        size_of::<Answer>()
    }

    #[test]
    fn a_request_takes_little_room() {
        let room = room(HttpDoor::handle);
        assert!(room < 1024, "each request moves {room} bytes");
    }
}
