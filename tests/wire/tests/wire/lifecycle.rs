//! Starting and ending: exit codes, messages, sockets, and work in flight.

use std::time::Duration;

use testkit::{App, Sidecar, echo, free_port, is_reference, ours_only, reply, sleep_then};

use crate::pair;

#[tokio::test]
async fn a_stopped_sidecar_exits_with_success() {
    let a = Sidecar::named("a").start().await;
    let ended = a.stop().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
}

#[tokio::test]
async fn stopping_does_not_wait_for_idle_connections() {
    let app = App::http().route("/echo", echo()).start().await;
    let (a, b) = pair(&app).await;
    assert_eq!(b.invoke("a", "echo").body("x").send().await.text(), "x");
    let _idle = b.channel().await;
    let both = async { tokio::join!(b.stop(), a.stop()) };
    let ended = tokio::time::timeout(Duration::from_secs(4), both).await;
    let (b, a) = ended.expect("idle connections are closed, not waited for");
    assert_eq!((a.code, b.code), (Some(0), Some(0)), "{}\n{}", a.output, b.output);
}

#[tokio::test]
async fn work_in_flight_is_finished_before_the_end() {
    let app = App::http().route("/slow", sleep_then(Duration::from_secs(1), "done")).start().await;
    let a = Sidecar::named("a").app(&app).start().await;
    let call = testkit::spawn(a.invoke("a", "slow").try_send());
    app.saw("/slow", |request| request.open).await;
    let ended = a.stop().await;
    assert_eq!(call.await.unwrap().unwrap().text(), "done");
    assert_eq!(ended.code, Some(0), "{}", ended.output);
}

#[tokio::test]
async fn work_that_never_ends_does_not_keep_a_sidecar() {
    let app = App::http().route("/slow", sleep_then(Duration::from_secs(60), "never")).start().await;
    let a = Sidecar::named("a").app(&app).flag("--dapr-graceful-shutdown-seconds=1").start().await;
    let call = testkit::spawn(a.invoke("a", "slow").try_send());
    app.saw("/slow", |request| request.open).await;
    tokio::time::timeout(Duration::from_secs(10), a.stop()).await.expect("the limit is kept");
    assert!(!call.await.unwrap().is_ok_and(|answer| answer.status == 200));
}

#[tokio::test]
async fn the_shutdown_api_ends_the_sidecar() {
    let a = Sidecar::named("a").start().await;
    assert_eq!(a.post("/v1.0/shutdown").send().await.status, 204);
    assert_eq!(a.ended().await.code, Some(0));
    let a = Sidecar::named("a").start().await;
    a.dapr().await.shutdown(wire::runtime::ShutdownRequest {}).await.unwrap();
    assert_eq!(a.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_forced_shutdown_ends_with_failure() {
    let a = Sidecar::named("a").start().await;
    assert_eq!(a.post("/v1.0/shutdown").header("dapr-force-shutdown", "true").send().await.status, 204);
    assert_eq!(a.ended().await.code, Some(1));
}

#[tokio::test]
async fn an_unknown_flag_is_named() {
    let ended = Sidecar::named("a").flag("--no-such-flag=1").start_failing().await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.output.contains("no-such-flag"), "{}", ended.output);
}

#[tokio::test]
async fn values_that_cannot_be_followed_are_named() {
    for (flag, word) in [
        ("--app-id=", "app-id"),
        ("--app-port=99999999", "app-port"),
        ("--dapr-http-port=none", "dapr-http-port"),
        ("--max-body-size=lots", "max-body-size"),
        ("--app-protocol=carrier-pigeon", "carrier-pigeon"),
        ("--mode=submarine", "submarine"),
    ] {
        if flag.starts_with("--app-port") && is_reference() {
            continue; // It waits for an app on that port.
        }
        let ended = Sidecar::named("a").flag(flag).start_failing().await;
        assert!(ended.code.is_some_and(|code| code != 0), "{flag}: {ended:?}");
        assert!(ended.output.contains(word), "{flag}: {}", ended.output);
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    ours_only!("the reference waits for most ports without a word");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for name in ["dapr-http-port", "dapr-grpc-port", "dapr-internal-grpc-port", "metrics-port"] {
        let ended = Sidecar::named("a").flag(format!("--{name}={port}")).start_failing().await;
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.output);
        assert!(ended.output.contains(&port.to_string()), "{name}: {}", ended.output);
    }
}

#[tokio::test]
async fn the_app_may_come_after_its_sidecar() {
    let port = free_port();
    let a = Sidecar::named("a").flag(format!("--app-port={port}")).launch();
    let mut waiting = a.logged("waiting on port").await;
    assert!(waiting.contains(&port.to_string()), "{waiting}");
    assert_eq!(a.get("/v1.0/healthz/outbound").send().await.status, 204);
    let _app = App::http().route("/x", reply("ok")).start_on(port).await;
    waiting = a.logged("dapr initialized").await;
    assert!(waiting.contains("Running"), "{waiting}");
    assert_eq!(a.invoke("a", "x").send().await.text(), "ok");
}

#[tokio::test]
async fn apis_are_served_at_unix_domain_sockets() {
    let app = App::http().route("/echo", echo()).start().await;
    let a = Sidecar::named("a").app(&app).on_unix_sockets().start().await;
    assert!(a.socket("http").exists() && a.socket("grpc").exists());
    assert_eq!(a.invoke("a", "echo").body("x").send().await.text(), "x");
    a.dapr().await.get_metadata(wire::runtime::GetMetadataRequest {}).await.unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", a.http_port())).await.is_err());
}

#[tokio::test]
async fn apis_are_served_over_ipv6() {
    let app = App::http().on_ipv6().route("/echo", echo()).start().await;
    let a = Sidecar::named("a").app(&app).flag("--app-channel-address=[::1]").listening_at("[::1]").start().await;
    let stream = tokio::net::TcpStream::connect(("::1", a.http_port())).await.unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", a.http_port())).await.is_err());
    let (mut reading, mut writing) = stream.into_split();
    let request =
        "POST /v1.0/invoke/a/method/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nv6";
    tokio::io::AsyncWriteExt::write_all(&mut writing, request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("v6"), "{answer}");
}

#[tokio::test]
async fn health_tells_the_app_id_apart() {
    let a = Sidecar::named("a").start().await;
    assert_eq!(a.get("/v1.0/healthz?appid=a").send().await.status, 204);
    assert_eq!(a.get("/v1.0/healthz?appid=other").send().await.status, 500);
    assert_eq!(a.get("/v1.0/healthz/outbound").send().await.status, 204);
}

#[tokio::test]
async fn a_ready_sidecar_gives_back_the_memory_that_only_its_start_needed() {
    ours_only!("the reference keeps it");
    let sidecar = Sidecar::named("quiet").start().await;
    let mut memory = sidecar.memory();
    // It answers as ready a moment before it gives anything back.
    for _ in 0..100 {
        if memory.resident + 1024 < memory.peak {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        memory = sidecar.memory();
    }
    panic!("{} kB of {} kB are still in memory", memory.resident, memory.peak);
}
