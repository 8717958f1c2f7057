//! What a sidecar tells of itself, over HTTP and gRPC alike.

use serde_json::json;
use testkit::{App, Sidecar};
use wire::runtime::{GetMetadataRequest, SetMetadataRequest};

#[tokio::test]
async fn the_metadata_describes_the_sidecar() {
    let app = App::http().start().await;
    let a = Sidecar::named("a")
        .app(&app)
        .memory_store("store")
        .resource("apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata:\n  name: outside\nspec:\n  baseUrl: http://127.0.0.1:1\n")
        .flag("--app-max-concurrency=7")
        .start()
        .await;
    let metadata = a.get("/v1.0/metadata").send().await.json();
    assert_eq!(metadata["id"], "a");
    let component = &metadata["components"][0];
    assert_eq!(
        (&component["name"], &component["type"], &component["version"]),
        (&json!("store"), &json!("state.in-memory"), &json!("v1"))
    );
    assert!(component["capabilities"].as_array().unwrap().contains(&json!("ETAG")), "{component}");
    assert_eq!(metadata["httpEndpoints"], json!([{"name": "outside"}]));
    let connection = &metadata["appConnectionProperties"];
    assert_eq!((&connection["port"], &connection["protocol"]), (&json!(app.port()), &json!("http")));
    assert_eq!((&connection["channelAddress"], &connection["maxConcurrency"]), (&json!("127.0.0.1"), &json!(7)));
    assert!(metadata["runtimeVersion"].is_string());
    assert!(metadata["extended"]["daprRuntimeVersion"].is_string());
    assert_eq!(metadata["actorRuntime"]["runtimeStatus"], "DISABLED");
}

#[tokio::test]
async fn what_an_app_sets_is_told_by_both_doors() {
    let a = Sidecar::named("a").start().await;
    let mut dapr = a.dapr().await;
    assert_eq!(a.request("PUT", "/v1.0/metadata/over-http").body("1").send().await.status, 204);
    dapr.set_metadata(SetMetadataRequest { key: "over-grpc".to_owned(), value: "2".to_owned() }).await.unwrap();
    let extended = a.get("/v1.0/metadata").send().await.json()["extended"].clone();
    assert_eq!((&extended["over-http"], &extended["over-grpc"]), (&json!("1"), &json!("2")));
    let told = dapr.get_metadata(GetMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!((told.id.as_str(), told.extended_metadata["over-http"].as_str()), ("a", "1"));
    assert_eq!(told.extended_metadata["over-grpc"], "2");
}

#[tokio::test]
async fn the_public_port_tells_the_same_and_nothing_else() {
    let a = Sidecar::named("a").memory_store("store").public().start().await;
    let call = |method: &str, path: &str| testkit::Call::to(a.public_port(), method, path);
    assert_eq!(call("GET", "/v1.0/healthz").send().await.status, 204);
    assert_eq!(call("GET", "/v1.0/metadata").send().await.json()["id"], "a");
    for (method, path) in
        [("GET", "/v1.0/state/store/key"), ("POST", "/v1.0/shutdown"), ("POST", "/v1.0/invoke/a/method/x")]
    {
        assert_eq!(call(method, path).send().await.status, 404, "{method} {path}");
    }
    assert_eq!(a.get("/v1.0/healthz").send().await.status, 204);
}
