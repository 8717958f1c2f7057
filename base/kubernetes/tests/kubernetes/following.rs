//! A list and its watch: what comes when, and how it goes on after each way in which a watch ends.

use std::time::Duration;

use kubernetes::{Change, Follow, Key, Resource, Selection};
use testkit::{App, KubernetesApi};

use crate::cluster::{Cluster, PODS, client, pod};

/// The next change, as a short text.
async fn next(follow: &mut Follow) -> String {
    let change = tokio::time::timeout(Duration::from_secs(10), follow.next()).await.expect("a change comes");
    match change {
        Change::Listing => "listing".to_owned(),
        Change::Present(object) => format!("present {}", object.key),
        Change::Listed => "listed".to_owned(),
        Change::Gone(key) => format!("gone {key}"),
    }
}

async fn changes(follow: &mut Follow, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(next(follow).await);
    }
    found
}

fn follow(cluster: &Cluster) -> Follow {
    Follow::new(cluster.client.clone(), Selection::all(Resource::PODS))
}

/// Three changes to begin with: one pod is there.
async fn begun(cluster: &Cluster) -> Follow {
    cluster.api.put(PODS, pod("default", "a"));
    let mut follow = follow(cluster);
    assert_eq!(changes(&mut follow, 3).await, ["listing", "present default/a", "listed"]);
    follow
}

#[tokio::test]
async fn what_is_there_is_listed_and_what_happens_is_told() {
    for api in [KubernetesApi::start().await, KubernetesApi::start_http1().await] {
        let cluster = Cluster::of(api).await;
        let mut follow = begun(&cluster).await;
        cluster.api.put(PODS, pod("other", "b"));
        assert_eq!(next(&mut follow).await, "present other/b");
        cluster.api.put(PODS, pod("default", "a"));
        assert_eq!(next(&mut follow).await, "present default/a");
        cluster.api.delete(PODS, "default", "a");
        assert_eq!(next(&mut follow).await, "gone default/a");
        assert_eq!(cluster.api.asked("GET /api/v1/pods?resourceVersion=0").len(), 1);
        let watches = cluster.api.asked("GET /api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=");
        assert_eq!(watches.len(), 1);
        assert!(watches[0].ends_with("&resourceVersion=1"), "{watches:?}");
    }
}

#[tokio::test]
async fn a_selection_is_asked_for() {
    let cluster = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "a"));
    cluster.api.put(PODS, pod("other", "b"));
    let selection = Selection {
        namespace: Some("other".to_owned()),
        labels: "app=x,tier in (a)".to_owned(),
        fields: "metadata.name=b".to_owned(),
        ..Selection::all(Resource::PODS)
    };
    let mut follow = Follow::new(cluster.client.clone(), selection);
    assert_eq!(changes(&mut follow, 3).await, ["listing", "present other/b", "listed"]);
    let start = "GET /api/v1/namespaces/other/pods?labelSelector=app%3Dx%2Ctier%20in%20%28a%29&fieldSelector=metadata.name%3Db&resourceVersion=0";
    assert_eq!(cluster.api.asked(start).len(), 1);
}

#[tokio::test]
async fn a_watch_that_the_server_ends_goes_on_where_it_ended() {
    let cluster = Cluster::start().await;
    let mut follow = begun(&cluster).await;
    cluster.api.put(PODS, pod("default", "b"));
    assert_eq!(next(&mut follow).await, "present default/b");
    cluster.api.end_watches();
    cluster.api.put(PODS, pod("default", "c"));
    assert_eq!(next(&mut follow).await, "present default/c");
    assert_eq!(cluster.api.asked("GET /api/v1/pods?resourceVersion").len(), 1, "nothing was listed again");
    assert_eq!(cluster.api.asked("GET /api/v1/pods?watch").len(), 2);
}

#[tokio::test]
async fn a_watch_that_is_cut_goes_on_where_it_was_and_misses_nothing() {
    for api in [KubernetesApi::start().await, KubernetesApi::start_http1().await] {
        let cluster = Cluster::of(api).await;
        let mut follow = begun(&cluster).await;
        cluster.api.put(PODS, pod("default", "b"));
        assert_eq!(next(&mut follow).await, "present default/b");
        cluster.api.cut_watches();
        cluster.api.put(PODS, pod("default", "c"));
        cluster.api.delete(PODS, "default", "a");
        assert_eq!(changes(&mut follow, 2).await, ["present default/c", "gone default/a"]);
        assert_eq!(cluster.api.asked("GET /api/v1/pods?resourceVersion").len(), 1, "nothing was listed again");
    }
}

#[tokio::test]
async fn a_bookmark_moves_the_version_to_go_on_from() {
    let cluster = Cluster::start().await;
    let mut follow = begun(&cluster).await;
    cluster.api.put("/api/v1/services", pod("default", "elsewhere"));
    cluster.api.put("/api/v1/services", pod("default", "elsewhere"));
    let waiting = testkit::spawn(async move {
        let change = next(&mut follow).await;
        (change, follow)
    });
    cluster.api.was_asked("GET /api/v1/pods?watch", 1).await;
    // The watch is subscribed when its answer has begun.
    tokio::time::sleep(Duration::from_millis(100)).await;
    cluster.api.bookmark();
    tokio::time::sleep(Duration::from_millis(100)).await;
    cluster.api.end_watches();
    let watches = cluster.api.was_asked("GET /api/v1/pods?watch", 2).await;
    assert!(watches[1].ends_with("resourceVersion=3"), "{watches:?}");
    cluster.api.put(PODS, pod("default", "b"));
    assert_eq!(waiting.await.unwrap().0, "present default/b");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_anew() {
    let cluster = Cluster::start().await;
    let mut follow = begun(&cluster).await;
    cluster.api.put(PODS, pod("default", "b"));
    assert_eq!(next(&mut follow).await, "present default/b");
    cluster.api.forget_history();
    cluster.api.end_watches();
    assert_eq!(changes(&mut follow, 4).await, ["listing", "present default/a", "present default/b", "listed"]);
    let lists = cluster.api.asked("GET /api/v1/pods");
    assert!(lists.iter().any(|line| line == "GET /api/v1/pods"), "the newest state is asked for: {lists:?}");
    cluster.api.put(PODS, pod("default", "c"));
    assert_eq!(next(&mut follow).await, "present default/c");
}

#[tokio::test]
async fn an_open_watch_that_is_told_to_be_too_old_is_listed_anew() {
    let cluster = Cluster::start().await;
    let mut follow = begun(&cluster).await;
    cluster.api.put(PODS, pod("default", "b"));
    assert_eq!(next(&mut follow).await, "present default/b");
    cluster.api.expire_watches();
    assert_eq!(changes(&mut follow, 4).await, ["listing", "present default/a", "present default/b", "listed"]);
}

#[tokio::test]
async fn a_server_that_comes_late_or_refuses_is_waited_for() {
    let cluster = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "a"));
    cluster.api.refuse("GET", "/api/v1/pods", 503, 2);
    let mut follow = follow(&cluster);
    let before = std::time::Instant::now();
    assert_eq!(changes(&mut follow, 3).await, ["listing", "present default/a", "listed"]);
    // Three quarters of a half and of a whole second.
    assert!(before.elapsed() >= Duration::from_millis(1100), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_waiting_follower_can_be_dropped_and_asked_again() {
    let cluster = Cluster::start().await;
    let mut follow = begun(&cluster).await;
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_millis(5), follow.next()).await;
    }
    cluster.api.put(PODS, pod("default", "b"));
    assert_eq!(next(&mut follow).await, "present default/b");
}

#[tokio::test]
async fn a_long_list_comes_item_by_item() {
    let cluster = Cluster::start().await;
    for index in 0..300 {
        let mut large = pod("default", &format!("pod-{index:03}"));
        large["data"] = serde_json::json!("x".repeat(40_000));
        cluster.api.put(PODS, large);
    }
    let mut follow = follow(&cluster);
    let listed = changes(&mut follow, 302).await;
    assert_eq!((listed[0].as_str(), listed[1].as_str()), ("listing", "present default/pod-000"));
    assert_eq!((listed[300].as_str(), listed[301].as_str()), ("present default/pod-299", "listed"));
}

#[tokio::test]
async fn a_list_without_versions_and_watches_that_end_at_once_are_asked_again_with_pauses() {
    let app = App::http().otherwise(|arrived| async move {
        let is_watch = arrived.uri.query().unwrap_or_default().contains("watch=true");
        let list = r#"{"kind":"PodList","metadata":{},"items":[{"metadata":{"name":"a"}}]}"#;
        http::Response::new(testkit::body_of(if is_watch { "" } else { list }))
    });
    let app = app.start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = format!(
        "current-context: a\nclusters: [{{name: a, cluster: {{server: '{}'}}}}]\ncontexts: [{{name: a, context: {{cluster: a}}}}]",
        app.url()
    );
    std::fs::write(&path, text).unwrap();
    let (client, _tasks) = client(&path).await;
    let mut follow = Follow::new(client, Selection::all(Resource::PODS));
    let found = tokio::time::timeout(Duration::from_secs(3), changes(&mut follow, 9)).await;
    assert_eq!(found.unwrap(), ["listing", "present a", "listed"].repeat(3));
    assert!(app.everything().len() <= 10, "{}", app.everything().len());
    assert_eq!(Key::new("", "a").to_string(), "a");
}
