//! Calls that arrive from other sidecars, for our app.

use async_trait::async_trait;
use call::{Answer, Call, Failure};
use http::{HeaderMap, Request, Response};
use mesh::Inbound;
use security::Peer;
use service::Body;
use telemetry::trace::SpanContext;
use tonic::Code;

use super::{Invoker, canonical, stamp};

#[async_trait]
impl Inbound for Invoker {
    async fn call(&self, peer: Peer, mut call: Call) -> Result<Answer, Failure> {
        let Some(channel) = &self.parts.channel else {
            return Err(Failure::new(Code::Internal, "app channel is not initialized"));
        };
        call.method = canonical(&call.method)?;
        self.admit(&peer, &call, channel.options().protocol)?;
        stamp::receive(&mut call.metadata, &peer, &self.parts.identity.app_id);
        let caller = call::first(&call.metadata, stamp::CALLER).unwrap_or("unknown");
        let received = self.counts.invocations.received(caller);
        let answer = channel.invoke(&mut call).await;
        received.answered(answer.as_ref().map_or(Code::Internal as i32, |answer| answer.status.code));
        answer.map_err(|failure| Failure::new(Code::Internal, format!("error invoking app channel: {failure}")))
    }

    async fn proxy(&self, peer: Peer, request: Request<Body>) -> Response<Body> {
        self.proxy_from_peer(peer, request).await
    }

    fn trace(&self, headers: &HeaderMap, call: &Call) -> Option<SpanContext> {
        let incoming = SpanContext::from_grpc(headers).or_else(|| call.announced_trace());
        self.parts.tracing.next(incoming.as_ref())
    }
}
