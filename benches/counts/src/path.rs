//! The paths whose instructions are counted, and the call each makes. Called by `main` and `parties`.

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use prost::Message;
use wire::common::{HttpExtension, InvokeRequest, StateItem, http_extension};
use wire::runtime::{GetStateRequest, InvokeServiceRequest, PublishEventRequest, SaveStateRequest};

use crate::client::{Call, Protocol};
use crate::parties::{BROKER, ENDPOINT, Parties, STORE};

const SIZE: usize = 1024;
/// Messages each way of a streamed call.
const STREAMED: usize = 16;
pub(crate) const KEY: &str = "k";
const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");
const BINARY: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The caller and the app, nothing between: what is in every invocation besides sidecars.
    DirectHttp,
    /// The same over gRPC.
    DirectGrpc,
    /// Through a bare hyper proxy.
    BareProxy,
    /// Through one sidecar that has an HTTPEndpoint.
    InvokeOne,
    /// Through two sidecars.
    InvokeHttp,
    /// `InvokeService` through two sidecars to an HTTP app.
    InvokeGrpc,
    /// A gRPC call of the app's own through two sidecars.
    ProxyUnary,
    /// The same with a stream of messages each way.
    ProxyStream,
    /// Reads a key of a store in memory.
    StateGetHttp,
    /// Writes it.
    StateSetHttp,
    /// Reads it over gRPC.
    StateGetGrpc,
    /// Writes it over gRPC.
    StateSetGrpc,
    /// Publishes to a broker in memory a message that nobody wants.
    PublishHttp,
    /// The same over gRPC.
    PublishGrpc,
}

impl Path {
    /// All.
    pub(crate) const ALL: [Self; 14] = [
        Self::DirectHttp,
        Self::DirectGrpc,
        Self::BareProxy,
        Self::InvokeOne,
        Self::InvokeHttp,
        Self::InvokeGrpc,
        Self::ProxyUnary,
        Self::ProxyStream,
        Self::StateGetHttp,
        Self::StateSetHttp,
        Self::StateGetGrpc,
        Self::StateSetGrpc,
        Self::PublishHttp,
        Self::PublishGrpc,
    ];

    /// Its name in `benches/counts.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DirectHttp => "direct-http",
            Self::DirectGrpc => "direct-grpc",
            Self::BareProxy => "bare-proxy",
            Self::InvokeOne => "invoke-one",
            Self::InvokeHttp => "invoke-http",
            Self::InvokeGrpc => "invoke-grpc",
            Self::ProxyUnary => "proxy-unary",
            Self::ProxyStream => "proxy-stream",
            Self::StateGetHttp => "state-get-http",
            Self::StateSetHttp => "state-set-http",
            Self::StateGetGrpc => "state-get-grpc",
            Self::StateSetGrpc => "state-set-grpc",
            Self::PublishHttp => "publish-http",
            Self::PublishGrpc => "publish-grpc",
        }
    }

    /// Whether a sidecar takes part.
    pub(crate) fn needs_sidecar(self) -> bool {
        !matches!(self, Self::DirectHttp | Self::DirectGrpc | Self::BareProxy)
    }

    /// What the app behind a second sidecar speaks, if there is one.
    pub(crate) fn callee(self) -> Option<Protocol> {
        match self {
            Self::InvokeHttp | Self::InvokeGrpc => Some(Protocol::Http),
            Self::ProxyUnary | Self::ProxyStream => Some(Protocol::Grpc),
            _ => None,
        }
    }

    /// The call, which can be made again and again.
    ///
    /// # Errors
    /// When a message is too long.
    pub(crate) fn call(self, parties: &Parties) -> anyhow::Result<Call> {
        let echo = |app: &str| format!("/v1.0/invoke/{app}/method/echo");
        let post = |port, path: &str| http(port, path, (BINARY, blob()));
        let call = match self {
            Self::DirectHttp => post(parties.http_app, "/echo"),
            Self::DirectGrpc => grpc(parties.grpc_app, "/counts.Unknown/Echo", &framed(&blob(), 1)?),
            Self::BareProxy => post(parties.proxy.context("there is no proxy")?, "/echo"),
            Self::InvokeOne => post(parties.http, &echo(ENDPOINT)),
            Self::InvokeHttp => post(parties.http, &echo(&parties.callee)),
            Self::InvokeGrpc => runtime(parties, "InvokeService", &invocation(&parties.callee))?,
            Self::ProxyUnary => proxied(parties, 1)?,
            Self::ProxyStream => proxied(parties, STREAMED)?,
            Self::StateGetHttp => Call::get(parties.http, &format!("/v1.0/state/{STORE}/{KEY}")),
            Self::StateSetHttp => entries(parties.http),
            Self::PublishHttp => http(parties.http, &format!("/v1.0/publish/{BROKER}/topic"), (JSON, text())),
            Self::StateGetGrpc => {
                let request =
                    GetStateRequest { store_name: STORE.to_owned(), key: KEY.to_owned(), ..GetStateRequest::default() };
                runtime(parties, "GetState", &request)?
            }
            Self::StateSetGrpc => {
                let item = StateItem { key: KEY.to_owned(), value: text(), ..StateItem::default() };
                let request = SaveStateRequest { store_name: STORE.to_owned(), states: vec![item] };
                runtime(parties, "SaveState", &request)?
            }
            Self::PublishGrpc => runtime(parties, "PublishEvent", &event())?,
        };
        Ok(call)
    }
}

/// The call that writes what others read.
pub(crate) fn entries(port: u16) -> Call {
    let entries = serde_json::json!([{ "key": KEY, "value": "x".repeat(SIZE - 2) }]);
    http(port, &format!("/v1.0/state/{STORE}"), (JSON, Bytes::from(entries.to_string())))
}

fn http(port: u16, path: &str, (kind, body): (&'static str, Bytes)) -> Call {
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(kind))];
    Call { protocol: Protocol::Http, port, method: Method::POST, path: path.to_owned(), headers, body }
}

fn grpc(port: u16, path: &str, framed: &Bytes) -> Call {
    let (path, body) = (path.to_owned(), framed.clone());
    Call { protocol: Protocol::Grpc, port, method: Method::POST, path, headers: Vec::new(), body }
}

/// A call of the runtime API.
fn runtime(parties: &Parties, method: &str, message: &impl Message) -> anyhow::Result<Call> {
    let framed = framed(&message.encode_to_vec(), 1)?;
    Ok(grpc(parties.grpc, &format!("/dapr.proto.runtime.v1.Dapr/{method}"), &framed))
}

/// A call of a service that only the app knows.
fn proxied(parties: &Parties, messages: usize) -> anyhow::Result<Call> {
    let mut call = grpc(parties.grpc, "/counts.Unknown/Echo", &framed(&blob(), messages)?);
    call.headers.push((APP_ID, HeaderValue::from_str(&parties.callee)?));
    Ok(call)
}

/// A message so many times, each with its length before it.
fn framed(message: &[u8], times: usize) -> anyhow::Result<Bytes> {
    let length = u32::try_from(message.len())?;
    let mut framed = BytesMut::new();
    for _ in 0..times {
        framed.put_u8(0);
        framed.put_u32(length);
        framed.put_slice(message);
    }
    Ok(framed.freeze())
}

fn invocation(callee: &str) -> InvokeServiceRequest {
    let message = InvokeRequest {
        method: "echo".to_owned(),
        data: Some(wire::Any { type_url: String::new(), value: blob() }),
        content_type: BINARY.to_owned(),
        http_extension: Some(HttpExtension { verb: http_extension::Verb::Post.into(), ..HttpExtension::default() }),
    };
    InvokeServiceRequest { id: callee.to_owned(), message: Some(message) }
}

fn event() -> PublishEventRequest {
    PublishEventRequest {
        pubsub_name: BROKER.to_owned(),
        topic: "topic".to_owned(),
        data: text(),
        data_content_type: JSON.to_owned(),
        ..PublishEventRequest::default()
    }
}

fn blob() -> Bytes {
    Bytes::from(vec![b'x'; SIZE])
}

/// A JSON string of about a kilobyte.
fn text() -> Bytes {
    Bytes::from(format!("\"{}\"", "x".repeat(SIZE - 2)))
}
