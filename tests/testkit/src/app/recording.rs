//! What an app remembers: every request, filled in while its body is read and until its answer is over.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{BoxError, BoxedBody, Recorded};

#[derive(Clone, Default)]
pub(crate) struct Record {
    requests: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Clone)]
pub(crate) struct Entry(Arc<Mutex<Recorded>>);

impl Record {
    pub(crate) fn all(&self) -> Vec<Recorded> {
        let requests = self.requests.lock().expect("no holder panics");
        requests.iter().map(|entry| entry.0.lock().expect("no holder panics").clone()).collect()
    }

    pub(crate) fn since(&self, first: usize) -> Vec<Recorded> {
        let requests = self.requests.lock().expect("no holder panics");
        requests.iter().skip(first).map(|entry| entry.0.lock().expect("no holder panics").clone()).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().expect("no holder panics").len()
    }

    /// Remembers a request; what is read from the returned body is remembered too.
    pub(crate) fn begin(&self, request: Request<Incoming>) -> (Request<BoxedBody>, Answering) {
        let recorded = Recorded {
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: request.headers().clone(),
            complete: request.body().is_end_stream(),
            open: true,
            ..Recorded::default()
        };
        let entry = Entry(Arc::new(Mutex::new(recorded)));
        self.requests.lock().expect("no holder panics").push(entry.clone());
        let answering = Answering(entry.clone());
        (request.map(|body| Teed { body, entry }.boxed_unsync()), answering)
    }

    /// Remembers bytes that are no request.
    pub(crate) fn raw(&self, bytes: Vec<u8>) {
        let path = String::from_utf8_lossy(&bytes).split(' ').nth(1).unwrap_or_default().to_owned();
        let recorded = Recorded { path, body: bytes, ..Recorded::default() };
        self.requests.lock().expect("no holder panics").push(Entry(Arc::new(Mutex::new(recorded))));
    }
}

/// Kept as long as the answer is not over.
pub(crate) struct Answering(Entry);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.lock().expect("no holder panics").open = false;
    }
}

struct Teed {
    body: Incoming,
    entry: Entry,
}

impl Body for Teed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let mut recorded = self.entry.0.lock().expect("no holder panics");
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    recorded.body.extend_from_slice(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    recorded.trailers = Some(trailers.clone());
                }
            }
            Poll::Ready(Some(Err(_))) => recorded.broken = true,
            Poll::Ready(None) => recorded.complete = true,
            Poll::Pending => {}
        }
        drop(recorded);
        polled.map(|frame| frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, with the mark that it is not over.
pub(crate) struct Marked {
    pub(crate) body: BoxedBody,
    pub(crate) answering: Answering,
}

impl Body for Marked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let _held = &self.answering;
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
