//! Calls to servers outside the fleet that came over HTTP and go on over HTTP: passed on as they are where nothing but leaving
//! headers out is to be done. Called by the HTTP door; all other calls outside go the way of every call.

use call::Failure;
use http::{HeaderMap, Request, Response};
use service::Body;

use super::{Invoker, Target, changed, stamp};

impl Invoker {
    /// Whether a request to this target can be passed on as it is; its headers are then those that go on. `is_traced`: the span of
    /// this hop is written into them afterwards.
    pub fn passes(&self, target: &str, headers: &mut HeaderMap, is_traced: bool) -> bool {
        let parts = &self.parts;
        let parsed = Target::parse(target, &parts.identity.namespace, |name| parts.endpoints.contains(name));
        matches!(parsed, Ok(Target::Outside(_))) && call::pass_on(headers, &stamp::IDENTITY, is_traced)
    }

    /// Passes a request on for which [`Self::passes`] is true.
    ///
    /// # Errors
    /// When the method is not one, or nobody answers.
    pub async fn pass(
        &self,
        target: &str,
        method: &str,
        request: &mut Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let canonical = changed(method)?;
        let method = canonical.as_deref().unwrap_or(method);
        let started = self.counts.sent(target);
        let response = self.parts.endpoints.pass(target, method, request).await;
        self.counts.response(target, started, &response);
        response
    }
}

#[cfg(test)]
mod tests {
    use call::{Answer, Call};

    use super::*;

    #[test]
    fn a_call_takes_little_room() {
        fn passed<F: Future>(
            _: fn(&'static Invoker, &'static str, &'static str, &'static mut Request<Body>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        fn called<F: Future<Output = Result<Answer, Failure>>>(
            _: fn(&'static Invoker, &'static str, &'static mut Call) -> F,
        ) -> usize {
            size_of::<F>()
        }
        let rooms = (passed(Invoker::pass), called(Invoker::invoke));
        assert!(rooms.0 < 1400 && rooms.1 < 4400, "each call moves {rooms:?} bytes");
    }
}
