//! `middleware.http.bearer`: lets requests pass that carry a token which the issuer signed for this audience. It fails closed:
//! without keys it does not start, and what it cannot verify it refuses.

mod discovery;
mod keys;
mod source;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next};
use component::{Backend, Clock, Constructing, Settings, Setup};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode};

use crate::{answer, fetch};
use source::KeySource;
use token::Expected;

/// The metadata of `middleware.http.bearer`.
#[derive(Settings)]
pub(crate) struct BearerSettings {
    /// Who signs the tokens: the issuer's URL, exactly as its tokens and its discovery document have it.
    #[setting(aliases("issuerURL"), required)]
    issuer: String,
    /// For whom the tokens have to be; usually the id of a client.
    #[setting(aliases("clientID"), required)]
    audience: String,
    /// Where the issuer's keys are; without it, the issuer's discovery document says so.
    #[setting(name = "jwksURL")]
    jwks_url: String,
}

struct Bearer {
    expected: Expected,
    keys: Arc<KeySource>,
    clock: Clock,
}

/// Finds the issuer's keys and fetches them.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let settings = BearerSettings::parse(&setup.properties)?;
        let url = if settings.jwks_url.is_empty() {
            discovery::find_keys(&setup.host.http, &settings.issuer).await?
        } else {
            fetch::url("jwksURL", &settings.jwks_url)?
        };
        let keys = KeySource::open(&setup.host, url, setup.name).await?;
        let expected = Expected { issuer: settings.issuer, audience: settings.audience };
        let middleware: Arc<dyn HttpMiddleware> =
            Arc::new(Bearer { expected, keys: Arc::new(keys), clock: setup.host.clock });
        Ok(middleware)
    })
}

impl Backend for Bearer {}

#[async_trait]
impl HttpMiddleware for Bearer {
    async fn handle(&self, request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        let accepted = match token_of(request.headers()) {
            Some(token) => self.accepts(token).await,
            None => false,
        };
        if !accepted {
            return answer::status(StatusCode::UNAUTHORIZED);
        }
        next.run(request).await
    }
}

impl Bearer {
    async fn accepts(&self, token: &str) -> bool {
        let Some(name) = token::key_name(token) else { return false };
        let keys = self.keys.with_key(&name).await;
        token::verify(token, &keys, &self.expected, self.clock.now())
    }
}

/// The token of a request that carries one, and only one.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).into_iter();
    let (only, None) = (given.next()?, given.next()) else { return None };
    let (kind, token) = only.to_str().ok()?.split_at_checked("bearer ".len())?;
    kind.eq_ignore_ascii_case("bearer ").then_some(token)
}
