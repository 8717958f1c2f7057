//! An app that says it is unwell gets no calls until it is well again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use testkit::{App, Arrived, Sidecar, body_of, reply};

#[tokio::test]
async fn calls_stop_while_the_app_is_unwell_and_go_on_when_it_is_well() {
    let health = Arc::new(AtomicU16::new(200));
    let told = Arc::clone(&health);
    let probe = move |_: Arrived| {
        let status = told.load(Ordering::SeqCst);
        std::future::ready(http::Response::builder().status(status).body(body_of("")).unwrap())
    };
    let app = App::http().route("/own-health", probe).route("/x", reply("ok")).start().await;
    let a = Sidecar::named("a")
        .app(&app)
        .variable("APP_API_TOKEN", "token")
        .flag("--enable-app-health-check=true")
        .flag("--app-health-check-path=/own-health")
        .flag("--app-health-probe-interval=1")
        .flag("--app-health-probe-timeout=500")
        .flag("--app-health-threshold=1")
        .start()
        .await;
    wait_for(&a, 200).await;
    health.store(503, Ordering::SeqCst);
    wait_for(&a, 500).await;
    let answer = a.invoke("a", "x").send().await;
    assert!(answer.text().contains("healthy"), "{}", answer.text());
    health.store(200, Ordering::SeqCst);
    wait_for(&a, 200).await;
    let probes = app.requests("/own-health");
    assert!(probes.iter().all(|probe| probe.values("dapr-api-token").is_empty()), "a probe carries no token");
}

async fn wait_for(sidecar: &Sidecar, status: u16) {
    for _ in 0..100 {
        if sidecar.invoke("a", "x").send().await.status == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no call was answered with {status}");
}
