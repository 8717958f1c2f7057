//! Pipelines of HTTP middlewares: what a request passes before it reaches the API, or the app. Made by `sidecar` from the
//! Configuration, run by `front` and `app`. A middleware that guards and is not loaded stops every request: it fails closed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use component::http::{HttpBody, full_body};
use component::middleware::{HttpMiddleware, Next};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};

use crate::{LoadedComponents, Pinned};

/// Types that change requests and guard nothing: without them a request goes on as it is, as in the target.
const HARMLESS: &[&str] = &["middleware.http.routeralias", "middleware.http.uppercase"];

/// One place in a pipeline, as the Configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Name of the component.
    pub name: String,
    /// Its full type.
    pub component_type: String,
    /// Its version; empty means `v1`.
    pub version: String,
}

/// What happens to a request at a stage that guards and whose component is not loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unguarded {
    /// It is refused.
    Refuse,
    /// It goes on. Only for requests that tell nothing but how the sidecar is.
    GoOn,
}

/// Middlewares in the order in which they see a request. A clone is the same pipeline.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    name: &'static str,
    stages: Vec<Stage>,
    components: LoadedComponents,
}

enum Found {
    Loaded(Pinned<dyn HttpMiddleware>),
    Missing { guards: bool },
}

impl Pipeline {
    /// The pipeline `name` of these stages; `None` if there are none. Components are looked up for each request, so that
    /// one that is loaded later counts from then on.
    pub fn new(name: &'static str, stages: Vec<Stage>, components: LoadedComponents) -> Option<Self> {
        (!stages.is_empty()).then(|| Self(Arc::new(Inner { name, stages, components })))
    }

    /// Passes a request through every stage to `end`.
    pub async fn run(&self, request: Request<HttpBody>, unguarded: Unguarded, end: Next) -> Response<HttpBody> {
        pass(Arc::clone(&self.0), 0, unguarded, request, end).await
    }

    /// Stages whose component is not loaded, and whether that stops all requests.
    pub fn missing(&self) -> Vec<(&Stage, bool)> {
        let missing = |stage| match self.0.find(stage) {
            Found::Loaded(_) => None,
            Found::Missing { guards } => Some((stage, guards)),
        };
        self.0.stages.iter().filter_map(missing).collect()
    }
}

type Passing = Pin<Box<dyn Future<Output = Response<HttpBody>> + Send>>;

fn pass(pipeline: Arc<Inner>, mut at: usize, unguarded: Unguarded, request: Request<HttpBody>, end: Next) -> Passing {
    Box::pin(async move {
        loop {
            let Some(stage) = pipeline.stages.get(at) else { return end.run(request).await };
            at += 1;
            match pipeline.find(stage) {
                Found::Loaded(middleware) => {
                    let rest = move |request| pass(pipeline, at, unguarded, request, end);
                    return middleware.call_once(|backend| backend.handle(request, Next::new(rest))).await;
                }
                Found::Missing { guards: true } if unguarded == Unguarded::Refuse => {
                    return refusal(pipeline.name, stage);
                }
                Found::Missing { .. } => {}
            }
        }
    })
}

impl Inner {
    fn find(&self, stage: &Stage) -> Found {
        let found = self.components.http_middleware(&stage.name).and_then(|middleware| middleware.pin().ok());
        let Some(middleware) = found else { return Found::Missing { guards: guards(&stage.component_type) } };
        let details = middleware.details();
        let fits =
            *details.component_type == *stage.component_type && or_first(&details.version) == or_first(&stage.version);
        if fits {
            return Found::Loaded(middleware);
        }
        Found::Missing { guards: guards(&stage.component_type) || guards(&details.component_type) }
    }
}

fn or_first(version: &str) -> &str {
    if version.is_empty() { "v1" } else { version }
}

fn guards(component_type: &str) -> bool {
    !HARMLESS.iter().any(|harmless| harmless.eq_ignore_ascii_case(component_type))
}

fn refusal(pipeline: &str, stage: &Stage) -> Response<HttpBody> {
    let error = errors::middleware_not_loaded(&stage.name, &stage.component_type, pipeline);
    tracing::debug!(target: "dapr.middleware.http", "{error}");
    let rendered = errors::http::render(&error);
    let mut response = Response::new(full_body(rendered.body));
    *response.status_mut() = rendered.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(rendered.content_type));
    response
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pipeline").field("name", &self.0.name).field("stages", &self.0.stages).finish()
    }
}

#[cfg(test)]
mod tests;
