//! Single calls: what is sent, and what becomes of each kind of answer.

use std::fs;

use kubernetes::{Client, Config, Error, Patch, Resource, Selection};
use serde::Deserialize;
use serde_json::{Value, json};
use service::{Environment, Tasks};
use testkit::{App, KubernetesApi};

use crate::cluster::{Cluster, PODS, client, pod};

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    service_account_name: String,
}

#[tokio::test]
async fn an_object_is_read_over_http_2_and_http_1() {
    for api in [KubernetesApi::start().await, KubernetesApi::start_http1().await] {
        let cluster = Cluster::of(api).await;
        cluster.api.put(PODS, pod("default", "web-0"));
        let read: Pod = cluster.client.get(Resource::PODS, Some("default"), "web-0").await.unwrap();
        assert_eq!(read.spec.service_account_name, "default");
        let seen = &cluster.api.requests()[0];
        assert_eq!(seen.path, "/api/v1/namespaces/default/pods/web-0");
        assert_eq!(seen.values("accept"), ["application/json"]);
        assert!(seen.values("authorization").is_empty());
    }
}

#[tokio::test]
async fn a_list_is_read_once_and_tells_what_fails() {
    let cluster = Cluster::start().await;
    for (namespace, name) in [("default", "web-0"), ("default", "web-1"), ("other", "web-0")] {
        cluster.api.put(PODS, pod(namespace, name));
    }
    let selection = Selection { namespace: Some("default".to_owned()), ..Selection::all(Resource::PODS) };
    let listed = cluster.client.list(&selection).await.unwrap();
    let mut names: Vec<&str> = listed.iter().map(|object| object.key.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["web-0", "web-1"]);
    assert_eq!(cluster.api.requests().len(), 1);
    cluster.api.refuse("GET", "/api", 403, 1);
    assert!(cluster.client.list(&selection).await.unwrap_err().is_forbidden());
    let nowhere = Selection { namespace: Some("../x".to_owned()), ..selection };
    assert!(matches!(cluster.client.list(&nowhere).await, Err(Error::Name(_))));
}

#[tokio::test]
async fn a_refusal_says_what_the_server_said() {
    let cluster = Cluster::start().await;
    let error = cluster.client.get::<Value>(Resource::PODS, Some("default"), "web-0").await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "\"web-0\" not found");
    cluster.api.refuse("GET", "/api", 403, 1);
    let error = cluster.client.get::<Value>(Resource::PODS, Some("default"), "web-0").await.unwrap_err();
    assert!(error.is_forbidden(), "{error}");
}

#[tokio::test]
async fn a_name_from_outside_asks_for_nothing_else() {
    let cluster = Cluster::start().await;
    let error = cluster.client.get::<Value>(Resource::PODS, Some("default"), "../secrets/x").await.unwrap_err();
    assert!(matches!(error, Error::Name(_)));
    assert!(cluster.api.requests().is_empty());
}

#[tokio::test]
async fn an_object_is_created_once() {
    let cluster = Cluster::start().await;
    let create =
        || async { cluster.client.create::<Value>(Resource::PODS, Some("default"), &pod("default", "a")).await };
    assert_eq!(create().await.unwrap()["metadata"]["resourceVersion"], "1");
    assert!(create().await.unwrap_err().is_conflict());
    let seen = &cluster.api.requests()[0];
    assert_eq!(seen.values("content-type"), ["application/json"]);
    assert_eq!(serde_json::from_slice::<Value>(&seen.body).unwrap(), pod("default", "a"));
}

#[tokio::test]
async fn a_replacement_of_a_version_that_is_over_is_a_conflict() {
    let cluster = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "a"));
    let mut read: Value = cluster.client.get(Resource::PODS, Some("default"), "a").await.unwrap();
    read["spec"]["serviceAccountName"] = json!("first");
    let replaced: Value = cluster.client.replace(Resource::PODS, Some("default"), "a", &read).await.unwrap();
    assert_eq!(replaced["metadata"]["resourceVersion"], "2");
    read["spec"]["serviceAccountName"] = json!("second");
    let error = cluster.client.replace::<Value>(Resource::PODS, Some("default"), "a", &read).await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(cluster.api.get(PODS, "default", "a").unwrap()["spec"]["serviceAccountName"], "first");
}

#[tokio::test]
async fn patches_change_what_they_name() {
    let cluster = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "a"));
    let patch = |patch| cluster.client.patch::<Value>(Resource::PODS, Some("default"), "a", patch);
    let merge = json!({"metadata": {"annotations": {"x": "y"}}, "spec": {"serviceAccountName": null}});
    let merged = patch(Patch::Merge(&merge)).await.unwrap();
    assert_eq!(merged["metadata"]["annotations"]["x"], "y");
    assert_eq!(merged["spec"], json!({}));
    let (add, test) =
        (json!([{"op": "add", "path": "/spec/a", "value": 1}]), json!([{"op": "test", "path": "/spec/a", "value": 2}]));
    let stepped = patch(Patch::Json(&add)).await.unwrap();
    assert_eq!(stepped["spec"], json!({"a": 1}));
    let error = patch(Patch::Json(&test)).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let cluster = Cluster::start().await;
    let mut large = pod("default", "large");
    large["data"] = json!("x".repeat(5 << 20));
    cluster.api.put(PODS, large);
    let error = cluster.client.get::<Value>(Resource::PODS, Some("default"), "large").await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn a_refusal_that_is_no_status_is_told_by_its_code() {
    let app = App::http().otherwise(testkit::status(503, "<html>busy</html>")).start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = format!(
        "current-context: a\nclusters: [{{name: a, cluster: {{server: '{}/base/'}}}}]\ncontexts: [{{name: a, context: {{cluster: a}}}}]",
        app.url()
    );
    fs::write(&path, text).unwrap();
    let (client, _tasks) = client(&path).await;
    let error = client.get::<Value>(Resource::PODS, Some("default"), "a").await.unwrap_err();
    assert_eq!(error.to_string(), "the Kubernetes API answered 503");
    assert_eq!(app.everything()[0].path, "/base/api/v1/namespaces/default/pods/a");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let cluster = Cluster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = cluster.api.kubeconfig(folder.path());
    fs::write(folder.path().join("ca.crt"), testkit::Certificates::new().authority()).unwrap();
    let (stranger, _tasks) = client(&path).await;
    let error = stranger.get::<Value>(Resource::PODS, Some("default"), "a").await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable(reason) if reason.contains("certificate")), "{error:?}");
    assert!(cluster.api.requests().is_empty());
}

#[tokio::test]
async fn a_server_must_have_the_name_that_is_expected() {
    let cluster = Cluster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = cluster.api.kubeconfig(folder.path());
    let text = fs::read_to_string(&path).unwrap().replace("tls-server-name: localhost", "tls-server-name: other");
    fs::write(&path, text).unwrap();
    let (client, _tasks) = client(&path).await;
    assert!(matches!(
        client.get::<Value>(Resource::PODS, Some("default"), "a").await.unwrap_err(),
        Error::Unreachable(_)
    ));
}

/// A pod's client, whose service account is in this folder.
async fn in_pod(folder: &std::path::Path, port: u16) -> (Client, Tasks) {
    let port = port.to_string();
    let environment =
        Environment::from_pairs([("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", &port)]);
    let tasks = Tasks::new();
    (Client::new(Config::in_pod(&environment, folder).await.unwrap(), &tasks), tasks)
}

#[tokio::test]
async fn a_pod_logs_in_with_its_service_account_and_reads_a_replaced_token_when_the_old_one_is_refused() {
    let certificates = testkit::Certificates::new();
    let app = App::https(&certificates).otherwise(|arrived| async move {
        let token = arrived.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
        let status = if token == "Bearer new" { 200 } else { 401 };
        http::Response::builder().status(status).body(testkit::body_of("{}")).unwrap()
    });
    let app = app.start().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.crt"), certificates.authority()).unwrap();
    fs::write(folder.path().join("token"), "old").unwrap();
    let (client, _tasks) = in_pod(folder.path(), app.port()).await;
    let get = || client.get::<Value>(Resource::PODS, Some("default"), "a");
    assert!(get().await.unwrap_err().is_unauthorized());
    fs::write(folder.path().join("token"), "new").unwrap();
    assert_eq!(get().await.unwrap(), json!({}));
}
