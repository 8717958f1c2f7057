//! gRPC requests of services we do not know: passed to our app or to the sidecar of another, frames untouched.
//!
//! The target is named by `dapr-callee-app-id` (set by a sidecar) or `dapr-app-id` (set by an app). Neither is passed on.

use std::time::Instant;

use call::Failure;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use security::Peer;
use service::{Body, Excess, Messages, Watching};
use telemetry::trace::SpanContext;
use tonic::{Code, Status};

use super::counted::{Hop, Proxied, is_stream};
use super::deadline::Deadline;
use super::{Invoker, Target, changed, stamp};

const CALLEE: HeaderName = HeaderName::from_static("dapr-callee-app-id");
pub(super) const TARGET: HeaderName = HeaderName::from_static("dapr-app-id");
const CALLER: HeaderName = HeaderName::from_static("dapr-caller-app-id");
const CALLER_NAMESPACE: HeaderName = HeaderName::from_static("dapr-caller-namespace");

impl Invoker {
    /// Passes on a request of our app.
    pub async fn proxy(&self, request: Request<Body>) -> Response<Body> {
        let deadline = Deadline::of(request.headers());
        let watching = Watching::new(self.counts.proxied(&request, deadline));
        // Boxed, here and below: what holds a call until it is over would be moved as often as what calls it.
        deadline.keep(Box::pin(self.limited(request, watching, |request| self.route(request)))).await
    }

    /// Passes a request of another sidecar to our app. It is never passed on further: this is no open relay.
    pub(super) async fn proxy_from_peer(&self, peer: Peer, request: Request<Body>) -> Response<Body> {
        let deadline = Deadline::of(request.headers());
        let call = |request| async { Ok((self.to_named_app(peer, request).await, None)) };
        deadline.keep(Box::pin(self.limited(request, Watching::new(None::<Proxied>), call))).await
    }

    /// Holds both directions of a call to the message limit.
    async fn limited<F>(
        &self,
        request: Request<Body>,
        mut watching: Watching<Proxied>,
        call: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Result<(Response<Body>, Option<Hop>), Failure>>,
    {
        let (limit, excess) = (self.parts.max_message, Excess::default());
        let request = request.map(|body| Messages::request(body, limit, excess.clone()));
        let response = call(request).await.map(|(response, hop)| {
            watching.with(|watch| watch.by(hop));
            response
        });
        let response = excess.status(limit).map_or_else(|| answer(response), Status::into_http);
        watching.answer(response, limit)
    }

    async fn to_named_app(&self, peer: Peer, mut request: Request<Body>) -> Response<Body> {
        let name = match named(request.headers()) {
            Ok(name) => name,
            Err(failure) => return answer(Err(failure)),
        };
        let routed = match self.target(&name) {
            Ok(Target::App { id, .. }) if id == self.parts.identity.app_id => {
                stamp::receive_headers(request.headers_mut(), &peer, id);
                self.to_own_app(&peer, request).await
            }
            Ok(_) => Err(Failure::new(
                Code::Unavailable,
                format!("this is the sidecar of {}, not of the app that was called", self.parts.identity.app_id),
            )),
            Err(failure) => Err(failure),
        };
        answer(routed)
    }

    fn next_span(&self, headers: &HeaderMap) -> Option<SpanContext> {
        self.parts.tracing.next(SpanContext::from_grpc(headers).as_ref())
    }

    fn target<'a>(&'a self, name: &'a str) -> Result<Target<'a>, Failure> {
        Ok(Target::parse(name, &self.parts.identity.namespace, |_| false)?)
    }

    /// The answer, and the way that a request to another sidecar went.
    async fn route(&self, mut request: Request<Body>) -> Result<(Response<Body>, Option<Hop>), Failure> {
        let name = named(request.headers())?;
        let Target::App { id, namespace } = self.target(&name)? else {
            return Err(Failure::plain("failed to proxy request: gRPC cannot be proxied to a URL"));
        };
        let own = &self.parts.identity;
        let headers = request.headers_mut();
        stamp::strip_headers(headers);
        headers.insert(CALLER, value(&own.app_id)?);
        headers.insert(CALLEE, value(id)?);
        if !own.namespace.is_empty() {
            headers.insert(CALLER_NAMESPACE, value(&own.namespace)?);
        }
        if self.is_own(id, namespace) {
            // An app proves nothing to its own sidecar; the target holds such calls to the default action too.
            return Ok((self.to_own_app(&Peer::Unauthenticated, request).await?, None));
        }
        request.headers_mut().remove(TARGET);
        if let Some(trace) = self.next_span(request.headers()) {
            trace.write_grpc(request.headers_mut());
        }
        let is_stream = is_stream(request.headers());
        let mut sent = None;
        let response = Box::pin(self.to_sidecar((id, namespace), request, &mut sent)).await;
        let hop = sent.map(|started| Hop { app: id.to_owned(), started, is_stream });
        Ok((answer(response), hop))
    }

    async fn to_own_app(&self, peer: &Peer, mut request: Request<Body>) -> Result<Response<Body>, Failure> {
        // All that would be sent on is looked at: a query is no part of a method, and is refused.
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let other = changed(path)?;
        self.admit_proxied(peer, other.as_deref().unwrap_or(path))?;
        if let Some(method) = other {
            let uri = Uri::try_from(method).map_err(|error| Failure::new(Code::InvalidArgument, error.to_string()))?;
            *request.uri_mut() = uri;
        }
        let Some(channel) = &self.parts.channel else {
            return Err(Failure::plain("cannot invoke local endpoint: app channel not initialized"));
        };
        request.headers_mut().remove(TARGET);
        if let Some(trace) = self.next_span(request.headers()) {
            trace.write_grpc(request.headers_mut());
        }
        Box::pin(channel.proxy(request)).await
    }

    /// The sidecar of another app; says when the request was sent. An address that cannot be reached is looked up once more; nothing was sent by then.
    async fn to_sidecar(
        &self,
        (id, namespace): (&str, &str),
        request: Request<Body>,
        sent: &mut Option<Instant>,
    ) -> Result<Response<Body>, Failure> {
        let parts = &self.parts;
        let mut again = true;
        loop {
            let looked_up = parts.resolution.lookup(id, namespace).await;
            let address = looked_up.map_err(|error| Failure::plain(error.to_string()))?;
            self.refuse_itself(id, namespace, address.as_str())?;
            match parts.sidecars.reach(&address).await {
                Ok(reached) => {
                    self.counts.invocations.sent(id, is_stream(request.headers()));
                    *sent = Some(Instant::now());
                    return parts.sidecars.proxy(&address, reached, request).await;
                }
                Err(failure) if !again => return Err(failure),
                Err(_) => {
                    parts.resolution.forget(id, namespace);
                    again = false;
                }
            }
        }
    }
}

/// Whom a request names.
fn named(headers: &HeaderMap) -> Result<String, Failure> {
    let missing =
        || Failure::plain("failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found");
    let name = headers.get(&CALLEE).or_else(|| headers.get(&TARGET)).ok_or_else(missing)?;
    Ok(name.to_str().map_err(|_| missing())?.to_owned())
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::new(Code::InvalidArgument, format!("{text:?} is not an app id")))
}

fn answer(routed: Result<Response<Body>, Failure>) -> Response<Body> {
    routed.unwrap_or_else(|failure| failure.into_status().into_http())
}
