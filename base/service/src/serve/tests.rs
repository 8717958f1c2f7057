//! What the accept loop promises, over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::{Host, body, listen};

struct Server {
    port: u16,
    shutdown: Shutdown,
    tasks: Tasks,
}

async fn start(options: ServeOptions) -> Server {
    let host = Host::parse("127.0.0.1").unwrap();
    let listener = listen::bind_tcp("a test", &host, 0).await.unwrap();
    let port = listener.address().port().unwrap();
    let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
    let service = service_fn(|request: Request<Body>| async move {
        let peer = request.extensions().get::<ConnectionInfo>().and_then(|info| info.peer);
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            "/fail" => return Err(BoxError::from("on purpose")),
            "/slow" => tokio::time::sleep(Duration::from_millis(300)).await,
            "/echo" => return Ok(Response::new(request.into_body())),
            _ => {}
        }
        Ok(Response::new(body::full(format!("{:?} {}", request.version(), peer.is_some()))))
    });
    tasks.spawn("server", serve(listener, service, options, shutdown.clone(), tasks.clone()));
    Server { port, shutdown, tasks }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    async fn http1(&self) -> http1::SendRequest<Body> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.connect().await)).await.unwrap();
        Tasks::new().spawn("client", connection);
        sender
    }

    async fn http2(&self) -> http2::SendRequest<Body> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        Tasks::new().spawn("client", connection);
        sender
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://localhost{path}")).body(body::empty()).unwrap()
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn both_protocols_are_served_on_one_port() {
    let server = start(ServeOptions::default()).await;
    let response = server.http1().await.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "HTTP/1.1 true");
    let response = server.http2().await.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "HTTP/2.0 true");
}

#[tokio::test]
async fn a_port_that_tells_no_connection_tells_none() {
    let server = start(ServeOptions { connection_info: false, ..ServeOptions::default() }).await;
    let response = server.http2().await.send_request(get("/")).await.unwrap();
    assert_eq!(text(response).await, "HTTP/2.0 false");
}

#[tokio::test]
async fn requests_that_come_together_are_all_taken() {
    let server = start(ServeOptions::default()).await;
    let client = server.http2().await;
    for count in [1, 2, 7, 40] {
        let started = Instant::now();
        // All are given to the connection before it runs, so that they leave in few writes.
        let calls = (0..count).map(|_| client.clone().send_request(get("/slow")));
        for response in futures_util::future::join_all(calls).await {
            assert_eq!(text(response.unwrap()).await, "HTTP/2.0 true");
        }
        assert!(started.elapsed() < Duration::from_secs(2), "{count} waited for each other");
    }
}

#[tokio::test]
async fn http2_can_be_turned_off() {
    let server = start(ServeOptions { http2: false, ..ServeOptions::default() }).await;
    assert!(server.http2().await.send_request(get("/")).await.is_err());
    assert!(server.http1().await.send_request(get("/")).await.is_ok());
}

#[tokio::test]
async fn a_preface_in_pieces_is_recognised() {
    let server = start(ServeOptions::default()).await;
    let mut stream = server.connect().await;
    for piece in [b"PRI * HT".as_slice(), b"TP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\x04\0\0\0\0\0"] {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = [0_u8; 9];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[3], 4, "the first frame of an HTTP/2 server is SETTINGS");
}

#[tokio::test]
async fn a_panic_and_an_error_fail_one_request_only() {
    let server = start(ServeOptions::default()).await;
    let mut client = server.http1().await;
    for path in ["/panic", "/fail"] {
        let response = client.send_request(get(path)).await.unwrap();
        assert_eq!(response.status(), http::StatusCode::INTERNAL_SERVER_ERROR);
        response.into_body().collect().await.unwrap();
    }
    let mut request = get("/panic");
    request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc+proto"));
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.headers().get("grpc-status").unwrap(), "13");
    assert_eq!(text(client.send_request(get("/")).await.unwrap()).await, "HTTP/1.1 true");
}

#[tokio::test]
async fn too_large_headers_are_answered_with_431() {
    let server = start(ServeOptions::default()).await;
    let large = http::HeaderValue::from_str(&"x".repeat(9000)).unwrap();
    let mut request = get("/");
    request.headers_mut().insert("large", large.clone());
    let response = server.http1().await.send_request(request).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let mut request = get("/");
    request.headers_mut().insert("large", http::HeaderValue::from_str(&"x".repeat(7000)).unwrap());
    let response = server.http1().await.send_request(request).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::OK);

    let mut client = server.http2().await;
    let mut request = get("/");
    request.headers_mut().insert("large", large);
    let refused = client.send_request(request).await;
    assert!(refused.is_err() || refused.unwrap().status() == http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// Fails instead of waiting for an end that does not come.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(15), future).await.expect("the server ends the connection")
}

#[tokio::test]
async fn a_slow_head_is_cut_and_an_idle_connection_is_not() {
    let limit = Duration::from_millis(150);
    let server = start(ServeOptions { header_read_timeout: limit, ..ServeOptions::default() }).await;
    let mut idle = server.http1().await;
    assert!(idle.send_request(get("/")).await.unwrap().into_body().collect().await.is_ok());

    let mut slow = server.connect().await;
    let began = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    within(slow.read_to_end(&mut rest)).await.unwrap();
    assert!(began.elapsed() >= limit && began.elapsed() < limit * 10);

    let mut silent = server.connect().await;
    assert_eq!(within(silent.read(&mut [0])).await.unwrap(), 0, "a connection that never speaks is closed");

    let mut second = server.connect().await;
    let mut answer = vec![0_u8; 4096];
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(second.read(&mut answer).await.unwrap() > 0);
    tokio::time::sleep(limit * 2).await;
    second.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let began = Instant::now();
    assert_eq!(within(second.read(&mut answer)).await.unwrap(), 0, "a slow second head is cut too");
    assert!(began.elapsed() >= limit / 2);

    assert_eq!(text(idle.send_request(get("/")).await.unwrap()).await, "HTTP/1.1 true");
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_closes_the_port() {
    let server = start(ServeOptions::default()).await;
    let (mut first, mut second, mut idle) = (server.http1().await, server.http2().await, server.http1().await);
    idle.send_request(get("/")).await.unwrap().into_body().collect().await.unwrap();
    let first = first.send_request(get("/slow"));
    let second = second.send_request(get("/slow"));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.shutdown.request();
    };
    let (first, second, ()) = tokio::join!(first, second, stop);
    assert_eq!(text(first.unwrap()).await, "HTTP/1.1 true");
    assert_eq!(text(second.unwrap()).await, "HTTP/2.0 true");
    tokio::time::timeout(Duration::from_secs(2), server.tasks.wait()).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_the_drain_limit() {
    let server = start(ServeOptions { drain: Duration::from_millis(50), ..ServeOptions::default() }).await;
    let mut client = server.http1().await;
    let request = client.send_request(get("/slow"));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        server.shutdown.request();
        server.tasks.wait().await;
        assert!(began.elapsed() < Duration::from_millis(200));
    };
    let (response, ()) = tokio::join!(request, stop);
    assert!(response.is_err());
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_a_free_slot() {
    let server = start(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let mut first = server.http1().await;
    first.send_request(get("/")).await.unwrap().into_body().collect().await.unwrap();
    let mut second = server.http1().await;
    let waiting = second.send_request(get("/"));
    let mut waiting = std::pin::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    drop(first);
    assert_eq!(text(waiting.await.unwrap()).await, "HTTP/1.1 true");
}

#[tokio::test]
async fn bodies_stream_through_in_both_protocols() {
    let server = start(ServeOptions::default()).await;
    let content = "0123456789".repeat(300_000);
    for version in [1, 2] {
        let request = Request::post("http://localhost/echo").body(body::full(content.clone())).unwrap();
        let response = if version == 1 {
            server.http1().await.send_request(request).await.unwrap()
        } else {
            server.http2().await.send_request(request).await.unwrap()
        };
        assert_eq!(text(response).await, content);
    }
}

/// Answers with the body of the request once it was read and a moment has passed; counts how often it is polled.
async fn polled(polls: &Arc<AtomicUsize>) -> Server {
    let host = Host::parse("127.0.0.1").unwrap();
    let listener = listen::bind_tcp("a test", &host, 0).await.unwrap();
    let port = listener.address().port().unwrap();
    let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
    let polls = Arc::clone(polls);
    let service = service_fn(move |request: Request<Body>| {
        let polls = Arc::clone(&polls);
        let mut handled = Box::pin(async move {
            let content = request.into_body().collect().await?.to_bytes();
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, BoxError>(Response::new(body::full(content)))
        });
        std::future::poll_fn(move |context| {
            polls.fetch_add(1, Ordering::Relaxed);
            handled.as_mut().poll(context)
        })
    });
    tasks.spawn("server", serve(listener, service, ServeOptions::default(), shutdown.clone(), tasks.clone()));
    Server { port, shutdown, tasks }
}

#[tokio::test]
async fn taking_the_last_piece_of_a_body_has_nobody_polled_again() {
    let polls = Arc::default();
    let server = polled(&polls).await;
    let mut stream = server.connect().await;
    for round in 1..=2 {
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        let mut answer = vec![0_u8; 1024];
        let length = within(stream.read(&mut answer)).await.unwrap();
        assert!(answer[..length].ends_with(b"\r\n\r\nhello"));
        assert_eq!(polls.load(Ordering::Relaxed), 2 * round, "once at the start, once when the moment has passed");
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_read_to_its_end() {
    let server = polled(&Arc::default()).await;
    for head in ["content-length: 6\r\n\r\n", "transfer-encoding: chunked\r\n\r\n"] {
        let mut stream = server.connect().await;
        let pieces = if head.starts_with("content") {
            ["ab", "cd", "ef"]
        } else {
            ["2\r\nab\r\n", "2\r\ncd\r\n", "2\r\nef\r\n0\r\n\r\n"]
        };
        stream.write_all(format!("POST / HTTP/1.1\r\nhost: x\r\n{head}").as_bytes()).await.unwrap();
        for piece in pieces {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
        let mut answer = vec![0_u8; 1024];
        let length = within(stream.read(&mut answer)).await.unwrap();
        assert!(answer[..length].ends_with(b"\r\n\r\nabcdef"), "{head}");
    }
}
