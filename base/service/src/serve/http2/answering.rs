//! One request of an HTTP/2 connection: its handler is run, then its answer is sent, both contained, so that a panic fails this
//! stream and nothing else. A stream that the client resets drops what works for it. Polled by the connection's task.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::Response;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http_body::{Body as _, Frame};

use super::super::answer::failure;
use super::Answer;
use crate::{Body, BoxError};

/// Bytes of an answer that are given to the stream without asking whether there is room: a small answer is sent in one go.
const AHEAD: usize = 32 * 1024;

/// What an answer over HTTP/2 must not have (RFC 9113 8.2.2), besides what `Connection` names.
static OF_THE_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A request that is being answered.
pub(super) struct Answering {
    respond: SendResponse<Bytes>,
    is_grpc: bool,
    has_date: bool,
    stage: Stage,
}

enum Stage {
    Working(Answer),
    Sending(Sending),
    Over,
}

struct Sending {
    body: Body,
    stream: SendStream<Bytes>,
    /// A piece that waits for room, and whether it is the last.
    held: Option<(Bytes, bool)>,
    /// What was given without asking for room.
    ahead: usize,
}

impl Answering {
    pub(super) fn new(answer: Answer, respond: SendResponse<Bytes>, is_grpc: bool, has_date: bool) -> Self {
        Self { respond, is_grpc, has_date, stage: Stage::Working(answer) }
    }

    fn step(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Stage::Working(answer) = &mut self.stage {
            match answer.as_mut().poll(context) {
                Poll::Ready(Ok(response)) => self.begin(response),
                Poll::Ready(Err(error)) => self.fail(&error.to_string()),
                Poll::Pending => return self.respond.poll_reset(context).map(drop),
            }
        }
        match &mut self.stage {
            Stage::Sending(sending) => sending.poll(context),
            Stage::Working(_) | Stage::Over => Poll::Ready(()),
        }
    }

    /// Sends the head of an answer.
    fn begin(&mut self, response: Response<Body>) {
        let (mut head, body) = response.into_parts();
        strip(&mut head.headers);
        if self.has_date && !head.headers.contains_key(DATE) {
            head.headers.insert(DATE, super::date::now());
        }
        let is_whole = body.is_end_stream();
        if !is_whole
            && let Some(length) = body.size_hint().exact()
            && !head.headers.contains_key(CONTENT_LENGTH)
        {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        self.stage = match self.respond.send_response(Response::from_parts(head, ()), is_whole) {
            Ok(stream) if !is_whole => Stage::Sending(Sending { body, stream, held: None, ahead: 0 }),
            Ok(_) => Stage::Over,
            Err(error) => {
                tracing::debug!(target: "dapr.runtime", "an answer could not be sent: {error}");
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                Stage::Over
            }
        };
    }

    /// Answers that the service failed, or breaks an answer off.
    fn fail(&mut self, reason: &str) {
        tracing::error!(target: "dapr.runtime", "a request failed inside: {reason}");
        if let Stage::Working(_) = &self.stage {
            self.begin(failure(self.is_grpc));
        } else {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Drops what worked for the stream, which is code of others.
    fn end(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if catch_unwind(AssertUnwindSafe(|| drop(stage))).is_err() {
            tracing::error!(target: "dapr.runtime", "a request panicked when it ended");
        }
    }
}

impl Future for Answering {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        match catch_unwind(AssertUnwindSafe(|| this.step(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            // Nothing of a failure panics: it has no body.
            Err(_) => this.fail("the handler panicked"),
        }
        this.end();
        Poll::Ready(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Over) {
            self.end();
        }
    }
}

impl Sending {
    /// Sends the body as the other end takes it; ready when that is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sent = self.poll_all(context);
        if sent.is_pending() && self.stream.poll_reset(context).is_ready() {
            return Poll::Ready(());
        }
        sent.map(drop)
    }

    /// `None` when the stream is over.
    fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        loop {
            if self.held.is_some() {
                while self.stream.capacity() == 0 {
                    match ready!(self.stream.poll_capacity(context)) {
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Poll::Ready(None),
                    }
                }
                if let Some((data, is_last)) = self.held.take()
                    && self.send(data, is_last).is_none()
                {
                    return Poll::Ready(None);
                }
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            if self.pass(frame).is_none() {
                return Poll::Ready(None);
            }
        }
    }

    /// Gives one frame to the stream, or holds it; `None` when that was the last, or the stream is over.
    fn pass(&mut self, frame: Option<Result<Frame<Bytes>, BoxError>>) -> Option<()> {
        let frame = match frame {
            None => return self.send(Bytes::new(), true),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                tracing::debug!(target: "dapr.runtime", "an answer broke off: {error}");
                self.stream.send_reset(reason(&*error).unwrap_or(Reason::INTERNAL_ERROR));
                return None;
            }
        };
        match frame.into_data() {
            Ok(data) => {
                let is_last = self.body.is_end_stream();
                if self.ahead + data.len() <= AHEAD || data.is_empty() {
                    self.ahead += data.len();
                    return self.send(data, is_last);
                }
                self.stream.reserve_capacity(1);
                self.held = Some((data, is_last));
                Some(())
            }
            Err(frame) => {
                self.stream.reserve_capacity(0);
                if let Ok(trailers) = frame.into_trailers() {
                    // A stream that is over needs none.
                    let _ = self.stream.send_trailers(trailers);
                }
                None
            }
        }
    }

    fn send(&mut self, data: Bytes, is_last: bool) -> Option<()> {
        self.stream.send_data(data, is_last).ok().filter(|()| !is_last)
    }
}

/// Why another stream, whose body this is, was reset.
fn reason(error: &(dyn std::error::Error + 'static)) -> Option<Reason> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<h2::Error>()?.reason())
}

/// Takes fields away that speak of a connection of HTTP/1.1.
fn strip(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| OF_THE_CONNECTION.contains(name)) {
        return;
    }
    if let Some(named) = headers.remove(CONNECTION)
        && let Ok(names) = named.to_str()
    {
        for name in names.split(',') {
            headers.remove(name.trim());
        }
    }
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
}
