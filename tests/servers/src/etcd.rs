//! One etcd server. Used by tests.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::certificates::{self, Files, Tls};
use crate::missing;
use crate::ports::free_port;
use crate::process::{Process, Recipe, start_somewhere};

const READY: &str = "serving client traffic";

/// How an etcd server is to be.
#[derive(Debug, Clone, Default)]
pub struct EtcdBuilder {
    tls: Option<bool>,
    arguments: Vec<String>,
}

impl EtcdBuilder {
    /// Speaks TLS; with `demand_client` only to clients with a certificate of its authority.
    #[must_use]
    pub fn tls(mut self, demand_client: bool) -> Self {
        self.tls = Some(demand_client);
        self
    }

    /// One argument as on its command line: `--max-txn-ops=10`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it and waits until it is ready; `None`, loudly, where etcd is not installed.
    #[must_use]
    pub fn start(self) -> Option<Etcd> {
        let program = missing::program("etcd", "etcd-server")?;
        let control = missing::program("etcdctl", "etcd-client")?;
        Some(start_somewhere("etcd", || self.start_once(program.clone(), control.clone())))
    }

    fn start_once(&self, program: PathBuf, control: PathBuf) -> Result<Etcd, String> {
        let folder = tempfile::Builder::new().prefix("trilby-etcd-").tempdir().expect("a folder can be made");
        let (port, peers) = (free_port(), free_port());
        let (tls, files) = match self.tls {
            Some(_) => {
                let (tls, files) = certificates::write(folder.path(), None);
                (Some(tls), Some(files))
            }
            None => (None, None),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let clients = format!("{scheme}://127.0.0.1:{port}");
        let peers = format!("http://127.0.0.1:{peers}");
        let mut arguments = vec![
            "--name=trilby".to_owned(),
            format!("--data-dir={}", folder.path().join("data").display()),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=trilby={peers}"),
            "--logger=zap".to_owned(),
            "--log-outputs=stderr".to_owned(),
        ];
        if let Some(files) = &files {
            arguments.push(format!("--cert-file={}", files.certificate.display()));
            arguments.push(format!("--key-file={}", files.key.display()));
            arguments.push(format!("--trusted-ca-file={}", files.authority.display()));
            arguments.push(format!("--client-cert-auth={}", self.tls == Some(true)));
        }
        arguments.extend(self.arguments.iter().cloned());
        let process = Process::start(Recipe {
            program,
            arguments,
            folder: folder.path().to_owned(),
            ready: READY,
            stop: Signal::SIGTERM,
            environment: Vec::new(),
            account: None,
        })?;
        Ok(Etcd { process, port, tls, files, control, login: None, _folder: folder })
    }
}

/// An etcd server that runs as long as this lives.
#[derive(Debug)]
pub struct Etcd {
    process: Process,
    port: u16,
    tls: Option<Tls>,
    files: Option<Files>,
    control: PathBuf,
    login: Option<String>,
    // After the process: its folder goes once it has ended.
    _folder: TempDir,
}

impl Etcd {
    /// A server of one member, open to everyone on this machine unless told otherwise.
    #[must_use]
    pub fn alone() -> EtcdBuilder {
        EtcdBuilder::default()
    }

    /// Its port for clients on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What its clients need, if it speaks TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Makes the user `root` with that password, and has everyone log in from now on.
    pub fn demand_password(&mut self, password: &str) {
        self.control(&["user", "add", &format!("root:{password}")]).expect("the user is new");
        self.control(&["user", "grant-role", "root", "root"]).expect("the role is there");
        self.control(&["auth", "enable"]).expect("it was off");
        self.login = Some(format!("root:{password}"));
    }

    /// Runs `etcdctl` (API version 3) with these words and answers what it prints.
    ///
    /// # Errors
    /// What it complained about.
    pub fn control(&self, words: &[&str]) -> Result<String, String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut command = Command::new(&self.control);
        command.env("ETCDCTL_API", "3").arg(format!("--endpoints={scheme}://127.0.0.1:{}", self.port));
        if let Some(files) = &self.files {
            command.arg("--cacert").arg(&files.authority);
            command.arg("--cert").arg(&files.client_certificate).arg("--key").arg(&files.client_key);
        }
        if let Some(login) = &self.login {
            command.args(["--user", login]);
        }
        let output = command.args(words).output().map_err(|error| format!("cannot start etcdctl: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
        }
    }

    /// Says that [`Etcd::control`] is to use another password, after a test has changed it.
    pub fn log_in_with(&mut self, password: &str) {
        self.login = Some(format!("root:{password}"));
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same ports and data, after having stopped it if it still runs.
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
