//! The app channel: one app, reached over HTTP or gRPC, with its token, its concurrency limit and its health.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use call::{Answer, Call, Failure};
use loaded::Pipeline;
use service::{Body, Tasks};
use telemetry::Metrics;
use tokio::sync::Semaphore;
use tonic::Code;

use crate::grpc::GrpcChannel;
use crate::health::Health;
use crate::http::HttpChannel;

/// What a call to an app that is not well is told.
pub(crate) const UNWELL: &str = "app is not in a healthy state";

/// What the app speaks (`--app-protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 (or what ALPN says) over TLS; the app's certificate is not verified, as in the target.
    Https,
    /// HTTP/2 without TLS.
    H2c,
    /// gRPC without TLS.
    Grpc,
    /// gRPC over TLS; the app's certificate is not verified, as in the target.
    Grpcs,
}

impl Protocol {
    /// The flag's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Whether the app speaks HTTP rather than gRPC.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https | Self::H2c)
    }

    /// Whether connections to the app use TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" | "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "h2c" => Ok(Self::H2c),
            "grpc" => Ok(Self::Grpc),
            "grpcs" => Ok(Self::Grpcs),
            _ => Err(()),
        }
    }
}

/// Where the app listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or IP address (`--app-channel-address`).
    pub host: String,
    /// Port (`--app-port`).
    pub port: u16,
}

impl Address {
    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// How to reach the app.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub address: Address,
    /// What it speaks.
    pub protocol: Protocol,
    /// Calls into the app at the same time; `None` is no limit.
    pub max_concurrency: Option<usize>,
    /// Token sent to the app as `dapr-api-token` (`APP_API_TOKEN`).
    pub token: Option<HeaderValue>,
    /// Largest message from a gRPC app, bytes (`--max-body-size`).
    pub max_message: usize,
    /// Largest header section of an answer, bytes (`--read-buffer-size`).
    pub max_headers: usize,
    /// HTTP path of the health probe.
    pub health_path: String,
    /// What calls of an HTTP app pass on their way to it.
    pub pipeline: Option<Pipeline>,
    /// Where calls are counted.
    pub metrics: Metrics,
}

/// The app behind this sidecar. A clone is the same channel.
#[derive(Clone)]
pub struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    kind: Kind,
    options: Options,
    health: Health,
    slots: Option<Arc<Semaphore>>,
}

pub(crate) enum Kind {
    Http(Box<HttpChannel>),
    Grpc(GrpcChannel),
}

/// The app's turn in `--app-max-concurrency`, given back when dropped.
pub(crate) type Slot = Option<tokio::sync::OwnedSemaphorePermit>;

impl Channel {
    /// A channel to the app. Nothing is connected yet. `health` says whether calls may pass; [`Health::always`] when the
    /// app is not probed.
    ///
    /// # Errors
    /// When the TLS client cannot be configured or the address is not one.
    pub fn new(options: Options, health: Health, tasks: &Tasks) -> Result<Self, String> {
        let kind = if options.protocol.is_http() {
            Kind::Http(Box::new(HttpChannel::to_app(&options, tasks)?))
        } else {
            Kind::Grpc(GrpcChannel::new(&options, tasks)?)
        };
        let slots = options.max_concurrency.map(|limit| Arc::new(Semaphore::new(limit)));
        Ok(Self { inner: Arc::new(Inner { kind, options, health, slots }) })
    }

    /// The options this channel was made with.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Invokes a method of the app. The answer's body streams from an HTTP app.
    ///
    /// # Errors
    /// When the app is not healthy, cannot be reached, or breaks off before its answer's head.
    pub async fn invoke(&self, call: &mut Call) -> Result<Answer, Failure> {
        if !self.is_well() {
            return Err(Failure::new(Code::Internal, UNWELL));
        }
        let slot = self.slot().await;
        match &self.inner.kind {
            Kind::Http(channel) => channel.invoke(call, slot).await,
            // Boxed: it is larger, and every call would carry the space for it.
            Kind::Grpc(channel) => Box::pin(channel.invoke(call, slot)).await,
        }
    }

    /// Passes a gRPC request of a service we do not know to a gRPC app.
    ///
    /// # Errors
    /// When the app does not speak gRPC or cannot be reached.
    pub async fn proxy(&self, request: ::http::Request<Body>) -> Result<::http::Response<Body>, Failure> {
        match &self.inner.kind {
            Kind::Grpc(channel) => channel.proxy(request).await,
            Kind::Http(channel) => channel.proxy(request).await,
        }
    }

    /// The `GET /dapr/config` document of an HTTP app; `None` for a gRPC app, which registers by stream.
    ///
    /// # Errors
    /// When the app cannot be reached or the document is not JSON.
    pub async fn configuration(&self, app_id: &str) -> Result<Option<serde_json::Value>, Failure> {
        match &self.inner.kind {
            Kind::Http(channel) => channel.configuration(app_id).await,
            Kind::Grpc(_) => Ok(None),
        }
    }

    /// One health probe: `Ok` when the app says it is well, else why not.
    ///
    /// # Errors
    /// The reason, in words.
    pub async fn probe(&self, timeout: Duration) -> Result<(), String> {
        let probe = async {
            match &self.inner.kind {
                Kind::Http(channel) => channel.probe(&self.inner.options.health_path).await,
                Kind::Grpc(channel) => channel.probe().await,
            }
        };
        tokio::time::timeout(timeout, probe).await.unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.inner.kind
    }

    /// Whether calls may pass to the app.
    pub(crate) fn is_well(&self) -> bool {
        self.inner.health.is_healthy()
    }

    pub(crate) async fn slot(&self) -> Slot {
        match &self.inner.slots {
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        }
    }
}
