//! Apps of other namespaces are called by `app.namespace`, and equal names in two namespaces are two apps.

use testkit::{App, Note, NotesClient, Sidecar, ours_only, reply};
use tonic::Request;

#[tokio::test]
async fn an_app_is_called_by_its_namespace() {
    let app = App::http().route("/x", reply("from one")).start().await;
    let _a = Sidecar::named("a").namespace("one").app(&app).start().await;
    let b = Sidecar::named("b").namespace("one").start().await;
    assert_eq!(b.invoke("a", "x").send().await.text(), "from one");
    assert_eq!(b.invoke("a.one", "x").send().await.text(), "from one");
}

#[tokio::test]
async fn over_http_the_own_id_in_another_namespace_is_not_the_own_app() {
    ours_only!("the reference compares the app id only");
    let app = App::http().route("/x", reply("from one")).start().await;
    let a = Sidecar::named("a").namespace("one").app(&app).start().await;
    assert_eq!(a.invoke("a.two", "x").send().await.status, 500);
    assert!(app.requests("/x").is_empty());
    assert_eq!(a.invoke("a.one", "x").send().await.text(), "from one");
}

#[tokio::test]
async fn the_own_id_in_another_namespace_is_not_the_own_app() {
    ours_only!("the reference compares the app id only when it proxies gRPC");
    let app = App::grpc().start().await;
    let a = Sidecar::named("a").namespace("one").app(&app).start().await;
    let result = NotesClient::new(a.channel().await, "a.two").one(Request::new(Note::default())).await;
    assert!(result.is_err(), "{result:?}");
    assert!(app.requests("/testkit.Notes/One").is_empty());
    NotesClient::new(a.channel().await, "a.one").one(Request::new(Note::default())).await.unwrap();
}
