//! The sidecars a path needs, made by the very code that makes them in production, and the apps before and behind them, on the thread
//! that calls. Called by `main`. They talk through loopback sockets: what the kernel does there is not counted, what we do is.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use service::{Environment, Shutdown, Tasks};
use sidecar::options::{Command, Site};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::{Call, Caller, Protocol};
use crate::path::{Path, entries};
use crate::{app, proxy};

/// The state store of every sidecar.
pub(crate) const STORE: &str = "store";
/// Its message broker.
pub(crate) const BROKER: &str = "broker";
/// The name of the HTTP endpoint before the HTTP app.
pub(crate) const ENDPOINT: &str = "endpoint";

const READY_WITHIN: Duration = Duration::from_secs(300);
/// An app id is the port of its sidecar, so that looking it up needs nobody.
const CONFIGURATION: &str = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: counts}\n\
     spec:\n  tracing: {samplingRate: \"0\"}\n  nameResolution:\n    component: nameformat\n    \
     configuration: {format: \"127.0.0.1:{appid}\"}\n";

/// Who takes part.
pub(crate) struct Parties {
    /// The port of the HTTP app.
    pub(crate) http_app: u16,
    /// The port of the gRPC app.
    pub(crate) grpc_app: u16,
    /// The port of the bare proxy before the HTTP app, where the path goes through it.
    pub(crate) proxy: Option<u16>,
    /// The HTTP port of the sidecar that is called by the driver; 0 where there is none.
    pub(crate) http: u16,
    /// Its gRPC port.
    pub(crate) grpc: u16,
    /// The id of the app behind the other sidecar; empty where there is none.
    pub(crate) callee: String,
    folder: TempDir,
}

/// The ports of one sidecar.
#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    grpc: u16,
    internal: u16,
    metrics: u16,
}

impl Parties {
    /// Starts who takes part in this path, and waits until all are ready.
    ///
    /// # Errors
    /// When one does not become ready.
    pub(crate) async fn start(path: Path, tasks: &Tasks) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (http_app, grpc_app) = (app::serve(Protocol::Http, tasks).await?, app::serve(Protocol::Grpc, tasks).await?);
        let mut parties = Self { http_app, grpc_app, proxy: None, http: 0, grpc: 0, callee: String::new(), folder };
        if path == Path::BareProxy {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            parties.proxy = Some(listener.local_addr()?.port());
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, http_app));
            tasks.spawn("bare proxy", proxy::serve(listener, to, tasks.clone()));
        }
        if path.needs_sidecar() {
            parties.start_sidecars(path, tasks).await?;
        }
        Ok(parties)
    }

    async fn start_sidecars(&mut self, path: Path, tasks: &Tasks) -> anyhow::Result<()> {
        std::fs::create_dir(self.folder.path().join("resources"))?;
        std::fs::write(self.folder.path().join("resources/all.yaml"), resources(self.http_app))?;
        std::fs::write(self.folder.path().join("configuration.yaml"), CONFIGURATION)?;
        if let Some(protocol) = path.callee() {
            let ports = free_ports()?;
            self.start_sidecar(ports, Some(protocol), tasks)?;
            answered(&Call::get(ports.http, "/v1.0/healthz"), tasks).await?;
            self.callee = ports.internal.to_string();
        }
        let ports = free_ports()?;
        self.start_sidecar(ports, None, tasks)?;
        (self.http, self.grpc) = (ports.http, ports.grpc);
        answered(&Call::get(ports.http, "/v1.0/healthz"), tasks).await?;
        answered(&entries(ports.http), tasks).await?;
        answered(&path.call(self)?, tasks).await
    }

    fn start_sidecar(&self, ports: Ports, app: Option<Protocol>, tasks: &Tasks) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let mut line: Vec<String> = Vec::new();
        let mut flag = |name: &str, value: String| line.extend([format!("--{name}"), value]);
        flag("app-id", ports.internal.to_string());
        flag("dapr-http-port", ports.http.to_string());
        flag("dapr-grpc-port", ports.grpc.to_string());
        flag("dapr-internal-grpc-port", ports.internal.to_string());
        flag("resources-path", folder.join("resources").display().to_string());
        flag("config", folder.join("configuration.yaml").display().to_string());
        if let Some(protocol) = app {
            let (name, port) =
                if protocol == Protocol::Http { ("http", self.http_app) } else { ("grpc", self.grpc_app) };
            flag("app-port", port.to_string());
            flag("app-protocol", name.to_owned());
        }
        flag("metrics-port", ports.metrics.to_string());
        line.extend(["--metrics-listen-address=127.0.0.1", "--enable-profiling=false"].map(str::to_owned));
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
}

fn resources(http_app: u16) -> String {
    let component = |name: &str, kind: &str| {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\nspec: {{type: {kind}, version: v1}}\n---\n"
        )
    };
    component(STORE, "state.in-memory")
        + &component(BROKER, "pubsub.in-memory")
        + &format!(
            "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {{name: {ENDPOINT}}}\n\
             spec: {{baseUrl: \"http://127.0.0.1:{http_app}\"}}\n"
        )
}

async fn answered(call: &Call, tasks: &Tasks) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let asked = async { Caller::connect(call, tasks).await?.repeat(1).await };
        match asked.await {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > READY_WITHIN => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
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
    Ok(Ports { http: free()?, grpc: free()?, internal: free()?, metrics: free()? })
}
