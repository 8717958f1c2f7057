//! One Redis server. Used by tests of backends, and by the sentinel set and the cluster.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::certificates::{self, Tls};
use crate::missing;
use crate::ports::free_port;
use crate::process::{Process, Recipe, start_somewhere};
use crate::resp::ask;

/// Debian's package.
const PACKAGE: &str = "redis-server";
pub(crate) const READY: &str = "Ready to accept connections";

/// How a Redis server is to be.
#[derive(Debug, Clone, Default)]
pub struct RedisBuilder {
    password: Option<String>,
    user: Option<(String, String)>,
    tls: Option<bool>,
    cluster: bool,
    settings: Vec<String>,
}

impl RedisBuilder {
    /// The default user needs this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// There is a user who may do everything, and the default user may do nothing.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Every write is on the disk before it is acknowledged.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("appendonly yes").setting("appendfsync always")
    }

    /// Speaks TLS; with `demand_client` only to clients with a certificate of its authority.
    #[must_use]
    pub fn tls(mut self, demand_client: bool) -> Self {
        self.tls = Some(demand_client);
        self
    }

    /// Is to be a node of a cluster.
    pub(crate) fn node(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// One line of redis.conf.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// Starts it and waits until it is ready; `None`, loudly, where Redis is not installed.
    #[must_use]
    pub fn start(self) -> Option<Redis> {
        let program = missing::program("redis-server", PACKAGE)?;
        Some(start_somewhere("Redis", || self.start_once(program.clone())))
    }

    fn start_once(&self, program: PathBuf) -> Result<Redis, String> {
        let folder = tempfile::Builder::new().prefix("trilby-redis-").tempdir().expect("a folder can be made");
        let port = free_port();
        let mut lines = vec![
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.path().display()),
            "save \"\"".to_owned(),
        ];
        let (tls_port, tls) = match self.tls {
            Some(demand_client) => {
                let (tls, files) = certificates::write(folder.path(), None);
                let tls_port = free_port();
                lines.push(format!("tls-port {tls_port}"));
                lines.push(format!("tls-cert-file {}", files.certificate.display()));
                lines.push(format!("tls-key-file {}", files.key.display()));
                lines.push(format!("tls-ca-cert-file {}", files.authority.display()));
                lines.push(format!("tls-auth-clients {}", if demand_client { "yes" } else { "optional" }));
                (Some(tls_port), Some(tls))
            }
            None => (None, None),
        };
        if self.cluster {
            lines.push("cluster-enabled yes".to_owned());
            lines.push("cluster-node-timeout 2000".to_owned());
            lines.push(format!("cluster-port {}", free_port()));
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {password}"));
        }
        if let Some((name, password)) = &self.user {
            lines.push("user default off".to_owned());
            lines.push(format!("user {name} on >{password} ~* &* +@all"));
        }
        lines.extend(self.settings.iter().cloned());
        let file = folder.path().join("redis.conf");
        std::fs::write(&file, lines.join("\n") + "\n").map_err(|error| error.to_string())?;
        let process = Process::start(Recipe {
            program,
            arguments: vec![file.display().to_string()],
            folder: folder.path().to_owned(),
            ready: READY,
            stop: Signal::SIGTERM,
            environment: Vec::new(),
            account: None,
        })?;
        let login = match (&self.user, &self.password) {
            (Some((name, password)), _) => vec![name.clone(), password.clone()],
            (None, Some(password)) => vec![password.clone()],
            (None, None) => Vec::new(),
        };
        Ok(Redis { process, port, tls_port, tls, login, _folder: folder })
    }
}

/// A Redis server that runs as long as this lives.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    tls_port: Option<u16>,
    tls: Option<Tls>,
    login: Vec<String>,
    // After the process: its folder goes once it has ended.
    _folder: TempDir,
}

impl Redis {
    /// One server, in memory only and open to everyone on this machine unless told otherwise.
    #[must_use]
    pub fn alone() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Its port: the one with TLS, if it has that.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// The port without TLS, which it also has where it speaks TLS.
    #[must_use]
    pub fn plain_port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// What its clients need, if it speaks TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Sends one command, as the user it was started with, and answers the reply: an array one item a line.
    ///
    /// # Errors
    /// The server's error, or that of the connection.
    pub fn command(&self, words: &[&str]) -> std::io::Result<String> {
        let login: Vec<&str> = std::iter::once("AUTH").chain(self.login.iter().map(String::as_str)).collect();
        let commands = [&login[..], words];
        ask(self.port, if self.login.is_empty() { &commands[1..] } else { &commands })
    }

    /// Says that [`Redis::command`] is to use another password, after a test has changed it.
    pub fn log_in_with(&mut self, password: &str) {
        match self.login.last_mut() {
            Some(last) => password.clone_into(last),
            None => self.login.push(password.to_owned()),
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and data, after having stopped it if it still runs.
    pub fn restart(&mut self) {
        self.process.restart();
    }

    /// SIGSTOP: it is there and does not answer.
    pub fn pause(&self) {
        self.process.hold(true);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.process.hold(false);
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
