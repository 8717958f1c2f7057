//! A sidecar as its peers see it: the internal port's handler over a real app, called as somebody whose certificate was
//! checked, or was not.

use std::sync::Arc;

use app::{Address, Channel, EndpointSettings, Endpoints, Health, Options, Protocol};
use blocks::invoke::{Forwarded, Identity, Invoker, Parts};
use component::resolver::Configuration;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use mesh::{Resolution, Server, Sidecars};
use prost::Message as _;
use resources::{AccessControlSpec, AppOperation, AppPolicySpec};
use security::{AccessControl, Peer, SpiffeId};
use service::dial::Dialer;
use service::{Body, Connections, Lifetimes, Tasks};
use testkit::{App, Recorded, reply};
use tonic::Code;
use trilby_blocks as blocks;
use wire::common::{HttpExtension, InvokeRequest, http_extension::Verb};
use wire::internals::{ApiVersion, InternalInvokeRequest, ListStringValue};

/// How a call came: the three ways from a peer to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    CallLocal,
    CallLocalStream,
    Proxy,
}

pub(crate) const WAYS: [Way; 3] = [Way::CallLocal, Way::CallLocalStream, Way::Proxy];

/// Code and message of an answer.
pub(crate) type Outcome = (Code, String);

pub(crate) struct Sidecar {
    pub(crate) app: App,
    pub(crate) invoker: Invoker,
    server: Server,
    http: bool,
}

pub(crate) fn peer(namespace: &str, app: &str) -> Peer {
    Peer::Authenticated(SpiffeId::parse(&format!("spiffe://public/ns/{namespace}/{app}")).unwrap())
}

pub(crate) fn operation(name: &str, action: &str) -> AppOperation {
    AppOperation { name: name.to_owned(), http_verb: vec!["*".to_owned()], action: action.to_owned() }
}

/// What the app `caller` of the namespace `shop` may do, and what everybody else may.
pub(crate) fn list(everybody: &str, caller: &str, operations: Vec<AppOperation>) -> AccessControlSpec {
    let policy = AppPolicySpec {
        app_id: "caller".to_owned(),
        namespace: "shop".to_owned(),
        trust_domain: "public".to_owned(),
        default_action: caller.to_owned(),
        operations,
    };
    AccessControlSpec { default_action: everybody.to_owned(), trust_domain: String::new(), policies: vec![policy] }
}

impl Sidecar {
    /// The sidecar of `callee` in front of an HTTP app that answers everything.
    pub(crate) async fn of_http_app(list: &AccessControlSpec) -> Self {
        Self::of(App::http().otherwise(reply("")).start().await, list)
    }

    /// The sidecar of `callee` in front of a gRPC app.
    pub(crate) async fn of_grpc_app(list: &AccessControlSpec) -> Self {
        Self::of(App::grpc().start().await, list)
    }

    fn of(app: App, list: &AccessControlSpec) -> Self {
        let tasks = Tasks::new();
        let protocol: Protocol = app.protocol().parse().unwrap();
        let options = Options {
            address: Address { host: "127.0.0.1".to_owned(), port: app.port() },
            protocol,
            max_concurrency: None,
            token: None,
            max_message: 1 << 20,
            max_headers: 64 << 10,
            health_path: "/healthz".to_owned(),
            pipeline: None,
            metrics: telemetry::Metrics::off(),
        };
        let nowhere = Configuration::from_pairs([("format", "{appid}.invalid:1")]);
        let resolver = Arc::new(local::nameformat::NameFormat::new(&nowhere).unwrap());
        let connections = Connections::new(Dialer::plain(), false, Lifetimes::default(), tasks.clone());
        let settings = EndpointSettings {
            max_headers: 64 << 10,
            pipeline: None,
            metrics: telemetry::Metrics::off(),
            tasks: tasks.clone(),
        };
        let invoker = Invoker::new(Parts {
            identity: Identity { app_id: "callee".to_owned(), namespace: "shop".to_owned() },
            access_control: AccessControl::compile(list, protocol.is_http()).unwrap(),
            channel: Some(Channel::new(options, Health::always(), &tasks).unwrap()),
            endpoints: Endpoints::new(&[], settings).unwrap(),
            own_address: "127.0.0.1:1".to_owned(),
            resolution: Resolution::new(resolver, 1, tasks),
            sidecars: Sidecars::new(connections, 1 << 20),
            forwarded: Forwarded::default(),
            tracing: telemetry::Tracing::Off,
            max_message: 1 << 20,
        });
        let server = Server::new(Arc::new(invoker.clone()), 1 << 20);
        Self { app, invoker, server, http: protocol.is_http() }
    }

    /// A call of `method` by this way; `None` where the way cannot carry such a method at all.
    pub(crate) async fn call(&self, way: Way, peer: &Peer, method: &str) -> Option<Outcome> {
        self.call_with(way, peer, method, &[("x-any", "thing")]).await
    }

    pub(crate) async fn call_with(
        &self,
        way: Way,
        peer: &Peer,
        method: &str,
        said: &[(&str, &str)],
    ) -> Option<Outcome> {
        if way != Way::Proxy {
            return Some(self.send(way, peer, head(method, said).encode_to_vec()).await);
        }
        let path = if method.starts_with('/') { method.to_owned() } else { format!("/{method}") };
        let mut request = Request::builder().uri(path).header("dapr-callee-app-id", "callee");
        for (name, value) in said {
            request = request.header(*name, *value);
        }
        let mut request = request.body(service::body::empty()).ok()?;
        request.extensions_mut().insert(peer.clone());
        Some(outcome(self.server.handle(request).await).await)
    }

    /// A call whose first message is these bytes of an `InternalInvokeRequest`.
    pub(crate) async fn send(&self, way: Way, peer: &Peer, mut message: Vec<u8>) -> Outcome {
        let rpc = match way {
            Way::CallLocalStream => {
                // The request is the first field of the stream's message.
                let mut framed = vec![0x0a];
                prost::encoding::encode_varint(message.len() as u64, &mut framed);
                framed.append(&mut message);
                message = framed;
                "CallLocalStream"
            }
            _ => "CallLocal",
        };
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.append(&mut message);
        let uri = format!("/dapr.proto.internals.v1.ServiceInvocation/{rpc}");
        let mut request = Request::builder().uri(uri).body(service::body::full(body)).unwrap();
        request.extensions_mut().insert(peer.clone());
        outcome(self.server.handle(request).await).await
    }

    /// The methods that the app got, as it reads them.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.app.everything().iter().map(|request| self.method_of(request)).collect()
    }

    fn method_of(&self, request: &Recorded) -> String {
        if self.http {
            return security::path::decode(&request.path).unwrap().into_owned();
        }
        if request.path == "/dapr.proto.runtime.v1.AppCallback/OnInvoke" {
            return InvokeRequest::decode(&request.body[5..]).unwrap().method;
        }
        request.path.clone()
    }
}

/// The head of a POST.
pub(crate) fn head(method: &str, said: &[(&str, &str)]) -> InternalInvokeRequest {
    let values = |value: &str| ListStringValue { values: vec![value.to_owned()] };
    InternalInvokeRequest {
        ver: ApiVersion::V1 as i32,
        metadata: said.iter().map(|(name, value)| ((*name).to_owned(), values(value))).collect(),
        message: Some(InvokeRequest {
            method: method.to_owned(),
            data: None,
            content_type: String::new(),
            http_extension: Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() }),
        }),
        actor: None,
    }
}

async fn outcome(response: Response<Body>) -> Outcome {
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let of = |headers: &HeaderMap| tonic::Status::from_header_map(headers);
    let status = of(&parts.headers).or_else(|| of(&trailers)).unwrap();
    (status.code(), status.message().to_owned())
}
