//! A pool of HTTP/1.1 connections that no task watches: whoever has a call on one drives it, so that a call wakes nobody else
//! and an idle connection costs a buffer. Used by the HTTP client for plain `http`. A connection that the server closed while it
//! was idle is found when it is taken up, or by the next sweep.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::quiet::Quiet;
use super::{HttpClientError, IDLE_TIMEOUT, Reply, chain};
use crate::dial::Dialer;
use crate::{Body, Stream, Tasks};

/// Connections to one server that may be idle.
const MAX_IDLE: usize = 128;
/// Between two looks at idle connections. One that nobody needed for so long is one of a burst that is over, and has 27 KB.
const SWEEP: Duration = Duration::from_secs(5);
/// So many stay all the same, until they time out.
const KEPT: usize = 4;
const HTTP_PORT: u16 = 80;

/// The pool. A clone is the same pool.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    dialer: Dialer,
    /// Bytes that the head of an answer may have.
    head: usize,
    tasks: Tasks,
    servers: Mutex<HashMap<Box<str>, Arc<Server>, RandomState>>,
    sweeping: AtomicBool,
    /// Ends the sweeper with the pool.
    dropped: DropGuard,
}

/// What is kept of one server.
struct Server {
    host: HeaderValue,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection and what gives it requests.
struct Connection {
    sender: SendRequest<Body>,
    driver: Driver,
    quiet: Quiet,
}

/// What a connection does when it is let.
struct Driver {
    driven: Pin<Box<http1::Connection<TokioIo<Stream>, Body>>>,
    is_over: bool,
}

/// A connection at work, with the place it goes back to.
pub(super) struct Exchange {
    connection: Connection,
    server: Arc<Server>,
    pool: Weak<Inner>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").field("host", &self.server.host).finish_non_exhaustive()
    }
}

/// The data is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    /// Lets the connection do what it can; what it finds wrong it says to whoever waits for an answer.
    fn go_on(&mut self, context: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = self.driven.as_mut().poll(context).is_ready();
        }
    }
}

impl Connection {
    /// Whether it takes a request, now that it has seen whatever came meanwhile.
    fn is_ready(&mut self) -> bool {
        let Self { driver, quiet, .. } = self;
        quiet.drive_alone(|| driver.go_on(&mut Context::from_waker(quiet.waker())));
        !self.driver.is_over && self.sender.is_ready()
    }

    /// Waits until it takes a request, or never will.
    async fn ready(&mut self) {
        poll_fn(|context| {
            if self.sender.is_ready() {
                return Poll::Ready(());
            }
            self.driver.go_on(context);
            self.sender.poll_ready(context).map(drop)
        })
        .await;
    }
}

impl Exchange {
    /// Polls a body that comes from the connection, and lets the connection go on while it has nothing.
    pub(super) fn drive<T>(
        &mut self,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Connection { driver, quiet, .. } = &mut self.connection;
        // What the connection has for the body it gives while it is driven, and the body is asked after that.
        let mut unwoken = Context::from_waker(Waker::noop());
        quiet.drive(context, || {
            let polled = poll(&mut unwoken);
            if polled.is_ready() {
                return polled;
            }
            driver.go_on(&mut Context::from_waker(quiet.waker()));
            poll(&mut unwoken)
        })
    }

    /// Gives the connection back after an answer was read. One that is still busy with its request goes on by itself.
    pub(super) fn finish(self) {
        let Self { mut connection, server, pool } = self;
        let Some(pool) = pool.upgrade() else { return };
        if connection.is_ready() {
            let mut idle = lock(&server.idle);
            if idle.len() < MAX_IDLE {
                idle.push(Idle { connection, since: Instant::now() });
            }
            drop(idle);
            pool.sweep_while_idle();
        } else if !connection.driver.is_over {
            let Connection { sender, driver, .. } = connection;
            drop(sender);
            pool.tasks.spawn("http1 connection", async move { drop(driver.driven.await) });
        }
    }

    /// Sends a request, and drives the connection until the head of the answer is there.
    async fn answer(mut self, request: &mut Request<Body>) -> Result<Response<Reply>, TrySendError<Request<Body>>> {
        self.connection.ready().await;
        let Connection { sender, driver, quiet } = &mut self.connection;
        // The answer comes out of the connection while it is driven, and is asked for after that. It must say then whether it is
        // there: it would be asked in vain, with nobody to wake, in a task that has used up its turn.
        let mut answer = pin!(unconstrained(sender.try_send_request(std::mem::take(request))));
        let answered = poll_fn(|context| {
            quiet.drive(context, || {
                driver.go_on(&mut Context::from_waker(quiet.waker()));
                answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            })
        });
        let (parts, body) = answered.await?.into_parts();
        Ok(Response::from_parts(parts, Reply::driving(body, self)))
    }
}

impl Pool {
    pub(super) fn new(dialer: Dialer, head: usize, tasks: Tasks) -> Self {
        let dropped = CancellationToken::new().drop_guard();
        let (servers, sweeping) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Inner { dialer, head, tasks, servers, sweeping, dropped }))
    }

    /// Sends a request whose URL has an authority, and leaves an empty one. One that a kept connection provably did not take is sent
    /// over another.
    ///
    /// # Errors
    /// When no answer came.
    pub(super) async fn send(&self, request: &mut Request<Body>) -> Result<Response<Reply>, HttpClientError> {
        let server = self.prepare(request)?;
        loop {
            let kept = server.take();
            let is_kept = kept.is_some();
            let connection = match kept {
                Some(connection) => connection,
                None => Box::pin(self.dial(&server)).await?,
            };
            let exchange = Exchange { connection, server: Arc::clone(&server), pool: Arc::downgrade(&self.0) };
            let mut failed = match exchange.answer(request).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            match failed.take_message() {
                Some(untouched) if is_kept => *request = untouched,
                _ => return Err(HttpClientError { message: chain(failed.error()), unsent: false }),
            }
        }
    }

    /// The server of a request, whose URL gets the form that a server reads, with a `Host`.
    fn prepare(&self, request: &mut Request<Body>) -> Result<Arc<Server>, HttpClientError> {
        let unsent = |message: &str| HttpClientError { message: message.to_owned(), unsent: true };
        let authority = request.uri().authority().ok_or_else(|| unsent("the URL has no host"))?;
        let mut servers = lock(&self.0.servers);
        let server = if let Some(server) = servers.get(authority.as_str()) {
            Arc::clone(server)
        } else {
            let host = host_of(authority).ok_or_else(|| unsent("the URL's host cannot be a header"))?;
            let server = Arc::new(Server { host, idle: Mutex::default() });
            servers.insert(authority.as_str().into(), Arc::clone(&server));
            server
        };
        drop(servers);
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, server.host.clone());
        }
        Ok(server)
    }

    async fn dial(&self, server: &Server) -> Result<Connection, HttpClientError> {
        let unsent = |message: String| HttpClientError { message, unsent: true };
        let authority = server.host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        let authority = authority.ok_or_else(|| unsent("the URL's host cannot be read".to_owned()))?;
        let port = authority.port_u16().unwrap_or(HTTP_PORT);
        let stream = self.0.dialer.connect(authority.host(), port, false).await;
        let stream = stream.map_err(|error| unsent(chain(&error)))?;
        let handshake = http1::Builder::new().max_buf_size(self.0.head).handshake(TokioIo::new(stream)).await;
        let (sender, driven) = handshake.map_err(|error| unsent(chain(&error)))?;
        Ok(Connection { sender, driver: Driver { driven: Box::pin(driven), is_over: false }, quiet: Quiet::new() })
    }
}

/// The `Host` of an authority: without the port that goes without saying, and without a user.
fn host_of(authority: &Authority) -> Option<HeaderValue> {
    let text = match authority.port_u16() {
        Some(HTTP_PORT) | None => authority.host().to_owned(),
        Some(port) => format!("{}:{port}", authority.host()),
    };
    HeaderValue::from_str(&text).ok()
}

impl Server {
    /// The connection that was used last, if the server has not closed it.
    fn take(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = lock(&self.idle).pop()?;
            // One that nothing happened on is as ready as it was.
            if since.elapsed() <= IDLE_TIMEOUT && (!connection.quiet.is_noted() || connection.is_ready()) {
                return Some(connection);
            }
        }
    }

    /// Drops what the server closed, what a burst left and what was idle for too long; whether anything is left.
    fn sweep(&self) -> bool {
        let mut idle = lock(&self.idle);
        // The last are those that were used last.
        let mut surplus = idle.len().saturating_sub(KEPT);
        idle.retain_mut(|Idle { connection, since }| {
            let limit = if surplus > 0 { SWEEP } else { IDLE_TIMEOUT };
            surplus = surplus.saturating_sub(1);
            since.elapsed() <= limit && connection.is_ready()
        });
        idle.shrink_to_fit();
        !idle.is_empty()
    }
}

impl Inner {
    /// Sweeps from time to time, as long as connections are idle.
    fn sweep_while_idle(self: &Arc<Self>) {
        if self.sweeping.load(Ordering::Relaxed) || self.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = Arc::downgrade(self);
        let dropped = self.dropped.token().clone();
        self.tasks.spawn("http connection sweeper", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(SWEEP) => {}
                    () = dropped.cancelled() => return,
                }
                let Some(pool) = pool.upgrade() else { return };
                if !pool.sweep() {
                    return;
                }
            }
        });
    }

    /// Whether there is still something to sweep.
    fn sweep(&self) -> bool {
        let mut servers = lock(&self.servers);
        servers.retain(|_, server| server.sweep() || Arc::strong_count(server) > 1);
        if servers.is_empty() {
            self.sweeping.store(false, Ordering::Release);
        }
        !servers.is_empty()
    }
}

#[cfg(test)]
#[path = "unwatched_tests.rs"]
mod tests;
