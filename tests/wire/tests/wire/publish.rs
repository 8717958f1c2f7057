//! Publishing over both doors, on the broker in the memory of the sidecar: names, rules of topics, errors, counting.

use serde_json::{Value, json};
use testkit::Sidecar;
use tonic::Code;
use wire::runtime::{BulkPublishRequest, BulkPublishRequestEntry, PublishEventRequest};

const OPEN: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: ps\nspec:\n  type: pubsub.in-memory\n  version: v1\n";

/// The same broker, for an app that may publish to some topics only.
fn scoped(app: &str) -> String {
    format!(
        "{OPEN}  metadata:\n  - name: publishingScopes\n    value: {app}=a,p\n  - name: allowedTopics\n    value: a,b,p\n  \
         - name: protectedTopics\n    value: p,q\n"
    )
    .replace("name: ps", "name: scoped")
}

fn event(pubsub: &str, topic: &str, data: &'static str) -> PublishEventRequest {
    PublishEventRequest {
        pubsub_name: pubsub.to_owned(),
        topic: topic.to_owned(),
        data: data.into(),
        ..PublishEventRequest::default()
    }
}

fn bulk(pubsub: &str, topic: &str, ids: &[&str]) -> BulkPublishRequest {
    let entry = |id: &&str| BulkPublishRequestEntry {
        entry_id: (*id).to_owned(),
        event: "x".into(),
        content_type: "text/plain".to_owned(),
        ..BulkPublishRequestEntry::default()
    };
    BulkPublishRequest {
        pubsub_name: pubsub.to_owned(),
        topic: topic.to_owned(),
        entries: ids.iter().map(entry).collect(),
        ..BulkPublishRequest::default()
    }
}

/// Every way to publish to a topic: status over HTTP, code over gRPC.
async fn every_way(sidecar: &Sidecar, pubsub: &str, topic: &str) -> (Vec<u16>, Vec<Code>) {
    let entries = json!([{ "entryId": "1", "event": "x", "contentType": "text/plain" }]);
    let single = sidecar.post(&format!("/v1.0/publish/{pubsub}/{topic}")).body("x").send().await;
    let many = sidecar.post(&format!("/v1.0/publish/bulk/{pubsub}/{topic}")).json(&entries).send().await;
    let alpha = sidecar.post(&format!("/v1.0-alpha1/publish/bulk/{pubsub}/{topic}")).json(&entries).send().await;
    let mut dapr = sidecar.dapr().await;
    let code = |status: Option<tonic::Status>| status.map_or(Code::Ok, |status| status.code());
    let codes = vec![
        code(dapr.publish_event(event(pubsub, topic, "x")).await.err()),
        code(dapr.bulk_publish_event(bulk(pubsub, topic, &["1"])).await.err()),
        code(dapr.bulk_publish_event_alpha1(bulk(pubsub, topic, &["1"])).await.err()),
    ];
    (vec![single.status, many.status, alpha.status], codes)
}

#[tokio::test]
async fn rules_of_topics_are_the_same_at_every_door() {
    let id = testkit::unique("publisher");
    let sidecar = Sidecar::named(&id).resource(OPEN).resource(&scoped(&id)).start().await;
    for (pubsub, topic, may) in [
        ("ps", "q", true),
        ("scoped", "a", true),
        ("scoped", "p", true),
        ("scoped", "b", false),
        ("scoped", "q", false),
    ] {
        let (statuses, codes) = every_way(&sidecar, pubsub, topic).await;
        let expected = if may { (204, Code::Ok) } else { (403, Code::PermissionDenied) };
        assert_eq!((statuses, codes), (vec![expected.0; 3], vec![expected.1; 3]), "{pubsub} {topic}");
    }
    let (statuses, codes) = every_way(&sidecar, "nowhere", "a").await;
    assert_eq!((statuses, codes), (vec![404; 3], vec![Code::InvalidArgument; 3]));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_as_the_target_tells_it() {
    let sidecar = Sidecar::named("publisher").resource(OPEN).start().await;
    let refused = sidecar.post("/v1.0/publish/ps/t?metadata.rawPayload=perhaps").body("x").send().await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "ERR_PUBSUB_REQUEST_METADATA"));
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body["details"][1]["metadata"], json!({ "rawPayload": "perhaps" }));
    let announced = sidecar.post("/v1.0/publish/ps/t").header("content-type", "application/cloudevents+json");
    let refused = announced.body("{\"}").send().await;
    assert_eq!((refused.status, refused.error_code().as_str()), (500, "ERR_PUBSUB_CLOUD_EVENTS_SER"));
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body["details"][1]["metadata"]["error"], "unexpected EOF");
    for (entries, said) in [
        ("{\"entryID\": \"}", "unexpected EOF"),
        ("{}", "json: cannot unmarshal object into Go value of type []http.bulkPublishMessageEntry"),
    ] {
        let refused = sidecar.post("/v1.0/publish/bulk/ps/t").body(entries).send().await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "ERR_PUBSUB_EVENTS_SER"));
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        let expected = format!("error when unmarshaling the request for topic t pubsub ps: {said}");
        assert_eq!(body["message"], expected.as_str());
    }
    let mut dapr = sidecar.dapr().await;
    for (pubsub, topic, said) in [
        ("", "t", "pubsub name is empty"),
        ("nowhere", "", "pubsub nowhere is not found"),
        ("ps", "", "topic is empty in pubsub ps"),
    ] {
        let status = dapr.publish_event(event(pubsub, topic, "x")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, said));
    }
    for ids in [&["1", "1"][..], &[""]] {
        let status = dapr.bulk_publish_event(bulk("ps", "t", ids)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().ends_with("entryId is duplicated or not present for entry"), "{}", status.message());
    }
}

#[tokio::test]
async fn the_answer_tells_the_span() {
    let sidecar = Sidecar::named("publisher").resource(OPEN).start().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = sidecar.post("/v1.0/publish/ps/t").header("traceparent", parent).header("tracestate", "a=b");
    let answer = traced.body("x").send().await;
    assert_eq!(answer.status, 204);
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((header("traceparent").as_deref(), header("tracestate").as_deref()), (Some(parent), Some("a=b")));
}

#[tokio::test]
async fn names_of_topics_may_have_slashes_and_what_a_path_escapes() {
    let id = testkit::unique("publisher");
    let component = format!("{OPEN}  metadata:\n  - name: allowedTopics\n    value: a/b/c,ä?\n");
    let sidecar = Sidecar::named(&id).resource(&component).start().await;
    for path in ["a/b/c", "a%2Fb%2Fc", "a/b%2Fc", "%C3%A4%3F"] {
        let published = sidecar.request("PUT", &format!("/v1.0/publish/ps/{path}")).body("x").send().await;
        assert_eq!(published.status, 204, "{path}: {}", published.text());
    }
    assert_eq!(sidecar.post("/v1.0/publish/ps/a/b").body("x").send().await.status, 403);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_published() {
    let sidecar = Sidecar::named("publisher").resource(OPEN).flag("--max-body-size=1Ki").start().await;
    let long = "x".repeat(2048);
    for path in ["/v1.0/publish/ps/t", "/v1.0/publish/bulk/ps/t"] {
        let refused = sidecar.post(path).body(long.clone()).send().await;
        assert!(refused.status >= 400, "{path}: {}", refused.status);
    }
    let status = sidecar.dapr().await.publish_event(event("ps", "t", Box::leak(long.into_boxed_str()))).await;
    assert_eq!(status.unwrap_err().code(), Code::ResourceExhausted);
    assert!(!sidecar.metrics().await.contains("pubsub_egress_count{"));
}

#[tokio::test]
async fn what_was_published_is_counted() {
    let sidecar = Sidecar::named("publisher").resource(OPEN).start().await;
    sidecar.post("/v1.0/publish/ps/t").body("x").send().await;
    sidecar.dapr().await.bulk_publish_event(bulk("ps", "t", &["1", "2"])).await.unwrap();
    let page = sidecar.metrics().await;
    let labels =
        format!("{{app_id=\"{}\",component=\"ps\",namespace=\"\",success=\"true\",topic=\"t\"}}", sidecar.id());
    for (family, count) in [("count", 1), ("bulk_count", 1), ("bulk_event_count", 2)] {
        let line = format!("dapr_component_pubsub_egress_{family}{labels} {count}");
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn a_component_whose_name_is_a_path_of_the_api_is_refused_at_the_start() {
    let ended = Sidecar::named("publisher").resource(&OPEN.replace("name: ps", "name: bulk")).start_failing().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.output.contains("cannot be named bulk"), "{}", ended.output);
}
