//! Two sidecars, made by the very code that makes them in production, and the app of one of them, on the thread that calls.
//! Called by `main`. They talk through loopback sockets: what the kernel does there is not counted, what we do is.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use service::{Body, Environment, Shutdown, Tasks, body};
use sidecar::options::{Command, Site};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::Http;

const READY_WITHIN: Duration = Duration::from_secs(300);
const COMPONENTS: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\n\
     spec: {type: state.in-memory, version: v1}\n---\n\
     apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: broker}\n\
     spec: {type: pubsub.in-memory, version: v1}\n";
/// An app id is the port of its sidecar, so that looking it up needs nobody.
const CONFIGURATION: &str = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: counts}\n\
     spec:\n  tracing: {samplingRate: \"0\"}\n  nameResolution:\n    component: nameformat\n    \
     configuration: {format: \"127.0.0.1:{appid}\"}\n";

/// Who takes part.
pub(crate) struct Parties {
    /// The HTTP port of the sidecar that is called by the driver.
    pub(crate) http: u16,
    /// Its gRPC port.
    pub(crate) grpc: u16,
    /// The id of the app behind the other sidecar.
    pub(crate) callee: String,
    _folder: TempDir,
}

/// The ports of one sidecar.
#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    grpc: u16,
    internal: u16,
}

impl Parties {
    /// Starts them and waits until the one reaches the app behind the other.
    ///
    /// # Errors
    /// When one does not become ready.
    pub(crate) async fn start(tasks: &Tasks) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("resources"))?;
        std::fs::write(folder.path().join("resources/all.yaml"), COMPONENTS)?;
        std::fs::write(folder.path().join("configuration.yaml"), CONFIGURATION)?;
        let app = serve_app(tasks).await?;
        let (caller, callee) = (free_ports()?, free_ports()?);
        start(folder.path(), caller, None, tasks)?;
        start(folder.path(), callee, Some(app), tasks)?;
        let parties =
            Self { http: caller.http, grpc: caller.grpc, callee: callee.internal.to_string(), _folder: folder };
        for (port, path) in [
            (caller.http, "/v1.0/healthz".to_owned()),
            (callee.http, "/v1.0/healthz".to_owned()),
            (caller.http, format!("/v1.0/invoke/{}/method/echo", parties.callee)),
        ] {
            answered(port, &path, tasks).await?;
        }
        Ok(parties)
    }
}

fn start(folder: &Path, ports: Ports, app: Option<u16>, tasks: &Tasks) -> anyhow::Result<()> {
    let mut line: Vec<String> = Vec::new();
    let mut flag = |name: &str, value: String| line.extend([format!("--{name}"), value]);
    flag("app-id", ports.internal.to_string());
    flag("dapr-http-port", ports.http.to_string());
    flag("dapr-grpc-port", ports.grpc.to_string());
    flag("dapr-internal-grpc-port", ports.internal.to_string());
    flag("resources-path", folder.join("resources").display().to_string());
    flag("config", folder.join("configuration.yaml").display().to_string());
    if let Some(port) = app {
        flag("app-port", port.to_string());
    }
    line.extend(["--enable-metrics=false", "--enable-profiling=false"].map(str::to_owned));
    let environment = Environment::from_pairs([("DAPR_HOST_IP", "127.0.0.1")]);
    let site = Site { working_directory: folder.to_owned(), user_id: 0, host: "counts".to_owned() };
    let parsed = sidecar::options::parse(line, &environment, &site);
    let options = match parsed.map_err(|error| anyhow::anyhow!("{error:?}"))? {
        Command::Run(options) => *options,
        _ => bail!("the command line asks for something else than to run"),
    };
    let running = sidecar::run(options, environment, Shutdown::new(), Arc::new(|| {}));
    tasks.spawn("sidecar", async move {
        if let Err(fatal) = running.await {
            eprintln!("counts: a sidecar ended: {fatal}");
        }
    });
    Ok(())
}

async fn answered(port: u16, path: &str, tasks: &Tasks) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let asked = async {
            let status = Http::connect(port, tasks).await?.call(&Method::GET, path, &Bytes::new()).await?;
            ensure!(status.is_success(), "{path} was answered {status}");
            Ok(())
        };
        match asked.await {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > READY_WITHIN => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve_app(tasks: &Tasks) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let connections = tasks.clone();
    tasks.spawn("app", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            connections.spawn("app connection", connection);
        }
    });
    Ok(port)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let content = request.into_body().collect().await.map(|whole| whole.to_bytes()).unwrap_or_default();
    Ok(Response::new(body::full(content)))
}

/// Ports that were free a moment ago.
fn free_ports() -> anyhow::Result<Ports> {
    let mut held = Vec::new();
    let mut free = || {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        anyhow::Ok(port)
    };
    Ok(Ports { http: free()?, grpc: free()?, internal: free()? })
}
