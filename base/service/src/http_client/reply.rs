//! The body of an answer, whichever pool it came through. Given to whoever sent the request.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::unwatched::Exchange;

/// The body of an answer. While it is read, it holds its connection; dropped before its end, it closes it.
#[derive(Debug)]
pub struct Reply {
    body: Incoming,
    /// The connection that the body comes from, where nobody else drives it.
    exchange: Option<Exchange>,
}

impl Reply {
    pub(super) fn pooled(body: Incoming) -> Self {
        Self { body, exchange: None }
    }

    /// A body that drives its connection, which is kept for the next request when nothing is left to read.
    pub(super) fn driving(body: Incoming, exchange: Exchange) -> Self {
        let mut reply = Self { body, exchange: Some(exchange) };
        if reply.body.is_end_stream() {
            reply.finish();
        }
        reply
    }

    fn finish(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.finish();
        }
    }
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let body = &mut this.body;
        let frame = match &mut this.exchange {
            Some(exchange) => exchange.drive(context, |context| Pin::new(&mut *body).poll_frame(context)),
            None => Pin::new(body).poll_frame(context),
        };
        match &frame {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => this.finish(),
            Poll::Ready(Some(Ok(_))) if this.body.is_end_stream() => this.finish(),
            Poll::Ready(Some(Ok(_))) => {}
            // A broken connection is closed.
            Poll::Ready(Some(Err(_))) => this.exchange = None,
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
