//! Mutual TLS between sidecars: who is let in, who is called, and that nothing is open while there is no identity (SEC-05, SEC-15).

use std::time::Duration;

use testkit::{App, Authority, Call, Note, NotesClient, Sidecar, SidecarBuilder, ours_only, reply};
use tonic::Request;
use wire::internals::service_invocation_client::ServiceInvocationClient;
use wire::internals::{ApiVersion, InternalInvokeRequest};

const CALLER: &str = "spiffe://public/ns/default/caller";

fn certified(id: &str, authority: &Authority) -> SidecarBuilder {
    Sidecar::named(id).certified_by(authority).namespace("default")
}

#[tokio::test]
async fn apps_call_each_other_over_http_and_grpc() {
    let (authority, web, notes) =
        tokio::join!(Authority::start(), App::http().otherwise(reply("reached")).start(), App::grpc().start());
    let (a, n, b) = tokio::join!(
        certified("web", &authority).app(&web).start(),
        certified("notes", &authority).app(&notes).start(),
        certified("caller", &authority).start()
    );
    assert_eq!(b.invoke("web", "x").send().await.text(), "reached");
    let told = web.requests("/x").pop().unwrap();
    assert_eq!(told.values("dapr-caller-app-id"), ["caller"]);
    let mut client = NotesClient::new(b.channel().await, "notes");
    client.one(Request::new(Note::new("hello", 1))).await.unwrap();
    drop((a, n));
}

#[tokio::test]
async fn nobody_is_let_in_without_a_certificate_of_the_same_authority() {
    let (ours, theirs) = tokio::join!(Authority::start(), Authority::start());
    let app = App::http().otherwise(reply("reached")).start().await;
    let a = certified("web", &ours).app(&app).start().await;
    assert!(reaches(&ours, &a, Some(CALLER)).await);
    assert!(!reaches(&ours, &a, None).await, "no certificate");
    assert!(!reaches(&theirs, &a, Some(CALLER)).await, "another authority");
    let plain = Call::to(a.internal_port(), "GET", "/").try_send().await;
    assert!(plain.map_or(true, |answer| answer.status >= 400), "no TLS");
    assert_eq!(app.requests("/x").len(), 1);
}

#[tokio::test]
async fn a_peer_that_is_no_workload_is_turned_away() {
    ours_only!("the reference lets any SPIFFE id in, and refuses it where a policy reads it");
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let a = certified("web", &authority).app(&app).start().await;
    for id in [
        "spiffe://public/ns/default",
        "spiffe://public/caller",
        "spiffe://public/ns//caller",
        "https://public/ns/default/caller",
    ] {
        assert!(!reaches(&authority, &a, Some(id)).await, "{id}");
    }
    assert!(app.requests("/x").is_empty());
}

#[tokio::test]
async fn only_the_app_that_was_meant_is_called() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    // It is certified as another app than the one it is found as.
    let impostor = certified("payments", &authority).variable("SENTRY_LOCAL_IDENTITY", "impostor").app(&app);
    let (_impostor, b) = tokio::join!(impostor.start(), certified("caller", &authority).start());
    let answer = b.invoke("payments", "x").send().await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(app.requests("/x").is_empty());
}

#[tokio::test]
async fn sidecars_with_and_without_mutual_tls_do_not_talk() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let (_a, b) = tokio::join!(certified("web", &authority).app(&app).start(), Sidecar::named("caller").start());
    assert_eq!(b.invoke("web", "x").send().await.status, 500);
    let (_plain, c) =
        tokio::join!(Sidecar::named("open").app(&app).start(), certified("certified", &authority).start());
    assert_eq!(c.invoke("open", "x").send().await.status, 500);
    assert!(app.requests("/x").is_empty());
}

#[tokio::test]
async fn no_port_is_open_while_there_is_no_identity() {
    let (authority, away) = tokio::join!(Authority::start(), Authority::start());
    let nowhere = certified("web", &authority).flag(format!("--sentry-address={}", away.address()));
    // The process there proves an id of another authority, so it is not asked.
    let sidecar = nowhere.public().launch();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for port in [sidecar.http_port(), sidecar.grpc_port(), sidecar.public_port()] {
        let answer = Call::to(port, "GET", "/v1.0/healthz").try_send().await;
        assert!(answer.is_err(), "port {port} answers {answer:?}");
    }
}

#[tokio::test]
async fn what_mutual_tls_needs_is_asked_for_at_once() {
    ours_only!("the words are ours");
    let authority = Authority::start().await;
    let without_sentry =
        Sidecar::named("web").flag("--enable-mtls").variable("DAPR_TRUST_ANCHORS", &authority.anchors());
    let ended = without_sentry.start_failing().await;
    assert!(ended.code == Some(1) && ended.output.contains("--sentry-address"), "{ended:?}");
    let without_anchors = Sidecar::named("web").flag("--enable-mtls").flag("--sentry-address=127.0.0.1:1");
    let ended = without_anchors.start_failing().await;
    assert!(ended.code == Some(1) && ended.output.contains("trust anchors are required"), "{ended:?}");
    let garbage = certified("web", &authority).variable("DAPR_TRUST_ANCHORS", "no certificate");
    let ended = garbage.start_failing().await;
    assert!(ended.code == Some(1) && ended.output.contains("failed to decode trust anchors"), "{ended:?}");
}

/// Whether a call of this peer reaches the app.
async fn reaches(authority: &Authority, sidecar: &Sidecar, id: Option<&str>) -> bool {
    let Ok(channel) = authority.connect(sidecar.internal_port(), id).await else { return false };
    let mut client = ServiceInvocationClient::new(channel);
    let message = wire::common::InvokeRequest {
        method: "x".to_owned(),
        http_extension: Some(wire::common::HttpExtension { verb: 4, querystring: String::new() }),
        ..wire::common::InvokeRequest::default()
    };
    let request = InternalInvokeRequest {
        ver: ApiVersion::V1 as i32,
        message: Some(message),
        ..InternalInvokeRequest::default()
    };
    client.call_local(request).await.is_ok()
}
