//! A slow app never makes the memory of its sidecar grow: what waits does so at the broker. Shown under a cap of 64 MB that
//! the kernel keeps, with more than that waiting.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{App, Arrived, Call, Program, body_of, is_reference, skip};
use tokio::task::JoinSet;
use trilby_faults_tests::cgroup::Cap;
use trilby_faults_tests::process::Process;
use trilby_faults_tests::traffic::{Broker, Kind};

const CAP: u64 = 64 << 20;
/// How many messages wait, of 10 to 100 KB.
const WAITING: usize = 1_600;
/// More than any broker of ours hands out at once.
const MOST_IN_FLIGHT: usize = 100;
const READY: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Counts {
    /// Nothing is handled before.
    open: tokio::sync::watch::Sender<bool>,
    now: AtomicUsize,
    most: AtomicUsize,
    done: AtomicUsize,
}

/// An app that handles nothing until all are published, and then takes a second for each message.
async fn slow_app(counts: &Arc<Counts>) -> App {
    let counts = Arc::clone(counts);
    let subscriptions = r#"[{"pubsubname": "mail", "topic": "heavy", "route": "/heavy"}]"#;
    let subscribe = testkit::status(200, subscriptions);
    let handle = move |arrived: Arrived| {
        let counts = Arc::clone(&counts);
        async move {
            let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
            counts.most.fetch_max(now, Ordering::SeqCst);
            let _ = arrived.read().await;
            let _ = counts.open.subscribe().wait_for(|open| *open).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            counts.now.fetch_sub(1, Ordering::SeqCst);
            counts.done.fetch_add(1, Ordering::SeqCst);
            http::Response::new(body_of(""))
        }
    };
    App::http().route("/dapr/subscribe", subscribe).route("/heavy", handle).start().await
}

fn sidecar(app_id: &str, app: Option<&App>, resources: &Path, port: u16) -> Command {
    let mut command = Program::under_test().to_command();
    let free = testkit::free_port;
    command.arg(format!("--app-id={app_id}")).arg(format!("--resources-path={}", resources.display()));
    command.arg(format!("--dapr-http-port={port}")).arg(format!("--dapr-grpc-port={}", free()));
    command.arg(format!("--dapr-internal-grpc-port={}", free())).arg(format!("--metrics-port={}", free()));
    command.arg("--dapr-listen-addresses=127.0.0.1").env("DAPR_HOST_IP", "127.0.0.1");
    if let Some(app) = app {
        command.arg(format!("--app-port={}", app.port()));
    }
    command
}

async fn ready(port: u16, log: &Path) {
    let began = Instant::now();
    loop {
        let answer = Call::to(port, "GET", "/v1.0/healthz").try_send().await;
        if answer.is_ok_and(|answer| answer.status == 204) {
            return;
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        assert!(began.elapsed() < READY, "it is not ready:\n{said}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Publishes what is to wait, several at a time.
async fn publish_all(port: u16) {
    let mut publishers = JoinSet::new();
    for publisher in 0..8 {
        publishers.spawn(async move {
            for number in 0..WAITING / 8 {
                let size = 10_000 + (number * 7_919 + publisher * 10_007) % 90_000;
                let body = json!({"number": number, "filler": "x".repeat(size)});
                let answer = Call::to(port, "POST", "/v1.0/publish/mail/heavy").json(&body).send().await;
                assert_eq!(answer.status, 204, "{}", answer.text());
            }
        });
    }
    publishers.join_all().await;
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}

async fn stays_small(name: &str, kind: Kind) {
    let cap = match Cap::new(&format!("{kind:?}"), CAP) {
        Ok(cap) => cap,
        Err(why) => return skip(name, &why),
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let place = folder.path().to_owned();
    let starting = tokio::task::spawn_blocking(move || Broker::start(kind, &place));
    let Some(broker) = starting.await.expect("the broker starts") else { return };
    let resources = folder.path().join("resources");
    std::fs::create_dir(&resources).expect("a folder can be made");
    std::fs::write(resources.join("mail.yaml"), broker.component()).expect("a file can be written");
    let counts = Arc::<Counts>::default();
    let app = slow_app(&counts).await;
    let (capped, log) = (testkit::free_port(), folder.path().join("capped.log"));
    let mut slow = Process::start(cap.hold(&sidecar("slow", Some(&app), &resources, capped)), &log);
    ready(capped, &log).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let publishing = testkit::free_port();
    let publisher_log = folder.path().join("publisher.log");
    let publisher = Process::start(sidecar("publisher", None, &resources, publishing), &publisher_log);
    ready(publishing, &publisher_log).await;
    publish_all(publishing).await;
    counts.open.send_replace(true);
    let mut largest = 0;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        largest = largest.max(resident(slow.id()));
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(slow.is_running() && cap.kills() == 0, "{name}: it did not live within {CAP} bytes:\n{said}");
    let (done, most) = (counts.done.load(Ordering::SeqCst), counts.most.load(Ordering::SeqCst));
    println!(
        "{name}: {done} of {WAITING} done, {most} in flight at most, {largest} bytes of its own, peak {}",
        cap.peak()
    );
    assert!(done > 0, "{name}: nothing is handled any more:\n{said}");
    assert!(done < WAITING, "{name}: nothing waited");
    assert!(most <= MOST_IN_FLIGHT, "{name}: {most} messages in flight");
    slow.kill();
    publisher.kill();
    tokio::task::spawn_blocking(move || drop(broker)).await.expect("the broker ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_app_does_not_make_its_sidecar_grow_on_redis() {
    if is_reference() {
        return skip("memory on Redis", "what the reference needs is not ours to bound");
    }
    stays_small("memory on Redis", Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_app_does_not_make_its_sidecar_grow_on_the_hub() {
    if is_reference() {
        return skip("memory on the hub", "the reference has no hub");
    }
    stays_small("memory on the hub", Kind::Hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_app_does_not_make_its_sidecar_grow_on_rabbitmq() {
    if is_reference() {
        return skip("memory on RabbitMQ", "what the reference needs is not ours to bound");
    }
    stays_small("memory on RabbitMQ", Kind::RabbitMq).await;
}
