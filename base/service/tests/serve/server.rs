//! The server under test and what its handlers count.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use hyper::service::service_fn;
use service::{BoxError, Host, ServeOptions, Shutdown, Tasks, body, listen, serve};

use crate::frames::{Peer, STATUS_200, get};

/// Requests of `/together` that are answered together.
pub(crate) const TOGETHER: usize = 300;
/// Bytes of the answer to `/long`: more than a window.
pub(crate) const LONG: usize = 300_000;

/// What the handlers did.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Handlers of `/hang` that run now.
    pub(crate) hanging: AtomicUsize,
    /// Bytes that were asked of the bodies of `/endless`.
    pub(crate) pulled: AtomicUsize,
    /// Where those of `/together` meet.
    together: tokio::sync::Barrier,
}

impl Default for Seen {
    fn default() -> Self {
        let together = tokio::sync::Barrier::new(TOGETHER);
        Self { hanging: AtomicUsize::new(0), pulled: AtomicUsize::new(0), together }
    }
}

/// Bytes of `/large`: more than sockets hold.
pub(crate) const LARGE: usize = 16 << 20;

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) shutdown: Shutdown,
    pub(crate) tasks: Tasks,
    pub(crate) seen: Arc<Seen>,
}

/// `/` tells the version and the fields, `/echo` sends the body back, `/hang` never answers, `/slow` answers after
/// 300 ms, `/endless` has a body without end, `/large` one of [`LARGE`] bytes, `/of-http-1` has fields that only HTTP/1.1 may have.
/// `/panic-when-dropped` never answers, and `/panic-in-body` begins to; `/together` answers when [`TOGETHER`] are there.
pub(crate) async fn start(options: ServeOptions) -> Server {
    let listener = listen::bind_tcp("a test", &Host::parse("127.0.0.1").unwrap(), 0).await.unwrap();
    let port = listener.address().port().unwrap();
    let (shutdown, tasks, seen) = (Shutdown::new(), Tasks::new(), Arc::new(Seen::default()));
    let counted = Arc::clone(&seen);
    let service = service_fn(move |request: Request<body::Body>| {
        let seen = Arc::clone(&counted);
        async move {
            let has_hop_fields = request.uri().path() == "/of-http-1";
            let mut response = Response::new(answer(request, seen).await);
            if has_hop_fields {
                for (name, value) in [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "5"), ("x-kept", "1")] {
                    response.headers_mut().insert(name, http::HeaderValue::from_static(value));
                }
            }
            Ok::<_, BoxError>(response)
        }
    });
    tasks.spawn("server", serve(listener, service, options, shutdown.clone(), tasks.clone()));
    Server { port, shutdown, tasks, seen }
}

async fn answer(request: Request<body::Body>, seen: Arc<Seen>) -> body::Body {
    match request.uri().path() {
        "/echo" => return request.into_body(),
        "/hang" => {
            let _hanging = Hanging::new(seen);
            std::future::pending::<()>().await;
        }
        "/panic-when-dropped" => {
            let _panicking = (Hanging::new(seen), PanickingDrop);
            std::future::pending::<()>().await;
        }
        "/long" => return body::full(vec![b'x'; LONG]),
        "/panic-in-body" => return body::boxed(PanickingBody(false)),
        "/slow" => tokio::time::sleep(Duration::from_millis(300)).await,
        "/large" => return body::full(vec![b'x'; LARGE]),
        "/together" => {
            seen.together.wait().await;
        }
        "/endless" => return body::boxed(Endless(seen)),
        _ => {}
    }
    let mut fields: Vec<_> = request.headers().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    fields.sort();
    body::full(format!("{:?} {} {} {}", request.version(), request.method(), request.uri(), fields.join(" ")))
}

struct Hanging(Arc<Seen>);

impl Hanging {
    fn new(seen: Arc<Seen>) -> Self {
        seen.hanging.fetch_add(1, Ordering::SeqCst);
        Self(seen)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::SeqCst);
    }
}

struct PanickingDrop;

impl Drop for PanickingDrop {
    #[expect(clippy::panic, reason = "what a handler might do")]
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

/// One piece, then a panic.
struct PanickingBody(bool);

impl http_body::Body for PanickingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        assert!(!std::mem::replace(&mut self.0, true), "on purpose");
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun")))))
    }
}

struct Endless(Arc<Seen>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = Bytes::from_static(&[b'x'; 16 * 1024]);
        self.0.pulled.fetch_add(piece.len(), Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Server {
    /// Fails unless a newcomer is answered.
    pub(crate) async fn is_responsive(&self) {
        let asked = async {
            let mut peer = Peer::http2(self.port).await;
            peer.send(&get(1, "/")).await;
            peer.response(1).await
        };
        let (status, _) = tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap().unwrap();
        assert_eq!(status, STATUS_200);
    }

    /// Waits until a count does not change for a while, and answers it.
    pub(crate) async fn settled(&self, count: impl Fn(&Seen) -> usize) -> usize {
        loop {
            let before = count(&self.seen);
            tokio::time::sleep(Duration::from_millis(200)).await;
            if count(&self.seen) == before {
                return before;
            }
        }
    }
}
