//! Connections that do harm are ended or contained, and everybody else is served meanwhile (SEC-12).

use std::time::{Duration, Instant};

use testkit::{App, Arrived, Frame, RawHttp1, RawHttp2, Sidecar, body_of, chunks, echo, header_block, reply};

async fn assert_served(sidecar: &Sidecar) {
    let answer = sidecar.invoke("a", "quick").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

async fn victim() -> (App, Sidecar) {
    let app = App::http()
        .route("/quick", reply("ok"))
        .route("/echo", echo())
        .route("/events", chunks("text/event-stream", &["data: 0123456789\n\n"; 200], Duration::from_millis(1)))
        .start()
        .await;
    let a = Sidecar::named("a").app(&app).start().await;
    (app, a)
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let (_app, a) = victim().await;
    let mut slow = a.raw().await;
    slow.write("POST /v1.0/invoke/a/method/quick HTTP/1.1\r\nHost: x\r\nX-A: ").await;
    let mut more = Vec::new();
    for _ in 0..50 {
        let mut connection = a.raw().await;
        connection.write("GET /").await;
        more.push(connection);
    }
    assert_served(&a).await;
    assert!(slow.closes_within(Duration::from_secs(20)).await, "the connection is still open");
    assert_served(&a).await;
}

#[tokio::test]
async fn a_body_that_drips_holds_up_nobody() {
    let (_app, a) = victim().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = a.raw().await;
        let head = "POST /v1.0/invoke/a/method/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx";
        connection.write(head).await;
        slow.push(connection);
    }
    for connection in &mut slow {
        connection.write("y").await;
        assert_served(&a).await;
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_hold_up_nobody() {
    let (_app, a) = victim().await;
    let before = a.memory().resident;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(RawHttp1::connect(a.http_port()).await);
    }
    assert_served(&a).await;
    let more = a.memory().resident.saturating_sub(before) >> 20;
    assert!(more < 64, "{more} MiB more");
}

/// Connections that were used once and then left open, opened many at a time.
async fn idle_connections(port: u16, count: usize) -> Vec<RawHttp1> {
    let opening = (0..64).map(|part| {
        testkit::spawn(async move {
            let mut opened = Vec::new();
            for _ in 0..count / 64 + usize::from(part < count % 64) {
                let mut connection = RawHttp1::connect(port).await;
                connection.write("GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
                let answer = connection.read_until(Duration::from_secs(20), |text| text.contains("\r\n\r\n")).await;
                assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
                opened.push(connection);
            }
            opened
        })
    });
    let mut connections = Vec::new();
    for opened in opening.collect::<Vec<_>>() {
        connections.extend(opened.await.unwrap());
    }
    connections
}

#[tokio::test]
async fn ten_thousand_idle_connections_hold_up_nobody() {
    const COUNT: usize = 10_000;
    // The sidecar has as many, and beside this test others run in this process.
    if !testkit::may_open_files(COUNT as u64 + 4096) {
        return testkit::skip("ten thousand idle connections", "the limit of open files is lower (ulimit -Hn)");
    }
    let (_app, a) = victim().await;
    assert_served(&a).await;
    let mut idle = idle_connections(a.http_port(), COUNT).await;
    for _ in 0..50 {
        let asked = Instant::now();
        assert_served(&a).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    // After a moment they are sockets and nothing else.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resident = a.memory().resident >> 20;
    assert!(resident < 100, "{resident} MiB");
    // The connections are still there, and work.
    let mut last = idle.pop().unwrap();
    last.write("GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(last.read_until(Duration::from_secs(5), |text| text.contains("204")).await.contains("204"));
}

fn request_head(path: &str) -> Vec<u8> {
    header_block(&[(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)])
}

#[tokio::test]
async fn streams_that_are_reset_at_once_hold_up_nobody() {
    let (_app, a) = victim().await;
    for port in [a.http_port(), a.grpc_port(), a.internal_port()] {
        let mut connection = RawHttp2::connect(port, &[]).await;
        let head = request_head("/v1.0/invoke/a/method/quick");
        'flood: for batch in 0..100 {
            let mut frames = Vec::new();
            for index in 0..100_u32 {
                let stream = (batch * 100 + index) * 2 + 1;
                frames.push(Frame::new(1, 5, stream, head.clone()));
                frames.push(Frame::new(3, 0, stream, 8_u32.to_be_bytes()));
            }
            if !connection.send_all(&frames).await {
                break 'flood;
            }
        }
        assert_served(&a).await;
    }
    let memory = a.memory().resident >> 20;
    assert!(memory < 256, "{memory} MiB");
}

#[tokio::test]
async fn a_head_that_is_continued_for_ever_is_given_up() {
    let (_app, a) = victim().await;
    for port in [a.http_port(), a.grpc_port(), a.internal_port()] {
        let before = a.memory().resident;
        let mut connection = RawHttp2::connect(port, &[]).await;
        connection.send(&Frame::new(1, 0, 1, request_head("/"))).await;
        let more = header_block(&[("x-flood", &"x".repeat(16_000))]);
        let mut taken = 0;
        while taken < 2000 && connection.send(&Frame::new(9, 0, 1, more.clone())).await {
            taken += 1;
        }
        let grown = a.memory().resident.saturating_sub(before) >> 20;
        assert!(grown < 32, "{grown} MiB more on port {port}");
        assert_served(&a).await;
        assert!(taken < 2000, "32 MB of one head were taken on port {port}");
    }
}

#[tokio::test]
async fn floods_of_settings_and_pings_hold_up_nobody() {
    let (_app, a) = victim().await;
    for port in [a.http_port(), a.grpc_port(), a.internal_port()] {
        let mut connection = RawHttp2::connect(port, &[]).await;
        let frames: Vec<Frame> =
            (0..2000).flat_map(|_| [Frame::new(4, 0, 0, []), Frame::new(6, 0, 0, [0; 8])]).collect();
        for _ in 0..5 {
            if !connection.send_all(&frames).await {
                break;
            }
        }
        assert_served(&a).await;
    }
    let memory = a.memory().resident >> 20;
    assert!(memory < 256, "{memory} MiB");
}

#[tokio::test]
async fn a_reader_without_a_window_holds_up_nobody() {
    let (_app, a) = victim().await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut connection = RawHttp2::connect(a.http_port(), &[(4, 0)]).await;
        connection.send(&Frame::new(1, 5, 1, request_head("/v1.0/invoke/a/method/events"))).await;
        readers.push(connection);
    }
    for connection in &mut readers {
        assert!(connection.wait_for(Duration::from_secs(5), |frame| frame.kind == 1).await.is_some());
    }
    assert_served(&a).await;
}

#[tokio::test]
async fn readers_that_stop_hold_up_no_other_call_between_the_same_sidecars() {
    let large = |_: Arrived| async { http::Response::new(body_of(vec![b'x'; 2 << 20])) };
    let app = App::http().route("/quick", reply("ok")).route("/large", large).start().await;
    let (_a, b) = crate::pair(&app).await;
    let mut readers = Vec::new();
    for _ in 0..40 {
        let mut connection = RawHttp2::connect(b.http_port(), &[(4, 0)]).await;
        connection.send(&Frame::new(1, 5, 1, request_head("/v1.0/invoke/a/method/large"))).await;
        readers.push(connection);
    }
    for connection in &mut readers {
        assert!(connection.wait_for(Duration::from_secs(5), |frame| frame.kind == 1).await.is_some());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_served(&b).await;
}

#[tokio::test]
async fn uploads_that_no_app_reads_hold_up_no_other_call_between_the_same_sidecars() {
    let hang = |arrived: Arrived| async move {
        let _unread = arrived.body;
        std::future::pending().await
    };
    let app = App::http().route("/quick", reply("ok")).route("/hang", hang).start().await;
    let (a, b) = tokio::join!(
        Sidecar::named("a").app(&app).flag("--max-body-size=64Mi").start(),
        Sidecar::named("b").flag("--max-body-size=64Mi").start()
    );
    let uploads: Vec<_> =
        (0..40).map(|_| testkit::spawn(b.invoke("a", "hang").body(vec![b'x'; 16 << 20]).try_send())).collect();
    app.saw("/hang", |request| request.open).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_served(&b).await;
    drop((a, uploads));
}
