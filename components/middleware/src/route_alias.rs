//! `middleware.http.routeralias`: gives a path another meaning. Variables of the old path become parameters of the query.

mod route;
mod table;

use std::sync::Arc;

use async_trait::async_trait;
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next};
use component::{Backend, Constructing, Settings, Setup};
use http::{Request, Response, StatusCode};

use crate::answer;
use route::Route;

/// The metadata of `middleware.http.routeralias`.
#[derive(Settings)]
pub(crate) struct RouteAliasSettings {
    /// A JSON or YAML object: the names are paths, in which `{name}` and `{name:expression}` stand for one part each, and the
    /// values the paths that are meant. The first that fits counts.
    routes: String,
}

struct RouteAlias {
    routes: Vec<Route>,
}

/// Reads the routes.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let middleware: Arc<dyn HttpMiddleware> = Arc::new(RouteAlias { routes: table::read(&setup)? });
        Ok(middleware)
    })
}

impl Backend for RouteAlias {}

#[async_trait]
impl HttpMiddleware for RouteAlias {
    async fn handle(&self, mut request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        let renamed = self.routes.iter().find_map(|route| route.rename(request.uri()));
        match renamed {
            Some(Ok(uri)) => *request.uri_mut() = uri,
            Some(Err(_)) => return answer::status(StatusCode::BAD_REQUEST),
            None => {}
        }
        next.run(request).await
    }
}
