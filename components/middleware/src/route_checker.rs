//! `middleware.http.routerchecker`: refuses requests whose path and query, as written, do not match a regular expression.

use std::sync::Arc;

use async_trait::async_trait;
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next};
use component::{Backend, Constructing, Settings, Setup};
use http::{Request, Response, StatusCode};
use regex::Regex;

use crate::{answer, pattern};

/// The metadata of `middleware.http.routerchecker`.
#[derive(Settings)]
pub(crate) struct RouteCheckerSettings {
    /// Regular expression of the paths that are allowed, held against path and query as they are written in the request.
    #[setting(required)]
    rule: String,
}

struct RouteChecker {
    rule: Regex,
}

/// Compiles the rule.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let settings = RouteCheckerSettings::parse(&setup.properties)?;
        let middleware: Arc<dyn HttpMiddleware> =
            Arc::new(RouteChecker { rule: pattern::compile("rule", &settings.rule)? });
        Ok(middleware)
    })
}

impl Backend for RouteChecker {}

#[async_trait]
impl HttpMiddleware for RouteChecker {
    async fn handle(&self, request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
        if !self.rule.is_match(asked) {
            return answer::text(StatusCode::BAD_REQUEST, "invalid router");
        }
        next.run(request).await
    }
}
