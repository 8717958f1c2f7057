//! Order, and what happens without a component.

use async_trait::async_trait;
use component::http::empty_body;
use component::{Backend, Properties};
use http::StatusCode;

use super::*;
use crate::components::Component;
use crate::{Details, Loaded};

/// Adds its name to a header, so that the order can be seen.
struct Mark(&'static str);

impl Backend for Mark {}

#[async_trait]
impl HttpMiddleware for Mark {
    async fn handle(&self, mut request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        request.headers_mut().append("mark", HeaderValue::from_static(self.0));
        let mut response = next.run(request).await;
        response.headers_mut().append("mark", HeaderValue::from_static(self.0));
        response
    }
}

fn load(components: &LoadedComponents, name: &'static str, component_type: &str, version: &str) {
    let details = Details {
        name: name.into(),
        component_type: component_type.into(),
        version: version.into(),
        properties: Arc::new(Properties::default()),
        settings: None,
    };
    let spec = component::Spec {
        name: name.to_owned(),
        namespace: String::new(),
        component_type: component_type.to_owned(),
        version: version.to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    let backend: Arc<dyn HttpMiddleware> = Arc::new(Mark(name));
    components.insert(spec, Component::HttpMiddleware(Arc::new(Loaded::new(details, backend))));
}

fn stage(name: &str, component_type: &str) -> Stage {
    Stage { name: name.to_owned(), component_type: component_type.to_owned(), version: String::new() }
}

fn marks(headers: &http::HeaderMap) -> Vec<&str> {
    headers.get_all("mark").iter().map(|mark| mark.to_str().unwrap()).collect()
}

async fn run(pipeline: &Pipeline, unguarded: Unguarded) -> (StatusCode, String) {
    let end = Next::new(|request: Request<HttpBody>| async move {
        let mut response = Response::new(empty_body());
        let seen = marks(request.headers()).join(",");
        response.headers_mut().insert("seen", seen.parse().unwrap());
        response
    });
    let response = pipeline.run(Request::new(empty_body()), unguarded, end).await;
    let seen = response.headers().get("seen").map_or("", |seen| seen.to_str().unwrap());
    (response.status(), format!("{seen} {}", marks(response.headers()).join(",")))
}

const BEARER: &str = "middleware.http.bearer";
const UPPERCASE: &str = "middleware.http.uppercase";

#[tokio::test]
async fn stages_see_a_request_in_order_and_its_answer_in_the_opposite_one() {
    let components = LoadedComponents::default();
    for name in ["a", "b", "c"] {
        load(&components, name, BEARER, "v1");
    }
    let stages = ["b", "a", "c", "a"].map(|name| stage(name, BEARER)).to_vec();
    let pipeline = Pipeline::new("server", stages, components).unwrap();
    assert_eq!(run(&pipeline, Unguarded::Refuse).await, (StatusCode::OK, "b,a,c,a a,c,a,b".to_owned()));
    assert!(pipeline.missing().is_empty());
}

#[tokio::test]
async fn a_guard_that_is_missing_stops_everything_but_the_question_whether_the_sidecar_lives() {
    let components = LoadedComponents::default();
    load(&components, "a", BEARER, "v1");
    let stages = vec![stage("a", BEARER), stage("b", BEARER)];
    let pipeline = Pipeline::new("server", stages, components.clone()).unwrap();
    assert_eq!(run(&pipeline, Unguarded::Refuse).await, (StatusCode::INTERNAL_SERVER_ERROR, " a".to_owned()));
    assert_eq!(run(&pipeline, Unguarded::GoOn).await, (StatusCode::OK, "a a".to_owned()));
    load(&components, "b", BEARER, "v1");
    assert_eq!(run(&pipeline, Unguarded::Refuse).await, (StatusCode::OK, "a,b b,a".to_owned()));
}

#[tokio::test]
async fn what_only_changes_requests_is_left_out_when_it_is_missing() {
    let pipeline = Pipeline::new("app", vec![stage("a", UPPERCASE)], LoadedComponents::default()).unwrap();
    assert_eq!(run(&pipeline, Unguarded::Refuse).await, (StatusCode::OK, " ".to_owned()));
    assert_eq!(pipeline.missing(), [(&stage("a", UPPERCASE), false)]);
}

#[tokio::test]
async fn a_component_of_another_type_or_version_is_missing_and_guards_if_either_does() {
    let components = LoadedComponents::default();
    load(&components, "a", BEARER, "v1");
    load(&components, "b", UPPERCASE, "v2");
    load(&components, "c", UPPERCASE, "");
    let status = async |name, component_type| {
        let pipeline = Pipeline::new("server", vec![stage(name, component_type)], components.clone()).unwrap();
        run(&pipeline, Unguarded::Refuse).await.0
    };
    assert_eq!(status("a", UPPERCASE).await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status("b", BEARER).await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status("b", UPPERCASE).await, StatusCode::OK);
    assert_eq!(status("c", UPPERCASE).await, StatusCode::OK);
    assert_eq!(status("nobody", "middleware.http.strange").await, StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn no_stages_are_no_pipeline() {
    assert!(Pipeline::new("server", Vec::new(), LoadedComponents::default()).is_none());
}
