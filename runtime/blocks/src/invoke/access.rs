//! Whether a call reaches the app. Asked by every way into it (`inbound`, `proxy`) with the very string that is sent on; what
//! the answer is decides `security::AccessControl`, by the proven peer alone.

use app::Protocol;
use call::{Call, Failure, Verb};
use security::{Called, Peer};

use super::Invoker;

/// What a sidecar asks of its own gRPC app. Through it a peer could name any method behind the back of the policies.
const CALLBACKS: &str = "/dapr.proto.runtime.v1.AppCallback";

impl Invoker {
    /// Lets a call of a peer pass to an app that speaks `protocol`, or not. Its method is canonical. The verb is that of the
    /// request that the app would get, whatever else the call has or lacks.
    ///
    /// # Errors
    /// The denial.
    pub(super) fn admit(&self, peer: &Peer, call: &Call, protocol: Protocol) -> Result<(), Failure> {
        let Some(list) = &self.parts.access_control else { return Ok(()) };
        let method = call.method.as_str();
        let verb = if protocol.is_http() { call.verb().unwrap_or(Verb::None) } else { Verb::None };
        let called = match protocol.is_http() {
            true => Called::Http { method, verb: verb.as_str_name() },
            false => Called::Grpc { method },
        };
        let judged = list.judge(peer, called);
        self.counts.judged(peer, judged);
        if judged.0 { Ok(()) } else { Err(denied(peer, method, verb)) }
    }

    /// Lets a gRPC request pass to the app as it is, or not. Its path is canonical.
    ///
    /// # Errors
    /// The denial.
    pub(super) fn admit_proxied(&self, peer: &Peer, path: &str) -> Result<(), Failure> {
        let Some(list) = &self.parts.access_control else { return Ok(()) };
        let evades = list.tells_callers_apart() && path.starts_with(CALLBACKS);
        let judged = list.judge(peer, Called::Grpc { method: path });
        self.counts.judged(peer, (judged.0 && !evades, judged.1));
        if evades || !judged.0 {
            return Err(denied(peer, path, Verb::None));
        }
        Ok(())
    }
}

fn denied(peer: &Peer, method: &str, verb: Verb) -> Failure {
    let caller = peer.id().map_or("", |id| id.as_str());
    let error = errors::invoke_access_denied(caller, method, verb.as_str_name());
    tracing::debug!(target: "dapr.acl", "{}", error.message());
    Failure::new(error.grpc_code(), error.message())
}
