//! Listening sockets: which addresses, bound how, and what to say when one is taken.
//! Called by every role at start. It must not accept or serve: see `serve`.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::time::Instant;

/// How many connections the kernel may hold for us; it cuts this to its own maximum.
const BACKLOG: i32 = 4096;

/// How long a taken port is waited for: whoever picked it for us may have tried it out, and a process that it starts
/// holds its sockets until it has become another program, which takes a while on a busy machine. A predecessor that is
/// ending is another reason. No event tells when a port is free.
pub const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Where on this machine to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Every interface, IPv6 and IPv4.
    Every,
    /// One address.
    Address(IpAddr),
    /// A name to look up when binding.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => Ok(()),
            Self::Address(IpAddr::V4(address)) => address.fmt(formatter),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

impl Host {
    /// Reads one host: empty for every interface, an address (IPv6 with or without brackets) or a name.
    ///
    /// # Errors
    /// A sentence that names the text, when it is none of these (a port behind it, for example).
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::Every);
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address));
        }
        let named = bare == text && bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if !named {
            return Err(format!(
                "'{text}' is not a listen address: expected an IPv4 address, an IPv6 address such as [::1], a host \
                 name, or nothing for every interface; the port has a flag of its own"
            ));
        }
        Ok(Self::Name(bare.to_owned()))
    }

    /// Reads a comma-separated list of hosts; an empty text is one entry, every interface.
    ///
    /// # Errors
    /// As [`Host::parse`], for the first entry that cannot be read.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(Self::parse).collect()
    }
}

/// Where a listener really listens; a port 0 has become a real one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a unix domain socket.
    Unix(PathBuf),
}

impl BoundAddress {
    /// The port, of a TCP address.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => path.display().fmt(formatter),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener, SocketAddr),
    /// A unix domain socket; its file is removed when this is dropped.
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> BoundAddress {
        match self {
            Self::Tcp(_, address) => BoundAddress::Tcp(*address),
            Self::Unix(_, file) => BoundAddress::Unix(file.path.clone()),
        }
    }
}

/// The file of a unix domain socket, removed when dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, and nobody is left to tell.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Why a socket could not be bound. Its text says what was wanted, why it failed and what to do.
#[derive(Debug)]
pub struct BindError {
    purpose: &'static str,
    address: String,
    source: io::Error,
}

impl BindError {
    /// Whether something else already listens there.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, address, source } = self;
        write!(formatter, "cannot listen on {address} for {purpose}: ")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => formatter.write_str(
                "another process already uses it (which one is not known here); stop that process or choose another \
                 port or path",
            ),
            io::ErrorKind::PermissionDenied => {
                write!(formatter, "{source}; ports below 1024 and foreign folders need more rights, choose another")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(formatter, "{source}; no interface of this machine has this address")
            }
            _ => write!(formatter, "{source}"),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Binds one TCP socket. Port 0 lets the kernel choose: ask the listener for its address. `purpose` completes the
/// sentence "cannot listen on ... for ...", for example `the HTTP API (--dapr-http-port)`. A port that is taken gets
/// [`PATIENCE`] to become free.
///
/// # Errors
/// [`BindError`] when the name cannot be looked up or the address cannot be bound.
pub async fn bind_tcp(purpose: &'static str, host: &Host, port: u16) -> Result<Listener, BindError> {
    let began = Instant::now();
    let mut bound = bind_tcp_at_once(purpose, host, port).await;
    if matches!(&bound, Err(error) if error.is_taken()) {
        tracing::info!(target: "dapr.runtime", "{host}:{port} is taken, waiting a moment for it");
    }
    while matches!(&bound, Err(error) if error.is_taken()) && began.elapsed() < PATIENCE {
        tokio::time::sleep(PAUSE).await;
        bound = bind_tcp_at_once(purpose, host, port).await;
    }
    bound
}

/// As [`bind_tcp`], for a port that is not worth waiting for.
///
/// # Errors
/// As [`bind_tcp`].
pub async fn bind_tcp_at_once(purpose: &'static str, host: &Host, port: u16) -> Result<Listener, BindError> {
    let fail = |source| BindError { purpose, address: format!("{host}:{port}"), source };
    let address = match host {
        Host::Address(address) => SocketAddr::new(*address, port),
        Host::Name(name) => look_up(name, port).await.map_err(fail)?,
        Host::Every => match listen_on(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(fail(error)),
            // A kernel without IPv6.
            Err(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        },
    };
    listen_on(address).map_err(fail)
}

/// Binds one TCP socket per host, all with the same port; port 0 is chosen once. Hosts that cannot be bound are left
/// out with a warning as long as one can, as the target does.
///
/// # Errors
/// The [`BindError`] of the first host, when none can be bound.
pub async fn bind_hosts(purpose: &'static str, hosts: &[Host], port: u16) -> Result<Vec<Listener>, BindError> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut failures = Vec::new();
    for host in hosts {
        let chosen = listeners.first().and_then(|first| first.address().port()).unwrap_or(port);
        match bind_tcp(purpose, host, chosen).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => failures.push(error),
        }
    }
    if listeners.is_empty() {
        let nothing = || BindError {
            purpose,
            address: format!(":{port}"),
            source: io::Error::new(io::ErrorKind::InvalidInput, "no listen address is given"),
        };
        return Err(failures.into_iter().next().unwrap_or_else(nothing));
    }
    for failure in failures {
        tracing::warn!(target: "dapr.runtime", "{failure}");
    }
    Ok(listeners)
}

/// Binds a unix domain socket with the given permissions (for example `0o600`; `None` leaves it to the umask). A file
/// that a dead process left is replaced; one that somebody listens on is not touched.
///
/// # Errors
/// [`BindError`] when the path is too long, in use, or not a socket.
pub async fn bind_unix(purpose: &'static str, path: &Path, permissions: Option<u32>) -> Result<Listener, BindError> {
    let fail = |source| BindError { purpose, address: path.display().to_string(), source };
    remove_stale(path).await.map_err(fail)?;
    let listener = UnixListener::bind(path).map_err(fail)?;
    let file = SocketFile { path: path.to_owned() };
    if let Some(mode) = permissions {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(fail)?;
    }
    Ok(Listener::Unix(listener, file))
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is in the way")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::AddrInUse)),
    }
}

async fn look_up(name: &str, port: u16) -> io::Result<SocketAddr> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await?.collect();
    // The reference's language prefers IPv4 when a name has both.
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first());
    chosen.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

fn listen_on(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for connections of the last run; a second listener is still refused.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let bound = listener.local_addr()?;
    Ok(Listener::Tcp(listener, bound))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn hosts_are_read_as_written_on_command_lines() {
        assert_eq!(Host::parse_list("").unwrap(), [Host::Every]);
        let both = Host::parse_list("127.0.0.1, [::1]").unwrap();
        assert_eq!(both, [Host::Address("127.0.0.1".parse().unwrap()), Host::Address("::1".parse().unwrap())]);
        assert_eq!(Host::parse("::1").unwrap(), Host::Address("::1".parse().unwrap()));
        assert_eq!(Host::parse("localhost").unwrap(), Host::Name("localhost".into()));
        assert!(Host::parse("127.0.0.1:80").unwrap_err().contains("127.0.0.1:80"));
        assert!(Host::parse("[localhost]").is_err());
    }

    #[tokio::test]
    async fn every_interface_answers_on_ipv4() {
        let listener = bind_tcp("a test", &Host::Every, 0).await.unwrap();
        let port = listener.address().port().unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_do() {
        let first = bind_tcp("a test", &Host::parse("127.0.0.1").unwrap(), 0).await.unwrap();
        let port = first.address().port().unwrap();
        let error = bind_tcp("the HTTP API", &Host::parse("localhost").unwrap(), port).await.unwrap_err();
        assert!(error.is_taken());
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains("the HTTP API") && text.contains("stop"), "{text}");
    }

    #[tokio::test]
    async fn a_port_that_becomes_free_in_time_is_taken_over() {
        let host = Host::parse("127.0.0.1").unwrap();
        let first = bind_tcp("a test", &host, 0).await.unwrap();
        let port = first.address().port().unwrap();
        assert!(bind_tcp_at_once("a test", &host, port).await.unwrap_err().is_taken());
        let giving_up = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(first);
        };
        let (bound, ()) = tokio::join!(bind_tcp("a test", &host, port), giving_up);
        assert_eq!(bound.unwrap().address().port(), Some(port));
    }

    #[tokio::test]
    async fn several_hosts_share_a_chosen_port() {
        let hosts = Host::parse_list("127.0.0.1,127.0.0.2").unwrap();
        let listeners = bind_hosts("a test", &hosts, 0).await.unwrap();
        assert_eq!(listeners.len(), 2);
        assert_eq!(listeners[0].address().port(), listeners[1].address().port());
    }

    #[tokio::test]
    async fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
        let folder = std::env::temp_dir().join(format!("trilby-listen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = bind_unix("a test", &path, Some(0o600)).await.unwrap();
        assert!(bind_unix("a test", &path, None).await.unwrap_err().is_taken());
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        assert!(bind_unix("a test", &path, None).await.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
