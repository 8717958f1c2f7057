//! HTTP/1.1 on an accepted connection. While requests come, hyper serves it; while none does, only the socket is kept, without
//! a buffer. Called by `connection`. It must not lose a byte between the two.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use super::answer::Answering;
use super::connection::{Connection, HEADER_SLACK, joined};
use super::header_timer::{Counted, HeaderTimer};
use super::last_piece::Wakes;
use super::quiet::{Outcome, UntilQuiet};
use super::upgrade::Asked;
use super::{ServeOptions, tls};
use crate::Stream;

/// Read and write buffer of a connection in use: enough for throughput, little enough for many streams.
const BUFFER: usize = 64 * 1024;

/// How hyper's part of a connection ended.
enum Ended {
    /// With the connection.
    Over,
    /// Nothing happened for a moment. Here is the socket, and what was read of it and belongs to the next request.
    Quiet(Stream, Bytes),
    /// It was told 101. Here are the socket, what was read of it behind the request, and the request.
    Upgrade((Stream, Bytes), Bytes),
}

impl Connection {
    /// Serves HTTP/1.1 to the end of the connection.
    pub(super) async fn http1(self: Arc<Self>, mut stream: Stream, mut start: Bytes) {
        loop {
            // Boxed: it goes while nothing happens.
            (stream, start) = match Box::pin(self.while_used(stream, start)).await {
                Ended::Over => return,
                Ended::Quiet(stream, unread) => (stream, unread),
                Ended::Upgrade(socket, request) => return Box::pin(self.upgraded(socket, request)).await,
            };
            if start.is_empty() && !self.is_used_again(&stream).await {
                return Box::pin(self.close(stream)).await;
            }
        }
    }

    /// Serves requests until the connection is over or quiet.
    async fn while_used(&self, stream: Stream, start: Bytes) -> Ended {
        let (io, arrivals) = Counted::new(stream, start);
        let builder = builder(&self.shared.options, HeaderTimer { arrivals: arrivals.clone() });
        let (asked, wakes) = (Asked::default(), Wakes::new());
        let service = service_fn(|request| self.answer_or_upgrade(request, (&asked, &wakes)));
        let mut driven = UntilQuiet::new(builder.serve_connection(TokioIo::new(io), service), arrivals, &wakes);
        let outcome =
            self.until_done(&mut driven, |driven| Pin::new(&mut driven.get_mut().connection).graceful_shutdown());
        let Some(outcome) = outcome.await else { return Ended::Over };
        let request = asked.take();
        if outcome == Outcome::Over && request.is_none() {
            return Ended::Over;
        }
        let parts = driven.connection.into_parts();
        let (stream, unread) = parts.io.into_inner().into_parts();
        // An empty one would keep hyper's buffer.
        let unread = if parts.read_buf.is_empty() { unread } else { joined(parts.read_buf, unread) };
        match request {
            Some(request) => Ended::Upgrade((stream, unread), request),
            None => Ended::Quiet(stream, unread),
        }
    }

    /// Waits for the next request; false when none may come any more.
    async fn is_used_again(&self, stream: &Stream) -> bool {
        tokio::select! {
            biased;
            () = self.shared.shutdown.requested() => false,
            () = tls::end(self.proof.as_ref()) => false,
            () = stream.readable() => true,
        }
    }

    /// Says goodbye on a connection without a request.
    async fn close(&self, mut stream: Stream) {
        // Nobody waits for a client that does not listen.
        let _ = tokio::time::timeout(self.shared.options.drain, stream.shutdown()).await;
    }

    /// Answers one request, or agrees to leave it for HTTP/2. Not once a stop was requested: a connection that has to end
    /// is not worth a new protocol.
    fn answer_or_upgrade(&self, request: Request<Incoming>, (asked, wakes): (&Asked, &Wakes)) -> Answering {
        if self.shared.options.http2
            && !self.shared.shutdown.is_requested()
            && let Some(switching) = asked.accept(&request)
        {
            return Answering::ready(switching);
        }
        let is_urgent = self.shared.options.urgent.is_some_and(|is_urgent| is_urgent(request.uri().path()));
        let request = self.told(request.map(|body| wakes.body(body)));
        if is_urgent {
            return Answering::of(&self.shared.handler, request, None);
        }
        Answering::in_turn(&self.shared, request)
    }
}

fn builder(options: &ServeOptions, timer: HeaderTimer) -> http1::Builder {
    let header_bytes = options.max_header_bytes.saturating_add(HEADER_SLACK);
    let mut builder = http1::Builder::new();
    builder
        .timer(timer)
        .header_read_timeout(options.header_read_timeout)
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.max(BUFFER));
    if header_bytes > 2 * HEADER_SLACK {
        // hyper stops at 100 fields unless told; with a raised limit only the bytes shall count.
        builder.max_headers((header_bytes / 64).clamp(100, 4096));
    }
    builder
}
