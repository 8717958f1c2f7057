//! What servers and networks do to a state store: nothing acknowledged is lost, errors are clear, and it works again soon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use component::state::StateStore;
use component::{ErrorKind, Retry};
use servers::{Proxy, Redis, RedisCluster};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::making::{context, get, set, state, write};

/// How soon a store works again after its server does.
const SOON: Duration = Duration::from_secs(5);

/// Writers that count up, each on a key of its own, and note what was acknowledged and what was not.
struct Load {
    over: Arc<AtomicBool>,
    writers: JoinSet<(String, Outcome)>,
}

#[derive(Default)]
struct Outcome {
    acknowledged: u32,
    attempted: u32,
    errors: Vec<component::Error>,
}

impl Load {
    fn start(store: &Arc<dyn StateStore>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let (store, over) = (Arc::clone(store), Arc::clone(&over));
            writers.spawn(async move {
                let key = format!("writer-{writer}");
                let mut outcome = Outcome::default();
                while !over.load(Ordering::SeqCst) {
                    outcome.attempted += 1;
                    match set(&*store, &key, &outcome.attempted.to_string()).await {
                        Ok(()) => outcome.acknowledged = outcome.attempted,
                        Err(error) => {
                            outcome.errors.push(error);
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    }
                }
                (key, outcome)
            });
        }
        Self { over, writers }
    }

    async fn stop(self) -> BTreeMap<String, Outcome> {
        self.over.store(true, Ordering::SeqCst);
        self.writers.join_all().await.into_iter().collect()
    }
}

/// What is stored is what was acknowledged last, or something that was sent later and whose answer was lost.
async fn nothing_is_lost(store: &dyn StateStore, outcomes: &BTreeMap<String, Outcome>) {
    for (key, outcome) in outcomes {
        let stored: u32 = get(store, key).await.unwrap().unwrap().0.parse().unwrap();
        let allowed = outcome.acknowledged..=outcome.attempted;
        assert!(allowed.contains(&stored), "{key} is {stored}, acknowledged was {}", outcome.acknowledged);
        for error in &outcome.errors {
            let clear = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
            assert!(clear && error.to_string().starts_with("redis: cannot set state"), "{error}");
        }
    }
}

async fn works_soon(store: &dyn StateStore, since: Instant) {
    while let Err(error) = set(store, "again", "1").await {
        assert!(since.elapsed() < SOON, "after {:?} still: {error}", since.elapsed());
    }
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_acknowledged() {
    let Some(mut redis) = Redis::alone().durable().start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    let load = Load::start(&store);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        redis.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        redis.restart();
        works_soon(&*store, Instant::now()).await;
    }
    nothing_is_lost(&*store, &load.stop().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_away_is_told_clearly_and_soon() {
    let Some(mut redis) = Redis::alone().durable().start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    redis.kill();
    // The first call may be the one that finds the connection broken, after having sent something.
    let error = set(&*store, "a", "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let started = Instant::now();
    let error = set(&*store, "a", "1").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::NotProcessed), "{error}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let address = redis.address();
    let error = state(&[("redisHost", &address)]).await.err().unwrap().to_string();
    assert!(error.contains(&format!("reach the server at {address}")), "{error}");
    redis.restart();
    works_soon(&*store, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_of_thirty_seconds_loses_nothing_acknowledged() {
    let Some(redis) = Redis::alone().durable().start() else { return };
    let proxy = Proxy::to(redis.port());
    let store = state(&[("redisHost", &proxy.address())]).await.unwrap();
    let load = Load::start(&store);
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.silence();
    let started = Instant::now();
    let error = set(&*store, "b", "1").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    tokio::time::sleep_until(started + Duration::from_secs(30)).await;
    proxy.mend();
    works_soon(&*store, Instant::now()).await;
    nothing_is_lost(&*store, &load.stop().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_are_made_again() {
    let Some(redis) = Redis::alone().start() else { return };
    let proxy = Proxy::to(redis.port());
    let store = state(&[("redisHost", &proxy.address())]).await.unwrap();
    let load = Load::start(&store);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.mend();
        works_soon(&*store, Instant::now()).await;
    }
    nothing_is_lost(&*store, &load.stop().await).await;
    assert!(proxy.accepted() < 60, "{} connections for five interruptions", proxy.accepted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_is_told_and_a_changed_back_one_taken() {
    let Some(mut redis) = Redis::alone().user("alice", "old-secret").start() else { return };
    let properties = [("redisHost", &*redis.address()), ("redisUsername", "alice"), ("redisPassword", "old-secret")];
    let store = state(&properties).await.unwrap();
    set(&*store, "a", "1").await.unwrap();
    let change = |redis: &Redis, to: &str| {
        redis.command(&["ACL", "SETUSER", "alice", "resetpass", &format!(">{to}")]).unwrap();
    };
    change(&redis, "new-secret");
    redis.log_in_with("new-secret");
    redis.command(&["CLIENT", "KILL", "USER", "alice"]).unwrap();
    // The connection may be found broken first.
    let mut errors = Vec::new();
    for _ in 0..2 {
        errors.extend(set(&*store, "a", "2").await.err());
    }
    let error = errors.pop().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    change(&redis, "old-secret");
    works_soon(&*store, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_of_a_cluster_comes_back() {
    let Some(mut cluster) = RedisCluster::start_with(&Redis::alone().durable()) else { return };
    let nodes = cluster.addresses().join(",");
    let store = state(&[("redisHost", &nodes), ("redisType", "cluster")]).await.unwrap();
    let load = Load::start(&store);
    for node in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.nodes[node].kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.nodes[node].restart();
        while !cluster.is_whole() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let whole = Instant::now();
        for key in 0..20 {
            while let Err(error) = set(&*store, &format!("key-{key}"), "1").await {
                assert!(whole.elapsed() < SOON, "after {:?} still: {error}", whole.elapsed());
            }
        }
        assert!(whole.elapsed() < SOON, "{:?}", whole.elapsed());
    }
    nothing_is_lost(&*store, &load.stop().await).await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    assert_eq!(set(&*store, "key-1", "2").await.unwrap_err().kind(), ErrorKind::Unavailable);
    for node in &mut cluster.nodes {
        node.restart();
    }
    while !cluster.is_whole() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    works_soon(&*store, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_node_of_a_cluster_leaves_the_others_working() {
    let builder = Redis::alone().setting("cluster-require-full-coverage no");
    let Some(cluster) = RedisCluster::start_with(&builder) else { return };
    let nodes = cluster.addresses().join(",");
    let properties = [("redisHost", &*nodes), ("redisType", "cluster"), ("readTimeout", "1s")];
    let store = state(&properties).await.unwrap();
    let keys: Vec<String> = (0..30).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        set(&*store, key, "1").await.unwrap();
    }
    let of_first = |key: &&String| cluster.nodes[0].command(&["HGET", key, "data"]).is_ok();
    let (silent, others): (Vec<&String>, Vec<&String>) = keys.iter().partition(of_first);
    cluster.nodes[0].pause();
    let error = set(&*store, silent[0], "2").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
    let started = Instant::now();
    for store in [&store, &state(&properties).await.unwrap()] {
        for key in &others {
            set(&**store, key, "2").await.unwrap();
        }
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    cluster.nodes[0].go_on();
    let running = Instant::now();
    for key in silent {
        while let Err(error) = set(&*store, key, "3").await {
            assert!(running.elapsed() < SOON, "after {:?} still: {error}", running.elapsed());
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_costs_no_error() {
    let Some(mut redis) = Redis::alone().durable().setting("timeout 1").start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    let clients = |redis: &Redis| redis.command(&["CLIENT", "LIST"]).unwrap().trim().lines().count();
    for _ in 0..2 {
        set(&*store, "a", "1").await.unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while clients(&redis) > 1 {
            assert!(Instant::now() < end, "the server does not close idle connections");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    set(&*store, "a", "2").await.unwrap();
    redis.kill();
    redis.restart();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let started = Instant::now();
    set(&*store, "a", "3").await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
}

#[tokio::test]
async fn calls_end_when_the_component_is_closed() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    store.close().await.unwrap();
    let error = store.set(&context(), &write("a", "1")).await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

#[tokio::test]
async fn an_idle_connection_is_replaced_when_it_is_used_again() {
    let Some(redis) = Redis::alone().start() else { return };
    let proxy = Proxy::to(redis.port());
    let idle = state(&[("redisHost", &proxy.address()), ("idleTimeout", "200")]).await.unwrap();
    let before = proxy.accepted();
    set(&*idle, "a", "1").await.unwrap();
    assert_eq!(proxy.accepted(), before);
    tokio::time::sleep(Duration::from_millis(400)).await;
    set(&*idle, "a", "2").await.unwrap();
    assert_eq!(proxy.accepted(), before + 1);
}
