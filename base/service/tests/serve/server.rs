//! The server under test and what its handlers count.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{BoxError, Host, ServeOptions, Shutdown, Tasks, body, listen, serve};

use crate::frames::{Peer, STATUS_200, get};

/// Requests of `/together` that are answered together.
pub(crate) const TOGETHER: usize = 300;

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
/// 300 ms, `/endless` has a body without end, `/large` one of [`LARGE`] bytes; `/together`
/// answers when [`TOGETHER`] are there.
pub(crate) async fn start(options: ServeOptions) -> Server {
    let listener = listen::bind_tcp("a test", &Host::parse("127.0.0.1").unwrap(), 0).await.unwrap();
    let port = listener.address().port().unwrap();
    let (shutdown, tasks, seen) = (Shutdown::new(), Tasks::new(), Arc::new(Seen::default()));
    let counted = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&counted);
        async move { Ok::<_, BoxError>(Response::new(answer(request, seen).await)) }
    });
    tasks.spawn("server", serve(listener, service, options, shutdown.clone(), tasks.clone()));
    Server { port, shutdown, tasks, seen }
}

async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> body::Body {
    match request.uri().path() {
        "/echo" => return body::from_incoming(request.into_body()),
        "/hang" => {
            let _hanging = Hanging::new(seen);
            std::future::pending::<()>().await;
        }
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
