//! What servers and networks do to messages: nothing acknowledged is lost, and they flow again soon.

use std::time::Duration;

use component::ErrorKind;
use servers::{Proxy, Redis};
use tokio::time::{Instant, timeout};

use super::subject::{
    Handled, Publishing, SOON, TOPIC, ack, next, nothing, pending, publish, quick, subscribe, subscribe_to,
};

const TOPICS: &[&str] = &["one", "two", "three"];

/// Publishes to three topics and handles them while `fault` is done; everything acknowledged is handled afterwards.
async fn nothing_is_lost(address: &str, fault: impl Future<Output = ()>) -> Handled {
    let (publisher, subscriber) = (quick(address, &[]).await, quick(address, &[]).await);
    let handled = Handled::default();
    let mut all = Vec::new();
    for topic in TOPICS {
        all.push(subscribe_to(&*subscriber, topic).await);
    }
    let working =
        futures_util::future::join_all(all.into_iter().map(|one| handled.work(one, Duration::from_millis(5))));
    let done = async {
        let publishing = Publishing::start(&publisher, TOPICS);
        tokio::time::sleep(Duration::from_millis(500)).await;
        fault.await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let published = publishing.stop().await;
        assert!(published.len() > 50, "{} were published", published.len());
        handled.has_all(&published, SOON * 4).await;
        subscriber.close().await.unwrap();
        publisher.close().await.unwrap();
    };
    tokio::join!(working, done);
    handled
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    let Some(mut redis) = Redis::alone().durable().start() else { return };
    let address = redis.address();
    nothing_is_lost(&address, async {
        for _ in 0..3 {
            redis.kill();
            tokio::time::sleep(Duration::from_millis(700)).await;
            tokio::task::block_in_place(|| redis.restart());
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
        // Each connection was made again, and none was left behind.
        let clients = redis.command(&["CLIENT", "LIST"]).unwrap().lines().filter(|line| !line.is_empty()).count();
        assert!(clients <= 3 + 2 + 1 + 1, "{clients} connections");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_for_thirty_seconds_loses_nothing() {
    let Some(redis) = Redis::alone().durable().start() else { return };
    nothing_is_lost(&redis.address(), async {
        redis.pause();
        tokio::time::sleep(Duration::from_secs(30)).await;
        redis.go_on();
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_nothing_and_are_made_again() {
    let Some(redis) = Redis::alone().start() else { return };
    let proxy = Proxy::to(redis.port());
    nothing_is_lost(&proxy.address(), async {
        for _ in 0..5 {
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(300)).await;
            proxy.mend();
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    })
    .await;
    assert!(proxy.accepted() < 200, "{} connections for five interruptions", proxy.accepted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_loses_nothing() {
    let Some(redis) = Redis::alone().start() else { return };
    let proxy = Proxy::to(redis.port());
    nothing_is_lost(&proxy.address(), async {
        proxy.silence();
        tokio::time::sleep(Duration::from_secs(10)).await;
        proxy.mend();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_or_stream_that_is_gone_is_made_again_and_nothing_published_is_missed() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "0").await.unwrap();
    assert_eq!(ack(next(&mut deliveries).await).await, "0");
    let losses: [(&str, &[&str]); 4] = [
        ("1", &["XGROUP", "DESTROY", TOPIC, "app"]),
        ("2", &["DEL", TOPIC]),
        ("3", &["FLUSHALL"]),
        ("4", &["RENAME", TOPIC, "elsewhere"]),
    ];
    for (data, loss) in losses {
        redis.command(loss).unwrap();
        publish(&*broker, data).await.unwrap();
        // What is still in the stream comes again; nothing of it is missed.
        while ack(next(&mut deliveries).await).await != data {}
    }
    nothing(&mut deliveries, Duration::from_millis(1500)).await;
    assert_eq!(pending(&redis, "app"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_cannot_be_made_again_costs_no_hot_loop() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    redis.command(&["DEL", TOPIC]).unwrap();
    redis.command(&["SET", TOPIC, "x"]).unwrap();
    let asked = || -> u32 {
        let all = redis.command(&["INFO", "stats"]).unwrap();
        let line =
            all.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap().trim().to_owned();
        line.parse().unwrap()
    };
    let before = asked();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(asked() - before < 100, "{} commands in three seconds", asked() - before);
    redis.command(&["DEL", TOPIC]).unwrap();
    publish(&*broker, "a").await.unwrap();
    assert_eq!(ack(timeout(SOON * 2, deliveries.recv()).await.unwrap().unwrap()).await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_waits_for_a_server_that_comes_back() {
    let Some(mut redis) = Redis::alone().durable().start() else { return };
    let broker = quick(&redis.address(), &[]).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "a").await.unwrap();
    let held = next(&mut deliveries).await;
    redis.kill();
    let error = publish(&*broker, "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let settling = ack(held);
    let back = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::block_in_place(|| redis.restart());
    };
    tokio::join!(settling, back);
    nothing(&mut deliveries, Duration::from_secs(2)).await;
    assert_eq!(pending(&redis, "app"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_stops_messages_and_a_changed_back_one_lets_them_flow() {
    let Some(mut redis) = Redis::alone().user("alice", "old-secret").start() else { return };
    let login = [("redisUsername", "alice"), ("redisPassword", "old-secret")];
    let broker = quick(&redis.address(), &login).await;
    let mut deliveries = subscribe(&*broker).await;
    publish(&*broker, "a").await.unwrap();
    assert_eq!(ack(next(&mut deliveries).await).await, "a");
    let change = |redis: &Redis, to: &str| {
        redis.command(&["ACL", "SETUSER", "alice", "resetpass", &format!(">{to}")]).unwrap();
    };
    change(&redis, "new-secret");
    redis.log_in_with("new-secret");
    redis.command(&["CLIENT", "KILL", "USER", "alice"]).unwrap();
    let end = Instant::now() + SOON;
    let error = loop {
        // The connection may be found broken first.
        let error = publish(&*broker, "b").await.unwrap_err();
        if error.kind() == ErrorKind::PermissionDenied {
            break error;
        }
        assert!(Instant::now() < end, "{error}");
    };
    assert!(!error.to_string().contains("secret"), "{error}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    change(&redis, "old-secret");
    let changed = Instant::now();
    while publish(&*broker, "c").await.is_err() {
        assert!(changed.elapsed() < SOON);
    }
    assert_eq!(ack(timeout(SOON * 2, deliveries.recv()).await.unwrap().unwrap()).await, "c");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_subscriptions_hold_up_nobody() {
    let Some(redis) = Redis::alone().start() else { return };
    let broker = quick(&redis.address(), &[("concurrency", "1")]).await;
    let mut idle = Vec::new();
    for number in 0..12 {
        idle.push(subscribe_to(&*broker, &format!("idle-{number}")).await);
    }
    let mut deliveries = subscribe(&*broker).await;
    let started = Instant::now();
    for number in 0..20 {
        publish(&*broker, &number.to_string()).await.unwrap();
        assert_eq!(ack(next(&mut deliveries).await).await, number.to_string());
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
