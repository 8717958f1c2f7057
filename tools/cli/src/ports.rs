//! The ports of a sidecar: those that were chosen are checked, the others are picked and kept until just before the
//! sidecar starts, so that nobody else gets them meanwhile. Used by `preflight` and `pair`.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::net::TcpSocket;

use crate::plan::Settings;

/// Where ports are picked from first.
const FIRST: u16 = 12_000;
const COUNT: u64 = 20_000;
/// How many numbers are tried there.
const TRIES: usize = 100;

/// The ports one sidecar will open. While this lives, the ones we picked are kept.
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) grpc: u16,
    pub(crate) internal: u16,
    pub(crate) metrics: u16,
    /// `None` when profiling is off.
    pub(crate) profile: Option<u16>,
    kept: Vec<TcpSocket>,
}

/// The chosen ports of all apps of a run, with what each is for: two uses of one port are refused.
#[derive(Default)]
pub(crate) struct Chosen {
    uses: BTreeMap<u16, String>,
}

impl Chosen {
    /// Notes the chosen ports of an app, and refuses one that is not free.
    pub(crate) fn check(&mut self, settings: &Settings) -> Result<()> {
        let id = &settings.app_id;
        let hosts: Vec<IpAddr> = settings.api_hosts().into_iter().filter_map(address).collect();
        let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let api = if settings.unix_domain_socket.is_empty() { hosts.as_slice() } else { &[] };
        self.claim(settings.http_port, &format!("dapr-http-port of {id}"), api)?;
        self.claim(settings.grpc_port, &format!("dapr-grpc-port of {id}"), api)?;
        self.claim(settings.internal_grpc_port, &format!("dapr-internal-grpc-port of {id}"), &any)?;
        self.claim(settings.metrics_port, &format!("metrics-port of {id}"), &any)?;
        if settings.enable_profiling {
            self.claim(settings.profile_port, &format!("profile-port of {id}"), &any)?;
        }
        let local = address(&settings.app_channel_address).filter(IpAddr::is_loopback);
        let app: Vec<IpAddr> = if settings.command.is_empty() { Vec::new() } else { local.into_iter().collect() };
        self.claim(settings.app_port, &format!("app-port of {id}"), &app)
    }

    fn claim(&mut self, port: i64, purpose: &str, hosts: &[IpAddr]) -> Result<()> {
        if port <= 0 {
            return Ok(());
        }
        let Ok(port) = u16::try_from(port) else { bail!("{purpose}: there is no port {port}; choose one below 65536") };
        if let Some(other) = self.uses.insert(port, purpose.to_owned()) {
            bail!("port {port} is wanted twice, as {other} and as {purpose}; choose another port for one of them");
        }
        for host in hosts {
            is_free(SocketAddr::new(*host, port), purpose)?;
        }
        Ok(())
    }

    /// Picks what was left open by an app.
    pub(crate) fn pick(&self, settings: &Settings) -> Result<Ports> {
        let mut kept = Vec::new();
        let mut port = |wanted: i64| match u16::try_from(wanted) {
            Ok(wanted) if wanted > 0 => Ok(wanted),
            _ => self.pick_one(&mut kept),
        };
        let (http, grpc) = (port(settings.http_port)?, port(settings.grpc_port)?);
        let (internal, metrics) = (port(settings.internal_grpc_port)?, port(settings.metrics_port)?);
        let profile = if settings.enable_profiling { Some(port(settings.profile_port)?) } else { None };
        Ok(Ports { http, grpc, internal, metrics, profile, kept })
    }

    /// A port from below the range that the system gives to outgoing connections, so that none of those takes it before the
    /// sidecar does; where all of these seem taken, any.
    fn pick_one(&self, kept: &mut Vec<TcpSocket>) -> Result<u16> {
        let numbers = (0..TRIES).map(|_| FIRST + u16::try_from(RandomState::new().hash_one(()) % COUNT).unwrap_or(0));
        for number in numbers.chain(std::iter::repeat_n(0, TRIES)) {
            let socket = TcpSocket::new_v4().context("cannot pick a free port")?;
            match socket.bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), number)) {
                Err(error) if number == 0 => return Err(error).context("cannot pick a free port"),
                Err(_) => continue,
                Ok(()) => {}
            }
            let port = socket.local_addr().context("cannot pick a free port")?.port();
            if !self.uses.contains_key(&port) {
                kept.push(socket);
                return Ok(port);
            }
        }
        bail!("cannot pick a free port: none was free in {} tries", 2 * TRIES)
    }
}

impl Ports {
    /// Gives the picked ports back to the system, for the sidecar to take.
    pub(crate) fn release(&mut self) {
        self.kept.clear();
    }
}

fn address(host: &str) -> Option<IpAddr> {
    if host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { host.trim_matches(['[', ']']).parse().ok() }
}

/// Tries to take the port for a moment. Connections of an earlier owner that are still closing do not count.
fn is_free(place: SocketAddr, purpose: &str) -> Result<()> {
    let port = place.port();
    let tried = if place.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
        .and_then(|socket| socket.set_reuseaddr(true).and(Ok(socket)))
        .and_then(|socket| socket.bind(place).and_then(|()| socket.listen(1)));
    match tried.map_err(|error| error.kind()) {
        Err(ErrorKind::AddrInUse) => {
            let holder = holder(port).unwrap_or_else(|| "another program".to_owned());
            bail!("port {port} ({purpose}) is already used by {holder}; stop it, or choose another port")
        }
        Err(ErrorKind::PermissionDenied) => {
            bail!("port {port} ({purpose}) may not be opened by this user; choose a port above 1023")
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The name and number of the process that listens on a port, where the system lets us see it.
#[cfg(target_os = "linux")]
fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| listening_inode(line, port))?;
    let link = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let number = process.file_name().to_string_lossy().into_owned();
        if number.parse::<u32>().is_err() {
            continue;
        }
        let Ok(handles) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let mut targets = handles.flatten().filter_map(|handle| std::fs::read_link(handle.path()).ok());
        if targets.any(|target| target.as_os_str() == link.as_str()) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {number})", name.trim()));
        }
    }
    None
}

/// The socket's inode, when a line of `/proc/net/tcp` is a listener (state 0A) on the port.
#[cfg(target_os = "linux")]
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace().skip(1);
    let (_, local) = fields.next()?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let matches = state == "0A" && u16::from_str_radix(local, 16) == Ok(port);
    if matches { fields.nth(5) } else { None }
}

#[cfg(not(target_os = "linux"))]
fn holder(_port: u16) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(http_port: i64, grpc_port: i64) -> Settings {
        let listen_addresses = "127.0.0.1".to_owned();
        Settings { app_id: "orders".to_owned(), http_port, grpc_port, listen_addresses, ..Settings::default() }
    }

    #[tokio::test]
    async fn picked_ports_differ_and_are_kept() {
        let mut ports = Chosen::default().pick(&settings(-1, 0)).unwrap();
        let all = [ports.http, ports.grpc, ports.internal, ports.metrics];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert!(std::net::TcpListener::bind(("127.0.0.1", ports.http)).is_err());
        ports.release();
        assert!(std::net::TcpListener::bind(("127.0.0.1", ports.http)).is_ok());
        assert_eq!(ports.profile, None);
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_and_its_holder_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = Chosen::default().check(&settings(port.into(), -1)).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} (dapr-http-port of orders)")), "{error}");
        #[cfg(target_os = "linux")]
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }

    #[tokio::test]
    async fn one_port_for_two_uses_is_refused() {
        let free = Chosen::default().pick(&settings(-1, -1)).unwrap().http;
        let error = Chosen::default().check(&settings(free.into(), free.into())).unwrap_err().to_string();
        assert!(error.contains("wanted twice"), "{error}");
        assert!(Chosen::default().check(&settings(70_000, -1)).is_err());
    }
}
