//! The kinds of calls that are compared, and the request each makes. Called by `compare` and its parts.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use prost::Message as _;
use wire::common::{InvokeRequest, StateItem};
use wire::runtime::{GetStateRequest, InvokeServiceRequest, PublishEventRequest, SaveStateRequest};

use crate::app::TOPIC;
use crate::client::{Call, Protocol};

/// The name of the HTTP endpoint before the app.
pub(super) const ENDPOINT: &str = "endpoint";
/// Messages each way of a streamed call.
const STREAMED: usize = 16;
const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");
const BINARY: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Calls a method of another app.
    Invoke,
    /// A gRPC call that sidecars pass on as it is, one message each way.
    ProxyUnary,
    /// The same with a stream of messages.
    ProxyStream,
    /// Reads a key.
    StateGet,
    /// Writes a key.
    StateSet,
    /// Publishes a message nobody wants.
    Publish,
    /// Publishes messages until the app has got all.
    Deliver,
}

/// Who keeps what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The sidecar's memory, or nobody.
    Memory,
    /// A Redis server.
    Redis,
    /// Our hub.
    Hub,
}

impl Backend {
    fn suffix(self) -> &'static str {
        match self {
            Self::Memory => "",
            Self::Redis => "-redis",
            Self::Hub => "-hub",
        }
    }

    /// The state store on it.
    pub(crate) fn store(self) -> String {
        format!("store{}", self.suffix())
    }

    /// The message broker on it.
    pub(crate) fn broker(self) -> String {
        format!("broker{}", self.suffix())
    }
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// What a call does.
    pub(crate) kind: Kind,
    /// How the app asks its sidecar.
    pub(crate) protocol: Protocol,
    /// Who keeps what is written.
    pub(crate) backend: Backend,
}

impl Case {
    /// All, in the order in which they are measured.
    pub(crate) fn all() -> Vec<Self> {
        use {Backend as B, Kind as K, Protocol as P};
        let case = |kind, protocol, backend| Self { kind, protocol, backend };
        let mut all = vec![case(K::Invoke, P::Http, B::Memory), case(K::Invoke, P::Grpc, B::Memory)];
        all.extend([case(K::ProxyUnary, P::Grpc, B::Memory), case(K::ProxyStream, P::Grpc, B::Memory)]);
        for backend in [B::Memory, B::Redis, B::Hub] {
            for kind in [K::StateGet, K::StateSet, K::Publish] {
                all.extend([case(kind, P::Http, backend), case(kind, P::Grpc, backend)]);
            }
            all.push(case(K::Deliver, P::Http, backend));
        }
        all
    }

    /// As `--case` and the tables name it.
    pub(crate) fn name(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Http => "http",
            Protocol::Grpc => "grpc",
        };
        let kind = match self.kind {
            Kind::Invoke => "invoke",
            Kind::ProxyUnary => return "proxy-unary".to_owned(),
            Kind::ProxyStream => return "proxy-stream".to_owned(),
            Kind::StateGet => "state-get",
            Kind::StateSet => "state-set",
            Kind::Publish => "publish",
            Kind::Deliver => return format!("deliver{}", self.backend.suffix()),
        };
        format!("{kind}-{protocol}{}", self.backend.suffix())
    }

    /// Whether a bar is about it: what needs no server does.
    pub(crate) fn is_in_bars(&self) -> bool {
        self.backend == Backend::Memory && self.kind != Kind::Deliver
    }

    /// Whether a second sidecar takes part.
    pub(crate) fn is_between_apps(&self) -> bool {
        matches!(self.kind, Kind::Invoke | Kind::ProxyUnary | Kind::ProxyStream)
    }

    /// Whether the app that is called speaks gRPC.
    pub(crate) fn calls_grpc_app(&self) -> bool {
        matches!(self.kind, Kind::ProxyUnary | Kind::ProxyStream)
    }

    /// The call through a sidecar; `callee` is the id of the app that is called.
    ///
    /// # Errors
    /// When the id is no header value.
    pub(crate) fn call(&self, callee: &str, size: usize) -> anyhow::Result<Call> {
        let call = match self.protocol {
            Protocol::Http => self.http(callee, size),
            Protocol::Grpc => {
                let mut call = self.grpc(callee, size);
                if self.calls_grpc_app() {
                    call.headers.push((APP_ID, HeaderValue::from_str(callee)?));
                }
                call
            }
        };
        Ok(call)
    }

    /// The same call to the app itself, where an app is called.
    pub(crate) fn direct(&self, size: usize) -> Option<(Protocol, Call)> {
        let http = || (Protocol::Http, Call::post("/echo", BINARY, blob(size)));
        match self.kind {
            Kind::Invoke => Some(http()),
            Kind::ProxyUnary | Kind::ProxyStream => Some((Protocol::Grpc, self.grpc("", size))),
            _ => None,
        }
    }

    /// The call that must have been made before, so that this one finds what it reads.
    pub(crate) fn preparation(&self, size: usize) -> Option<Call> {
        let writes = Self { kind: Kind::StateSet, protocol: self.protocol, backend: self.backend };
        (self.kind == Kind::StateGet).then(|| writes.call("", size).ok()).flatten()
    }

    fn http(&self, callee: &str, size: usize) -> Call {
        let (store, broker) = (self.backend.store(), self.backend.broker());
        match self.kind {
            Kind::StateGet => Call::get(&format!("/v1.0/state/{store}/{}", key(size))),
            Kind::StateSet => {
                let entries = serde_json::json!([{ "key": key(size), "value": "x".repeat(size) }]);
                Call::post(&format!("/v1.0/state/{store}"), JSON, Bytes::from(entries.to_string()))
            }
            Kind::Publish => Call::post(&format!("/v1.0/publish/{broker}/nobody"), JSON, text(size)),
            Kind::Deliver => Call::post(&format!("/v1.0/publish/{broker}/{TOPIC}"), JSON, text(size)),
            Kind::Invoke | Kind::ProxyUnary | Kind::ProxyStream => {
                Call::post(&format!("/v1.0/invoke/{callee}/method/echo"), BINARY, blob(size))
            }
        }
    }

    fn grpc(&self, callee: &str, size: usize) -> Call {
        let runtime = |method: &str, message: Vec<u8>| {
            let mut call = Call::get(&format!("/dapr.proto.runtime.v1.Dapr/{method}"));
            call.body = Bytes::from(message);
            call
        };
        match self.kind {
            Kind::ProxyUnary | Kind::ProxyStream => {
                let mut call = Call::get("/rig.Unknown/Echo");
                call.body = blob(size);
                call.messages = if self.kind == Kind::ProxyStream { STREAMED } else { 1 };
                call
            }
            Kind::Invoke => runtime("InvokeService", invocation(callee, size).encode_to_vec()),
            Kind::StateGet => {
                let (store_name, key) = (self.backend.store(), key(size));
                let request = GetStateRequest { store_name, key, ..GetStateRequest::default() };
                runtime("GetState", request.encode_to_vec())
            }
            Kind::StateSet => {
                let item = StateItem { key: key(size), value: text(size).to_vec().into(), ..StateItem::default() };
                let request = SaveStateRequest { store_name: self.backend.store(), states: vec![item] };
                runtime("SaveState", request.encode_to_vec())
            }
            Kind::Publish | Kind::Deliver => {
                let topic = if self.kind == Kind::Deliver { TOPIC } else { "nobody" };
                let request = PublishEventRequest {
                    pubsub_name: self.backend.broker(),
                    topic: topic.to_owned(),
                    data: text(size).to_vec().into(),
                    data_content_type: JSON.to_owned(),
                    ..PublishEventRequest::default()
                };
                runtime("PublishEvent", request.encode_to_vec())
            }
        }
    }
}

fn invocation(callee: &str, size: usize) -> InvokeServiceRequest {
    let data = prost_any(size);
    let verb =
        wire::common::HttpExtension { verb: wire::common::http_extension::Verb::Post.into(), ..Default::default() };
    let message = InvokeRequest {
        method: "echo".to_owned(),
        data: Some(data),
        content_type: BINARY.to_owned(),
        http_extension: Some(verb),
    };
    InvokeServiceRequest { id: callee.to_owned(), message: Some(message) }
}

fn prost_any(size: usize) -> wire::Any {
    wire::Any { type_url: String::new(), value: blob(size).to_vec().into() }
}

fn key(size: usize) -> String {
    format!("k{size}")
}

fn blob(size: usize) -> Bytes {
    Bytes::from(vec![b'x'; size])
}

/// A JSON string.
fn text(size: usize) -> Bytes {
    Bytes::from(format!("\"{}\"", "x".repeat(size.saturating_sub(2))))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: HashSet<String> = Case::all().iter().map(Case::name).collect();
        assert_eq!(names.len(), Case::all().len());
        for name in ["invoke-http", "proxy-stream", "state-get-grpc", "publish-http-redis", "deliver-hub"] {
            assert!(names.contains(name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn what_is_read_was_written_under_the_same_key_before() {
        for case in Case::all().into_iter().filter(|case| case.kind == Kind::StateGet) {
            let written = case.preparation(100).unwrap();
            let key = b"k100".as_slice();
            assert!(written.body.windows(key.len()).any(|part| part == key), "{}", case.name());
        }
    }

    #[test]
    fn a_body_has_the_size_that_was_asked_for() {
        let case = Case { kind: Kind::Invoke, protocol: Protocol::Http, backend: Backend::Memory };
        assert_eq!(case.call("a", 1024).unwrap().body.len(), 1024);
        let published = Case { kind: Kind::Publish, ..case };
        assert_eq!(published.call("", 1024).unwrap().body.len(), 1024);
    }
}
