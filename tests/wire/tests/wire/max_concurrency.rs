//! `--app-max-concurrency` bounds what runs in the app at once, whoever calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testkit::{App, Arrived, Sidecar, body_of};

#[tokio::test]
async fn no_more_calls_run_at_once_than_allowed_and_all_are_answered() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let work = move |_: Arrived| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            http::Response::new(body_of("ok"))
        }
    };
    let app = App::http().route("/x", work).start().await;
    let (a, b) = tokio::join!(
        Sidecar::named("a").app(&app).flag("--app-max-concurrency=2").start(),
        Sidecar::named("b").start()
    );
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..20 {
        let caller = if number % 2 == 0 { &a } else { &b };
        calls.spawn(caller.invoke("a", "x").send());
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().text(), "ok");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}
