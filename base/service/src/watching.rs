//! Somebody who wants to know how a served gRPC call ended, for example to count it. Called by the doors; the end is seen in the
//! trailers that pass by (`message_limit`), and a call that goes away before has ended too.

use http::Response;
use tonic::Code;

use crate::message_limit::code;
use crate::{Body, Messages};

/// Is told once how a call ended.
pub trait Watch: Send + Unpin + 'static {
    /// The call ended with this code; the messages of its answer had so many bytes.
    fn ended(self, code: i32, sent: u64);
}

impl Watch for () {
    fn ended(self, _: i32, _: u64) {}
}

/// A call that is watched until it ends. Dropped before, it was cancelled.
pub struct Watching<W: Watch>(Option<W>);

impl<W: Watch> Watching<W> {
    /// Watches a call that begins now; without a watch, nothing is told.
    #[must_use]
    pub fn new(watch: Option<W>) -> Self {
        Self(watch)
    }

    /// Changes the watch, if there is one.
    pub fn with(&mut self, change: impl FnOnce(&mut W)) {
        if let Some(watch) = &mut self.0 {
            change(watch);
        }
    }

    /// Tells the end, if it was not told yet.
    pub fn end(&mut self, code: i32, sent: u64) {
        if let Some(watch) = self.0.take() {
            watch.ended(code, sent);
        }
    }

    /// Follows an answer to its end, and holds its messages to the limit.
    #[must_use]
    pub fn answer(mut self, response: Response<Body>, limit: u64) -> Response<Body> {
        if self.0.is_none() {
            return response.map(|body| Messages::answer(body, limit));
        }
        if let Some(code) = code(response.headers()) {
            self.end(code, 0);
        }
        response.map(|body| Messages::watched(body, limit, self))
    }
}

impl<W: Watch> Drop for Watching<W> {
    fn drop(&mut self) {
        self.end(Code::Cancelled as i32, 0);
    }
}
