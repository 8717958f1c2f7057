//! What is known of all objects, in step with the server.

use std::time::Duration;

use kubernetes::{Key, Mirror, Resource, Selection};

use crate::cluster::{Cluster, PODS, pod};

fn mirror(cluster: &Cluster) -> Mirror<String> {
    let (shutdown, tasks) = (cluster.shutdown.clone(), &cluster.tasks);
    let known = |object: &kubernetes::Object| object.version.clone();
    Mirror::start(cluster.client.clone(), Selection::all(Resource::PODS), known, shutdown, tasks)
}

async fn becomes(mirror: &Mirror<String>, name: &str, version: Option<&str>) {
    for _ in 0..1000 {
        if mirror.get(&Key::new("default", name)).as_deref() == version {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} is {:?}", mirror.get(&Key::new("default", name)));
}

#[tokio::test]
async fn a_mirror_is_complete_after_the_first_list_and_follows() {
    let cluster = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "a"));
    cluster.api.refuse("GET", "/api/v1/pods", 500, 1);
    let mirror = mirror(&cluster);
    assert!(!mirror.is_complete());
    mirror.complete().await;
    assert_eq!(mirror.get(&Key::new("default", "a")).as_deref(), Some("1"));
    assert_eq!(mirror.get(&Key::new("other", "a")), None);
    cluster.api.put(PODS, pod("default", "a"));
    becomes(&mirror, "a", Some("2")).await;
    cluster.api.delete(PODS, "default", "a");
    becomes(&mirror, "a", None).await;
}

#[tokio::test]
async fn what_vanished_while_nobody_watched_is_forgotten() {
    let cluster = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "a"));
    cluster.api.put(PODS, pod("default", "b"));
    let mirror = mirror(&cluster);
    mirror.complete().await;
    cluster.api.refuse("GET", "/api/v1/pods", 503, 1);
    cluster.api.cut_watches();
    cluster.api.delete(PODS, "default", "a");
    cluster.api.forget_history();
    becomes(&mirror, "a", None).await;
    becomes(&mirror, "b", Some("2")).await;
}

#[tokio::test]
async fn a_stop_ends_it() {
    let cluster = Cluster::start().await;
    let _mirror = mirror(&cluster);
    cluster.api.was_asked("GET /api/v1/pods?watch", 1).await;
    cluster.shutdown.request();
    let Cluster { client, tasks, .. } = cluster;
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.expect("nothing is left");
}
