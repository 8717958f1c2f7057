//! One HTTP/2 connection that is served: its settings and limits, its streams, its pings, its end. Called by `connection`, which
//! drives it. Its own task runs the requests, without a task for each; only where there are other threads and many requests at
//! once, the later ones get tasks. It must not know what a request means.

mod answering;
mod date;
mod heads;
mod keepalive;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncWrite};

use self::answering::Answering;
use self::heads::Begun;
pub(super) use self::heads::Heads;
use self::keepalive::KeepAlive;
use super::answer::is_grpc;
use super::connection::{self, HEADER_SLACK};
use super::header_timer::Arrivals;
use super::{Answer, ServeOptions};
use crate::received::Received;
use crate::woken::Woken;

/// Outgoing bytes a stream may hold.
const SEND_BUFFER: usize = 128 * 1024;
/// Streams reset by the client and not yet seen by us, before the connection is given up (CVE-2023-44487).
const PENDING_RESETS: usize = 256;
/// Streams we reset because of the client's errors, before the connection is given up.
const LOCAL_ERROR_RESETS: usize = 1024;
/// Requests at the same time that the connection's task runs itself where there are threads for others.
const TOGETHER: usize = 32;
/// How often one poll looks after the connection again because its requests have something to send.
const AGAIN: usize = 2;

/// A connection on its way.
pub(super) struct Http2<'a, T> {
    connection: &'a connection::Connection,
    arrivals: Arc<Arrivals>,
    state: State<T>,
    /// Of `state`: what only a request woke does not need the connection.
    woken: Woken,
    running: FuturesUnordered<Answering>,
    /// Requests that the client began, and those that were taken.
    begun: Begun,
    taken: u64,
    keepalive: Option<KeepAlive>,
    is_ending: bool,
    /// Whether other threads could run requests.
    has_threads: bool,
}

enum State<T> {
    Greeting(Handshake<T, Bytes>),
    Open(Connection<T, Bytes>),
}

impl<'a, T: AsyncRead + AsyncWrite + Unpin> Http2<'a, T> {
    /// Begins HTTP/2 on a stream, which is at the client's preface.
    pub(super) fn new(
        connection: &'a connection::Connection,
        stream: T,
        (arrivals, begun): (Arc<Arrivals>, Begun),
    ) -> Self {
        Self {
            connection,
            arrivals,
            state: State::Greeting(settings(&connection.shared.options).handshake(stream)),
            woken: Woken::new(),
            running: FuturesUnordered::new(),
            begun,
            taken: 0,
            keepalive: None,
            is_ending: false,
            has_threads: tokio::runtime::Handle::current().metrics().num_workers() > 1,
        }
    }

    /// Takes no new requests; those that run go on, and then the connection ends.
    pub(super) fn graceful_shutdown(&mut self) {
        self.is_ending = true;
        if let State::Open(open) = &mut self.state {
            open.graceful_shutdown();
            self.woken.set();
        }
    }

    /// Looks after the connection itself, and takes one request from it.
    fn poll_request(&mut self) -> Poll<Option<Result<(), h2::Error>>> {
        if let State::Greeting(greeting) = &mut self.state {
            let mut open = ready!(self.woken.poll(|context| Pin::new(greeting).poll(context)))?;
            if self.is_ending {
                open.graceful_shutdown();
            }
            let options = &self.connection.shared.options;
            self.keepalive = options.http2_keepalive.and_then(|rule| Some(KeepAlive::new(rule, open.ping_pong()?)));
            self.state = State::Open(open);
        }
        let State::Open(open) = &mut self.state else { return Poll::Pending };
        let accepted = ready!(self.woken.poll(|context| open.poll_accept(context)));
        Poll::Ready(accepted.map(|accepted| {
            let (request, respond) = accepted?;
            self.taken += 1;
            self.run(request, respond);
            Ok(())
        }))
    }

    fn run(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (head, stream) = request.into_parts();
        let body = Received::new(stream, &head.headers);
        let request = Request::from_parts(head, body.boxed_unsync());
        let is_grpc = is_grpc(&request);
        let answer = self.connection.begin(request);
        // gRPC servers give no date.
        let answering = Answering::new(answer, respond, is_grpc, self.connection.shared.options.http1);
        if self.has_threads && self.running.len() >= TOGETHER {
            drop(self.connection.shared.tasks.spawn("http2 stream", answering));
        } else {
            self.running.push(answering);
        }
    }

    /// Whether the client does not answer.
    fn is_dead(&mut self, context: &mut Context<'_>) -> bool {
        let arrivals = self.arrivals.count();
        self.keepalive.as_mut().is_some_and(|keepalive| keepalive.poll(context, arrivals).is_ready())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Http2<'_, T> {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.woken.belongs_to(context.waker());
        let mut again = 0;
        loop {
            while let Poll::Ready(Some(())) = this.running.poll_next_unpin(context) {}
            if again < AGAIN && this.woken.take() {
                match this.poll_request() {
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    // One that was taken came after all else was done: whom to wake is known.
                    Poll::Ready(Some(Ok(()))) if this.taken >= this.begun.count() => again += 1,
                    Poll::Ready(Some(Ok(()))) => this.woken.not_yet(),
                    Poll::Pending => again += 1,
                }
            } else if this.is_dead(context) {
                this.keepalive = None;
                if let State::Open(open) = &mut this.state {
                    tracing::debug!(target: "dapr.runtime", "an HTTP/2 client did not answer a ping in time");
                    open.abrupt_shutdown(Reason::NO_ERROR);
                    this.woken.set();
                }
                again = 0;
            } else {
                return Poll::Pending;
            }
        }
    }
}

/// The limits of a connection.
fn settings(options: &ServeOptions) -> Builder {
    let list_bytes = options
        .http2_header_list_bytes
        .unwrap_or_else(|| u32::try_from(options.max_header_bytes.saturating_add(HEADER_SLACK)).unwrap_or(u32::MAX));
    let mut builder = Builder::new();
    builder
        .initial_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
        .max_concurrent_streams(options.max_concurrent_streams)
        .max_header_list_size(list_bytes)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS));
    builder
}
