//! Discovery for whoever verifies our tokens: the public keys, and a document that says where they are (OpenID Connect
//! Discovery 1.0, as far as that needs). Served on a port of its own. It tells nothing else and changes nothing.

mod discovery;
mod hosts;
mod tls;

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY};
use http::{Method, Request, Response, StatusCode};
use hyper::service::service_fn;
use service::{Body, HealthTarget, Listener, ServeOptions, ServerTls, Shutdown, Tasks, body};

use crate::authority::Authority;
use crate::options::OidcOptions;
use discovery::Discovery;
use hosts::{Forwarded, Hosts};
pub(crate) use tls::FileCertificate;

const TARGET: &str = "dapr.sentry.server.oidc.http";
const KEY_SET: &str = "/jwks.json";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const NO_SNIFFING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));

/// The server of discovery.
pub(crate) struct Oidc {
    authority: Authority,
    discovery: Discovery,
    hosts: Hosts,
    prefix: String,
}

impl Oidc {
    /// `issuer` is what tokens call their issuer, if they do.
    pub(crate) fn new(options: &OidcOptions, issuer: Option<String>, authority: Authority) -> Self {
        let hosts = Hosts::new(options.allowed_hosts.clone());
        if hosts.are_all_allowed() {
            tracing::info!(target: TARGET, "OIDC server will accept requests for any host");
        } else {
            let allowed = options.allowed_hosts.join(" ");
            tracing::info!(target: TARGET, "OIDC server will only accept requests for hosts: [{allowed}]");
        }
        let discovery = Discovery {
            issuer,
            key_set_uri: options.key_set_uri.clone(),
            key_set_path: format!("{}{KEY_SET}", options.path_prefix),
            is_secure: options.tls.is_some(),
        };
        Self { authority, discovery, hosts, prefix: options.path_prefix.clone() }
    }

    /// Serves until a stop is requested.
    pub(crate) async fn serve(
        self,
        listener: Listener,
        tls: Option<ServerTls>,
        health: HealthTarget,
        (shutdown, tasks): (Shutdown, Tasks),
    ) {
        let kind = if tls.is_some() { "" } else { " (insecure)" };
        tracing::info!(target: TARGET, "Starting OIDC HTTP server{kind} on {}", listener.address());
        let oidc = Arc::new(self);
        let service = service_fn(move |request: Request<Body>| {
            let answer = oidc.answer(&request.map(drop));
            async move { Ok::<_, Infallible>(answer) }
        });
        health.ready();
        service::serve(listener, service, ServeOptions { tls, ..ServeOptions::default() }, shutdown, tasks).await;
        health.not_ready();
        tracing::info!(target: TARGET, "Shutting down OIDC HTTP server");
    }

    fn answer(&self, request: &Request<()>) -> Response<Body> {
        let path = request.uri().path().strip_prefix(&self.prefix);
        let Some(wanted) = path.filter(|path| matches!(*path, KEY_SET | DISCOVERY)) else {
            return refuse(StatusCode::NOT_FOUND, "404 page not found\n");
        };
        let Some(host) = hosts::host_of(request) else {
            return refuse(StatusCode::BAD_REQUEST, "Invalid host\n");
        };
        let forwarded = Forwarded::of(request.headers().get_all(FORWARDED_HOST));
        if let Err(refused) = self.hosts.check(&host, &forwarded) {
            tracing::warn!(target: TARGET, "Request from unauthorized domain: {refused}");
            return refuse(StatusCode::FORBIDDEN, "Forbidden: unauthorized domain\n");
        }
        if request.method() != Method::GET {
            let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return answer;
        }
        let current = self.authority.current();
        let Some(tokens) = &current.tokens else {
            tracing::error!(target: TARGET, "JWKS not available in bundle");
            return refuse(StatusCode::NOT_FOUND, "JWKS not available\n");
        };
        if wanted == KEY_SET {
            return json(tokens.key_set().clone());
        }
        match self.discovery.document(self.hosts.named(&host, &forwarded), tokens.algorithm()) {
            Some(document) => {
                let mut answer = json(document);
                if !self.hosts.are_all_allowed() {
                    // What it says depends on that header too: nobody may keep it for another.
                    answer.headers_mut().insert(VARY, HeaderValue::from_name(FORWARDED_HOST));
                }
                answer
            }
            None => refuse(StatusCode::BAD_REQUEST, "Invalid host\n"),
        }
    }
}

fn json(content: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut answer = Response::new(body::full(content));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    answer
}

fn refuse(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(body::full(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let (name, value) = NO_SNIFFING;
    answer.headers_mut().insert(name, value);
    answer
}

#[cfg(test)]
mod tests;
