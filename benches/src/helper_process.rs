//! Processes beside the sidecars: the app and the bare proxy (this executable again), nginx, haproxy, a Redis server, a hub. Each
//! is found on this machine, runs from a temporary folder with one worker, and is killed when dropped. Called by `compare`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::process::Process;
use crate::sidecar::{AppPort, free_ports};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A process that is measured or needed.
pub(crate) struct Helper {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Helper {
    /// The process that does the work: the worker, where there is a master above it.
    pub(crate) fn process(&self) -> Process {
        let own = self.child.id().unwrap_or_default();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        Process(children.split_whitespace().next().and_then(|id| id.parse().ok()).unwrap_or(own))
    }

    /// The bare proxy before `to`.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn bare_proxy(to: SocketAddr) -> anyhow::Result<Self> {
        let (child, line) = own(&["proxy", "--to", &to.to_string()]).await?;
        let port: u16 = line.trim().parse().context("the bare proxy told no port")?;
        Ok(Self { child, folder: tempfile::tempdir()?, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// nginx before `to`; `None` where it is not installed.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn nginx(to: SocketAddr) -> anyhow::Result<Option<Self>> {
        let Some(program) = installed("nginx") else { return Ok(None) };
        let (folder, [address]) = (tempfile::tempdir()?, free_ports()?);
        let place = folder.path().display();
        let configuration = format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid {place}/pid;\nerror_log stderr warn;\n\
             events {{ worker_connections 8192; }}\nhttp {{\n  access_log off;\n  client_body_temp_path {place};\n  \
             proxy_temp_path {place};\n  fastcgi_temp_path {place};\n  uwsgi_temp_path {place};\n  scgi_temp_path {place};\n  \
             client_body_buffer_size 256k;\n  proxy_buffers 8 64k;\n  keepalive_requests 1000000000;\n  \
             upstream app {{ server {to}; keepalive 512; keepalive_requests 1000000000; }}\n  server {{\n    \
             listen {address};\n    client_max_body_size 16m;\n    location / {{\n      proxy_pass http://app;\n      \
             proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new(program);
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file);
        start(command, folder, address).await.map(Some)
    }

    /// haproxy before `to`; `None` where it is not installed.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn haproxy(to: SocketAddr) -> anyhow::Result<Option<Self>> {
        let Some(program) = installed("haproxy") else { return Ok(None) };
        let (folder, [address]) = (tempfile::tempdir()?, free_ports()?);
        let configuration = format!(
            "global\n  nbthread 1\n  maxconn 8192\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
             timeout server 60s\n  http-reuse always\nfrontend front\n  bind {address}\n  default_backend app\nbackend app\n  \
             server app {to} pool-max-conn 512\n"
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&file);
        start(command, folder, address).await.map(Some)
    }

    /// A Redis server without persistence; `None` where it is not installed.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn redis() -> anyhow::Result<Option<Self>> {
        let Some(program) = installed("redis-server") else { return Ok(None) };
        let (folder, [address]) = (tempfile::tempdir()?, free_ports()?);
        let mut command = Command::new(program);
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(folder.path());
        start(command, folder, address).await.map(Some)
    }

    /// Our hub.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn hub(program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // As `daprd`, the executable would be a sidecar whatever its first argument.
        let hub = folder.path().join("hub");
        std::os::unix::fs::symlink(program.canonicalize()?, &hub)?;
        let mut command = Command::new(hub);
        command.arg("--socket").arg(socket(folder.path())).arg("--data-dir").arg(folder.path().join("data"));
        let child = spawn(command, folder.path())?;
        let mut hub = Self { child, folder, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let started = Instant::now();
        while tokio::net::UnixStream::connect(hub.socket()).await.is_err() {
            hub.still_starts(started)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(hub)
    }

    /// The socket of a hub.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }

    fn still_starts(&mut self, started: Instant) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        if ended.is_some() || started.elapsed() > READY_WITHIN {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            bail!("a process did not become ready (ended: {ended:?}); its log:\n{log}");
        }
        Ok(())
    }
}

/// The app in a process of its own.
pub(crate) struct AppProcess {
    child: Child,
    /// Where it speaks HTTP/1.1.
    pub(crate) http: SocketAddr,
    /// Where it speaks gRPC.
    pub(crate) grpc: SocketAddr,
}

impl AppProcess {
    /// Starts it; with a broker, it subscribes there.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(broker: Option<&str>) -> anyhow::Result<Self> {
        let arguments: Vec<&str> = std::iter::once("app").chain(broker.map(|_| "--subscribe")).chain(broker).collect();
        let (child, line) = own(&arguments).await?;
        let ports = line.trim().split_once(' ').context("the app told no ports")?;
        let address = |port: &str| anyhow::Ok(SocketAddr::from(([127, 0, 0, 1], port.parse::<u16>()?)));
        Ok(Self { child, http: address(ports.0)?, grpc: address(ports.1)? })
    }

    /// The process.
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id().unwrap_or_default())
    }

    /// Its HTTP port, for a sidecar.
    pub(crate) fn http_port(&self) -> AppPort {
        AppPort { port: self.http.port(), protocol: "http" }
    }

    /// Its gRPC port, for a sidecar.
    pub(crate) fn grpc_port(&self) -> AppPort {
        AppPort { port: self.grpc.port(), protocol: "grpc" }
    }
}

/// This executable in another role, and the first line it prints.
async fn own(arguments: &[&str]) -> anyhow::Result<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("starting this executable again")?;
    let output = child.stdout.take().context("the output is not piped")?;
    let mut line = String::new();
    tokio::time::timeout(READY_WITHIN, BufReader::new(output).read_line(&mut line)).await??;
    Ok((child, line))
}

async fn start(command: Command, folder: TempDir, address: SocketAddr) -> anyhow::Result<Helper> {
    let child = spawn(command, folder.path())?;
    let mut helper = Helper { child, folder, address };
    let started = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        helper.still_starts(started)?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(helper)
}

fn spawn(mut command: Command, folder: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::create(folder.join("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    command.spawn().with_context(|| format!("starting {command:?}"))
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("hub.sock")
}

/// Where a program is; servers are often not on the path of users.
fn installed(name: &str) -> Option<PathBuf> {
    let environment = service::Environment::from_process();
    let path = environment.get("PATH").unwrap_or_default().to_owned() + ":/usr/sbin:/usr/local/sbin:/sbin";
    path.split(':').map(|folder| Path::new(folder).join(name)).find(|program| program.is_file())
}
