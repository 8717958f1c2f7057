//! Starts one sidecar process on free ports, waits until it is ready, ends it. Called through `fleet`.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::process::Process;

const ENDED_WITHIN: Duration = Duration::from_secs(20);
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOG_LINES: usize = 10;
const STATE: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\nspec: {type: state.in-memory, version: v1}\n";

/// How to start a sidecar.
pub(crate) struct Plan<'a> {
    /// The executable.
    pub(crate) program: &'a Path,
    /// Its app's id.
    pub(crate) app_id: &'a str,
    /// Where its app listens, if it has one.
    pub(crate) app: Option<AppPort>,
    /// More flags.
    pub(crate) flags: &'a [String],
    /// Trust anchors, PEM; with mTLS.
    pub(crate) anchors: Option<&'a str>,
    /// Resources besides state in memory, a YAML document each.
    pub(crate) resources: &'a [String],
    /// More variables.
    pub(crate) variables: &'a [(&'static str, String)],
}

/// Where an app listens and what it speaks.
#[derive(Clone, Copy)]
pub(crate) struct AppPort {
    /// The port.
    pub(crate) port: u16,
    /// `http` or `grpc`.
    pub(crate) protocol: &'static str,
}

/// A running sidecar; it is killed when dropped.
pub(crate) struct Sidecar {
    child: Child,
    /// Its app's id.
    pub(crate) app_id: String,
    /// Its HTTP API.
    pub(crate) http: SocketAddr,
    /// Its gRPC API.
    pub(crate) grpc: SocketAddr,
    metrics: SocketAddr,
    /// From the start of the process to the first good answer of `/v1.0/healthz`.
    pub(crate) ready_after: Duration,
    folder: TempDir,
}

impl Sidecar {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the last lines of its log are in the error.
    pub(crate) async fn start(plan: &Plan<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // Apart from the log: a sidecar may watch its resources, and would wake itself with every line.
        let resources = folder.path().join("resources");
        std::fs::create_dir(&resources)?;
        std::fs::write(resources.join("state.yaml"), STATE)?;
        for (number, document) in plan.resources.iter().enumerate() {
            std::fs::write(resources.join(format!("{number}.yaml")), document)?;
        }
        let log = folder.path().join("log");
        let [http, grpc, internal, metrics, profile] = free_ports()?;
        let mut command = Command::new(plan.program);
        command.arg("--app-id").arg(plan.app_id).arg("--resources-path").arg(&resources);
        command.arg("--dapr-http-port").arg(http.port().to_string());
        command.arg("--dapr-grpc-port").arg(grpc.port().to_string());
        command.arg("--dapr-internal-grpc-port").arg(internal.port().to_string());
        command.arg("--metrics-port").arg(metrics.port().to_string());
        command.arg("--profile-port").arg(profile.port().to_string());
        command.args(["--log-level", "warn"]);
        if let Some(app) = &plan.app {
            command.arg("--app-port").arg(app.port.to_string()).arg("--app-protocol").arg(app.protocol);
        }
        command.envs(plan.variables.iter().map(|(name, value)| (name, value)));
        command.envs(plan.anchors.map(|anchors| ("DAPR_TRUST_ANCHORS", anchors)));
        command.args(plan.flags).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(&log)?).stdout(std::fs::File::options().append(true).open(&log)?);
        let started = Instant::now();
        let child = command.kill_on_drop(true).spawn();
        let mut child = child.with_context(|| format!("starting {}", plan.program.display()))?;
        while !is_ready(http).await {
            let ended = child.try_wait()?;
            if ended.is_some() || started.elapsed() > READY_WITHIN {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                bail!("{} did not become ready (ended: {ended:?}); its log:\n{log}", plan.program.display());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let ready_after = started.elapsed();
        Ok(Self { child, app_id: plan.app_id.to_owned(), http, grpc, metrics, ready_after, folder })
    }

    /// The process.
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id().unwrap_or_default())
    }

    /// The sum of a family of its metrics; 0 when it exports none of that name.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn metric(&self, family: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(self.metrics).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let own = text.lines().filter(|line| line.starts_with(family) && !line.starts_with('#'));
        Ok(own.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64)
    }

    /// All it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Whether it still runs, and the end of its log: what to know when a call failed.
    pub(crate) fn examine(&mut self) -> String {
        let state = match self.child.try_wait() {
            Ok(None) => "runs".to_owned(),
            Ok(Some(status)) => format!("ENDED with {status}"),
            Err(error) => error.to_string(),
        };
        let log = self.log();
        let lines: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("{} {state}; the end of its log:\n{}", self.app_id, lines.join("\n"))
    }

    /// Asks it to end, and kills it when it does not in time. One that counts what it does, for a build guided by that, writes its
    /// counts when it ends.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id().context("it has ended by itself")?)?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM)?;
        match tokio::time::timeout(ENDED_WITHIN, self.child.wait()).await {
            Ok(ended) => Ok(ended.map(|_| ())?),
            Err(_) => self.stop().await,
        }
    }

    /// Kills it and waits for its end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    answers(address, "/v1.0/healthz", b"HTTP/1.1 204").await
}

/// Whether a GET there is answered with this first line.
pub(crate) async fn answers(address: SocketAddr, path: &str, expected: &[u8; 12]) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    matches!(ask.await, Ok(answer) if answer == *expected)
}

/// Free ports, all different. Another process may take one before the sidecar does; then its start fails.
pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let mut held = Vec::new();
    let mut ports = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for port in &mut ports {
        let listener = TcpListener::bind(*port)?;
        *port = listener.local_addr()?;
        held.push(listener);
    }
    Ok(ports)
}
