//! The pool against servers that keep, close and break connections.

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a?b=c", listener.local_addr().unwrap());
    (listener, url)
}

fn pool() -> (Pool, Tasks) {
    let tasks = Tasks::new();
    (Pool::new(Dialer::plain(), 64 << 10, tasks.clone()), tasks)
}

fn request(url: &str, body: &'static str) -> Request<Body> {
    Request::post(url).body(crate::body::full(body)).unwrap()
}

/// Reads one request up to the end of its body.
async fn read(socket: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut piece = [0; 1024];
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "it ended after {text:?}");
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    text
}

async fn whole(response: Response<Reply>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection_and_carry_their_host() {
    let (listener, url) = server().await;
    let (pool, _) = pool();
    let serving = Tasks::new().spawn("server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heads = Vec::new();
        for _ in 0..3 {
            heads.push(read(&mut socket, "body").await);
            socket.write_all(SHORT).await.unwrap();
        }
        heads
    });
    for _ in 0..3 {
        assert_eq!(whole(pool.send(&mut request(&url, "body")).await.unwrap()).await, b"ok");
    }
    let heads = serving.await.unwrap();
    let host = url.trim_start_matches("http://").trim_end_matches("/a?b=c");
    assert!(heads.iter().all(|head| head.starts_with("POST /a?b=c HTTP/1.1\r\n")), "{heads:?}");
    assert!(heads.iter().all(|head| head.contains(&format!("host: {host}\r\n"))), "{heads:?}");
}

/// Spends operations that tokio lets a task do in one turn, as other work of a busy connection would; how many that were.
fn spend(context: &mut Context<'_>, most: usize) -> usize {
    let mut spent = 0;
    while spent < most && tokio::task::coop::has_budget_remaining() {
        assert!(pin!(tokio::task::coop::consume_budget()).poll(context).is_ready());
        spent += 1;
    }
    spent
}

#[tokio::test]
async fn an_answer_is_heard_however_little_the_task_may_still_do_in_its_turn() {
    let (listener, url) = server().await;
    let (pool, tasks) = pool();
    tasks.spawn("server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        // So long that the connection does not read on until somebody takes what it has.
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n{}", "x".repeat(60_000));
        while socket.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let all = poll_fn(|context| Poll::Ready(spend(context, usize::MAX))).await;
    for left in 1..10 {
        let (pool, url) = (pool.clone(), url.clone());
        // A task of its own: whoever waits with a limit would ask again at its end.
        let asking = tasks.spawn("asking", async move {
            let mut request = request(&url, "body");
            let mut sending = pin!(pool.send(&mut request));
            let mut turns = 0;
            let answered = poll_fn(|context| {
                turns += 1;
                if turns > 1 {
                    spend(context, all - left);
                }
                sending.as_mut().poll(context)
            });
            whole(answered.await.unwrap()).await.len()
        });
        let length = tokio::time::timeout(Duration::from_secs(5), asking).await;
        assert_eq!(length.unwrap_or_else(|_| panic!("not heard with {left} left")).unwrap(), 60_000);
    }
}

#[tokio::test]
async fn what_a_burst_left_goes_when_nobody_needs_it_but_a_few_stay() {
    let (listener, url) = server().await;
    let (pool, tasks) = pool();
    let serving = tasks.clone();
    tasks.spawn("server", async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            serving.spawn("answer", async move {
                read(&mut socket, "body").await;
                socket.write_all(SHORT).await.unwrap();
                drop(socket.read(&mut [0]).await);
            });
        }
    });
    let calls = (0..KEPT + 3).map(|_| async { pool.send(&mut request(&url, "body")).await.unwrap() });
    let answers = futures_util::future::join_all(calls).await;
    for answer in answers {
        whole(answer).await;
    }
    let server = Arc::clone(lock(&pool.0.servers).values().next().unwrap());
    assert!(server.sweep());
    assert_eq!(lock(&server.idle).len(), KEPT + 3);
    let long_ago = Instant::now().checked_sub(SWEEP + Duration::from_millis(1)).unwrap();
    lock(&server.idle).iter_mut().take(KEPT + 2).for_each(|idle| idle.since = long_ago);
    assert!(server.sweep());
    assert_eq!(lock(&server.idle).len(), KEPT);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_no_request() {
    let (listener, url) = server().await;
    let (pool, _) = pool();
    let serving = Tasks::new().spawn("server", async move {
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            read(&mut socket, "body").await;
            socket.write_all(SHORT).await.unwrap();
        }
    });
    assert_eq!(whole(pool.send(&mut request(&url, "body")).await.unwrap()).await, b"ok");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(whole(pool.send(&mut request(&url, "body")).await.unwrap()).await, b"ok");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_its_server_ends_with_the_answer_is_not_kept() {
    let (listener, url) = server().await;
    let (pool, _) = pool();
    let serving = Tasks::new().spawn("server", async move {
        let (mut first, _) = listener.accept().await.unwrap();
        read(&mut first, "body").await;
        first.write_all(LAST).await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        read(&mut second, "body").await;
        second.write_all(SHORT).await.unwrap();
        first
    });
    for _ in 0..2 {
        assert_eq!(whole(pool.send(&mut request(&url, "body")).await.unwrap()).await, b"ok");
    }
    serving.await.unwrap();
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_request_gets_it_once() {
    let (listener, url) = server().await;
    let (pool, _) = pool();
    let serving = Tasks::new().spawn("server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read(&mut socket, "body").await;
        drop(socket);
        tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err()
    });
    let error = pool.send(&mut request(&url, "body")).await.unwrap_err();
    assert!(!error.unsent, "{error:?}");
    assert!(serving.await.unwrap(), "it was sent again");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_to_its_end_closes_its_connection() {
    let (listener, url) = server().await;
    let (pool, _) = pool();
    let serving = Tasks::new().spawn("server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read(&mut socket, "body").await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").await.unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.map(|_| rest.len()).unwrap_or_default()
    });
    drop(pool.send(&mut request(&url, "body")).await.unwrap());
    assert_eq!(serving.await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_outlasts_its_answer_is_sent_to_its_end() {
    let (listener, url) = server().await;
    let (pool, _) = pool();
    let (more, mut pieces) = tokio::sync::mpsc::channel::<&'static str>(4);
    let body = http_body_util::StreamBody::new(futures_util::stream::poll_fn(move |context| {
        pieces.poll_recv(context).map(|piece| {
            piece.map(|piece| {
                Ok::<_, crate::BoxError>(http_body::Frame::data(bytes::Bytes::from_static(piece.as_bytes())))
            })
        })
    }));
    let serving = Tasks::new().spawn("server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read(&mut socket, "first\r\n").await;
        socket.write_all(SHORT).await.unwrap();
        read(&mut socket, "0\r\n\r\n").await
    });
    more.send("first").await.unwrap();
    let response = pool.send(&mut Request::post(&url).body(crate::body::boxed(body)).unwrap()).await.unwrap();
    assert_eq!(whole(response).await, b"ok");
    more.send("last").await.unwrap();
    drop(more);
    assert_eq!(serving.await.unwrap(), "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_dropped_pool_leaves_no_task_behind() {
    let (listener, url) = server().await;
    let (pool, tasks) = pool();
    let serving = Tasks::new().spawn("server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read(&mut socket, "body").await;
        socket.write_all(SHORT).await.unwrap();
        socket.read_u8().await.unwrap_err();
    });
    assert_eq!(whole(pool.send(&mut request(&url, "body")).await.unwrap()).await, b"ok");
    assert_eq!(tasks.count(), 1, "the sweeper");
    drop(pool);
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.unwrap();
    serving.await.unwrap();
}
