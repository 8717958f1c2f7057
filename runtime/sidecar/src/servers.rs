//! The listeners of a sidecar: bound first, served when everything behind them stands.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use front::{GrpcDoor, HttpDoor};
use futures_util::FutureExt as _;
use http::{Request, Response};
use hyper::service::service_fn;
use mesh::Server;
use service::{Body, Host, Listener, ServeOptions, ServerTls, Shutdown, Tasks, listen, serve};

use crate::{Fatal, Options};

/// Slack that the target gives the headers of gRPC requests: its read buffer, 1024 times.
const GRPC_HEADER_FACTOR: usize = 1024;
/// Never more than this, whatever the read buffer.
const MAX_GRPC_HEADERS: usize = 4 << 20;

/// The bound sockets of the APIs.
pub(crate) struct Sockets {
    pub(crate) http: Vec<Listener>,
    pub(crate) grpc: Vec<Listener>,
    pub(crate) public: Option<Listener>,
    pub(crate) profiles: Vec<Listener>,
}

/// Binds the port for other sidecars; called before components open connections of their own, which might be given it.
pub(crate) async fn bind_internal(options: &Options) -> Result<Listener, Fatal> {
    let (host, port) = (&options.listen.internal_host, options.listen.internal_port);
    let bound = match port.may_differ {
        true => match listen::bind_tcp_at_once("internal gRPC", host, port.number).await {
            Err(error) if error.is_taken() => listen::bind_tcp("internal gRPC", host, 0).await,
            bound => bound,
        },
        false => listen::bind_tcp("internal gRPC", host, port.number).await,
    };
    bound.map_err(|error| Fatal::new(format!("failed to start internal gRPC server: {error}")))
}

impl Sockets {
    /// Binds every API socket.
    pub(crate) async fn bind(options: &Options) -> Result<Self, Fatal> {
        let settings = &options.listen;
        let (http, grpc) = match &settings.socket_folder {
            Some(folder) => {
                (vec![unix(folder, &options.app_id, "http").await?], vec![unix(folder, &options.app_id, "grpc").await?])
            }
            None => (
                tcp("HTTP", &settings.api_hosts, settings.http_port).await?,
                tcp("API gRPC", &settings.api_hosts, settings.grpc_port).await?,
            ),
        };
        let public = match settings.public_port {
            Some(port) => {
                let bound = listen::bind_tcp("public HTTP", &settings.public_host, port).await;
                Some(bound.map_err(|error| Fatal::new(format!("failed to start HTTP server: {error}")))?)
            }
            None => None,
        };
        let profiles = match settings.profiling {
            true => tcp("profiling", &settings.api_hosts, settings.profile_port).await?,
            false => Vec::new(),
        };
        Ok(Self { http, grpc, public, profiles })
    }
}

async fn tcp(purpose: &'static str, hosts: &[Host], port: u16) -> Result<Vec<Listener>, Fatal> {
    let bound = listen::bind_hosts(purpose, hosts, port).await;
    bound.map_err(|error| Fatal::new(format!("failed to start {purpose} server: {error}")))
}

async fn unix(folder: &Path, app_id: &str, kind: &'static str) -> Result<Listener, Fatal> {
    let path = folder.join(format!("dapr-{app_id}-{kind}.socket"));
    let bound = listen::bind_unix(kind, &path, None).await;
    bound.map_err(|error| Fatal::new(format!("failed to start {kind} server: {error}")))
}

/// Starts serving on bound sockets.
pub(crate) struct Serving<'a> {
    pub(crate) options: &'a Options,
    pub(crate) shutdown: Shutdown,
    pub(crate) tasks: Tasks,
}

impl Serving<'_> {
    fn limits(&self) -> ServeOptions {
        ServeOptions {
            max_header_bytes: self.options.read_buffer_bytes,
            drain: self.options.graceful_shutdown,
            ..ServeOptions::default()
        }
    }

    fn grpc_limits(&self) -> ServeOptions {
        let headers = (self.options.read_buffer_bytes.saturating_mul(GRPC_HEADER_FACTOR)).min(MAX_GRPC_HEADERS);
        let http2_header_list_bytes = u32::try_from(headers).ok();
        ServeOptions { http1: false, http2_header_list_bytes, tells_connection: false, ..self.limits() }
    }

    /// The HTTP API.
    pub(crate) fn http(&self, listener: Listener, door: &Arc<HttpDoor>) {
        tracing::info!(target: "dapr.runtime.http", "HTTP server listening on {}", listener.address());
        let urgent: Option<fn(&str) -> bool> = Some(|path| path.starts_with("/v1.0/healthz"));
        let options = ServeOptions { http2: self.options.listen.h2c, urgent, ..self.limits() };
        let door = Arc::clone(door);
        self.start("http api", listener, options, move |request| door.handle(request));
    }

    /// The gRPC API.
    pub(crate) fn grpc(&self, listener: Listener, door: &Arc<GrpcDoor>) {
        tracing::info!(target: "dapr.runtime.grpc.api", "gRPC server listening on {}", listener.address());
        let door = Arc::clone(door);
        self.start("grpc api", listener, self.grpc_limits(), move |request| door.handle(request));
    }

    /// The port for other sidecars.
    pub(crate) fn internal(&self, listener: Listener, tls: Option<ServerTls>, server: Server) {
        let server = Arc::new(server);
        let options = ServeOptions { tls, ..self.grpc_limits() };
        self.start("internal grpc", listener, options, move |request| {
            let server = Arc::clone(&server);
            async move { server.handle(request).await }
        });
    }

    fn start<F, R>(&self, name: &'static str, listener: Listener, options: ServeOptions, handle: F)
    where
        F: Fn(Request<Body>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let service = service_fn(move |request: Request<Body>| handle(request).map(Ok::<_, Infallible>));
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        self.tasks.spawn(name, serve(listener, service, options, shutdown, tasks));
    }
}
