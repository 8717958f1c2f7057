//! Requests to the server: which object they are about, and what is done with it.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Response};
use serde_json::{Value, json};

use super::Shared;
use super::objects::{Objects, merge, step_by_step};
use super::watching::Opening;
use crate::app::{Arrived, BoxedBody, body_of};

/// What a path names.
struct Target {
    collection: String,
    namespace: Option<String>,
    name: Option<String>,
}

impl Target {
    fn of(path: &str) -> Option<Self> {
        let mut steps = path.trim_start_matches('/').split('/');
        let prefix = match steps.next()? {
            "api" => format!("/api/{}", steps.next()?),
            "apis" => format!("/apis/{}/{}", steps.next()?, steps.next()?),
            _ => return None,
        };
        let mut rest: Vec<&str> = steps.collect();
        let mut namespace = None;
        if rest.len() > 2 && rest[0] == "namespaces" {
            namespace = Some(rest[1].to_owned());
            rest.drain(..2);
        }
        let name = rest.get(1).map(|name| (*name).to_owned());
        Some(Self { collection: format!("{prefix}/{}", rest.first()?), namespace, name })
    }
}

fn answer_of(status: u16, content: &Value) -> Response<BoxedBody> {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    answer.body(body_of(content.to_string())).expect("a status")
}

fn status(code: u16, reason: &str, message: &str) -> Response<BoxedBody> {
    answer_of(code, &json!({"kind": "Status", "code": code, "reason": reason, "message": message}))
}

fn query(arrived: &Arrived, name: &str) -> Option<String> {
    let pairs = arrived.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

pub(super) async fn answer(shared: Arc<Shared>, arrived: Arrived) -> Response<BoxedBody> {
    {
        let mut objects = shared.objects();
        let sent = arrived.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if objects.demanded.is_some() && objects.demanded.as_deref() != sent {
            return status(401, "Unauthorized", "Unauthorized");
        }
        if let Some(code) = objects.refusal(arrived.method.as_str(), arrived.uri.path()) {
            return status(code, "Refused", "refused on purpose");
        }
    }
    let Some(target) = Target::of(arrived.uri.path()) else { return status(404, "NotFound", "no such path") };
    match (arrived.method.clone(), &target.name) {
        (Method::GET, None) if query(&arrived, "watch").as_deref() == Some("true") => watch(shared, target, &arrived),
        (Method::GET, None) => list(&shared.objects(), &target),
        (Method::GET, Some(name)) => {
            let found = shared.objects().get(&target.collection, target.namespace.as_deref().unwrap_or_default(), name);
            found.map_or_else(|| missing(name), |object| answer_of(200, &object))
        }
        (Method::POST, None) => {
            let sent = read(arrived).await;
            if target.collection.ends_with("/tokenreviews") {
                return review(&shared.objects(), &sent);
            }
            changed(&shared, |objects| create(objects, &target, sent))
        }
        (Method::PUT, Some(name)) => {
            let sent = read(arrived).await;
            changed(&shared, |objects| replace(objects, &target, name, sent))
        }
        (Method::PATCH, Some(name)) => {
            let kind = arrived.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let (kind, sent) = (kind.to_owned(), read(arrived).await);
            changed(&shared, |objects| patch(objects, &target, name, (&kind, &sent)))
        }
        _ => status(405, "MethodNotAllowed", "not here"),
    }
}

async fn read(arrived: Arrived) -> Value {
    serde_json::from_slice(&arrived.read().await.unwrap_or_default()).unwrap_or_default()
}

fn missing(name: &str) -> Response<BoxedBody> {
    status(404, "NotFound", &format!("\"{name}\" not found"))
}

fn changed(shared: &Shared, change: impl FnOnce(&mut Objects) -> Response<BoxedBody>) -> Response<BoxedBody> {
    let answer = change(&mut shared.objects());
    shared.watches.wake();
    answer
}

fn list(objects: &Objects, target: &Target) -> Response<BoxedBody> {
    let items = objects.list(&target.collection, target.namespace.as_deref());
    let metadata = json!({"resourceVersion": objects.revision.to_string()});
    answer_of(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}))
}

fn watch(shared: Arc<Shared>, target: Target, arrived: &Arrived) -> Response<BoxedBody> {
    let revision = query(arrived, "resourceVersion").map(|version| version.parse().expect("one of our versions"));
    if revision.is_some_and(|revision: u64| revision < shared.objects().oldest) {
        return status(410, "Expired", "too old resource version");
    }
    let opening = Opening { collection: target.collection, namespace: target.namespace, revision };
    let body = opening.open(shared);
    Response::builder().header(CONTENT_TYPE, "application/json").body(body).expect("a header")
}

fn create(objects: &mut Objects, target: &Target, sent: Value) -> Response<BoxedBody> {
    let name = sent.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let namespace = target.namespace.clone().unwrap_or_default();
    if objects.get(&target.collection, &namespace, &name).is_some() {
        return status(409, "AlreadyExists", &format!("\"{name}\" already exists"));
    }
    answer_of(201, &objects.put(&target.collection, sent))
}

fn conflicts(old: &Value, new: &Value) -> bool {
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    version(new).is_some_and(|wanted| Some(wanted) != version(old))
}

fn conflict(name: &str) -> Response<BoxedBody> {
    status(409, "Conflict", &format!("\"{name}\": the object has been modified"))
}

fn replace(objects: &mut Objects, target: &Target, name: &str, sent: Value) -> Response<BoxedBody> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    match objects.get(&target.collection, namespace, name) {
        None => missing(name),
        Some(old) if conflicts(&old, &sent) => conflict(name),
        Some(_) => answer_of(200, &objects.put(&target.collection, sent)),
    }
}

fn patch(objects: &mut Objects, target: &Target, name: &str, (kind, sent): (&str, &Value)) -> Response<BoxedBody> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let Some(mut object) = objects.get(&target.collection, namespace, name) else { return missing(name) };
    match kind {
        "application/merge-patch+json" if conflicts(&object, sent) => return conflict(name),
        "application/merge-patch+json" => merge(&mut object, sent),
        "application/json-patch+json" => {
            if !step_by_step(&mut object, sent) {
                return status(422, "Invalid", "a step of the patch failed");
            }
        }
        _ => return status(415, "UnsupportedMediaType", kind),
    }
    answer_of(200, &objects.put(&target.collection, object))
}

/// Says whose token it is, for the audiences that are asked for.
fn review(objects: &Objects, sent: &Value) -> Response<BoxedBody> {
    let token = sent.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default();
    let wanted: Vec<&str> = match sent.pointer("/spec/audiences").and_then(Value::as_array) {
        Some(wanted) => wanted.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let unauthenticated =
        |reason: &str| answer_of(201, &json!({"status": {"authenticated": false, "user": {}, "error": reason}}));
    let Some(account) = objects.accounts.get(token) else { return unauthenticated("invalid bearer token") };
    if let Some(error) = &account.error {
        return unauthenticated(error);
    }
    let good: Vec<&String> = account.audiences.iter().filter(|known| wanted.contains(&known.as_str())).collect();
    if good.is_empty() && !objects.hides_audiences {
        return unauthenticated("token audiences are not among the audiences of the request");
    }
    let extra: Value = account.extra.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    let user = json!({"username": account.username, "groups": ["system:serviceaccounts"], "extra": extra});
    let mut status = json!({"authenticated": true, "user": user, "audiences": good});
    if objects.hides_audiences {
        status.as_object_mut().expect("it is one").remove("audiences");
    }
    answer_of(201, &json!({"kind": "TokenReview", "spec": {}, "status": status}))
}
