//! One PostgreSQL server, as another user where the test runs as root, which it refuses. Used by tests.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::account::{Account, open_place};
use crate::certificates::{self, Tls};
use crate::missing;
use crate::ports::free_port;
use crate::process::{Process, Recipe, start_somewhere};

const PACKAGE: &str = "postgresql";
const READY: &str = "database system is ready to accept connections";
const USER: &str = "postgres";

/// How a PostgreSQL server is to be.
#[derive(Debug, Clone)]
pub struct PostgresBuilder {
    password: String,
    durable: bool,
    tls: bool,
    settings: Vec<String>,
}

impl PostgresBuilder {
    /// Every write is on the disk before it is acknowledged (`fsync = on`).
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The password of its user, `trilby-secret` unless told otherwise.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// It also speaks TLS.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// One setting as on its command line: `max_connections=200`.
    #[must_use]
    pub fn setting(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Makes its data folder, starts it and waits until it is ready; `None`, loudly, where it is not installed.
    #[must_use]
    pub fn start(self) -> Option<Postgres> {
        let program = missing::program("postgres", PACKAGE)?;
        let client = missing::program("psql", "postgresql-client")?;
        let account = Account::unless_already_plain();
        let place = open_place(account);
        let folder = tempfile::Builder::new().prefix("trilby-postgres-").tempdir_in(place).expect("it can be written");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("it is ours");
        if let Some(account) = account {
            account.own(folder.path());
        }
        self.make_data(&program, folder.path(), account);
        let tls = self.tls.then(|| certificates::write(folder.path(), account));
        let (process, port) = start_somewhere("PostgreSQL", || {
            let port = free_port();
            let mut settings = vec![
                format!("port={port}"),
                "listen_addresses=127.0.0.1".to_owned(),
                "unix_socket_directories=".to_owned(),
                // The checks of a whole suite are here at the same time, each with a pool of its own.
                "max_connections=300".to_owned(),
                format!("fsync={}", if self.durable { "on" } else { "off" }),
            ];
            if let Some((_, files)) = &tls {
                settings.push("ssl=on".to_owned());
                settings.push(format!("ssl_cert_file={}", files.certificate.display()));
                settings.push(format!("ssl_key_file={}", files.key.display()));
                settings.push(format!("ssl_ca_file={}", files.authority.display()));
            }
            settings.extend(self.settings.iter().cloned());
            let data = ["-D".to_owned(), folder.path().join("data").display().to_string()];
            let settings = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]);
            let process = Process::start(Recipe {
                program: program.clone(),
                arguments: data.into_iter().chain(settings).collect(),
                folder: folder.path().to_owned(),
                ready: READY,
                stop: Signal::SIGINT,
                environment: Vec::new(),
                account,
            })?;
            Ok((process, port))
        });
        let tls = tls.map(|(tls, _)| tls);
        Some(Postgres { process, port, password: self.password, tls, client, _folder: folder })
    }

    fn make_data(&self, program: &Path, folder: &Path, account: Option<Account>) {
        let file = folder.join("password");
        std::fs::write(&file, &self.password).expect("the folder can be written");
        if let Some(account) = account {
            account.own(&file);
        }
        let mut command = Command::new(program.with_file_name("initdb"));
        command.arg("-D").arg(folder.join("data")).arg("--pwfile").arg(&file).current_dir(folder);
        command.args(["-U", USER, "-A", "scram-sha-256", "-N", "--locale=C", "-E", "UTF8"]);
        if let Some(account) = account {
            command.uid(account.user.as_raw()).gid(account.group.as_raw());
        }
        let output = command.output().expect("initdb can be started");
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A PostgreSQL server that runs as long as this lives.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    password: String,
    tls: Option<Tls>,
    client: PathBuf,
    // After the process: its folder goes once it has ended.
    _folder: TempDir,
}

impl Postgres {
    /// A server with the database and superuser `postgres`, who logs in with a password over TCP.
    #[must_use]
    pub fn alone() -> PostgresBuilder {
        let password = "trilby-secret".to_owned();
        PostgresBuilder { password, durable: false, tls: false, settings: Vec::new() }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of the user `postgres`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// How clients name it, as a list of words and values.
    #[must_use]
    pub fn connection_string(&self) -> String {
        self.connection_string_through(self.port)
    }

    /// The same through another port, such as that of a [`crate::Proxy`].
    #[must_use]
    pub fn connection_string_through(&self, port: u16) -> String {
        format!("host=127.0.0.1 port={port} user={USER} password={} dbname=postgres", self.password)
    }

    /// What its clients need, if it speaks TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Runs a statement with `psql` and answers what it prints, one row a line, columns apart by `|`.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, statement: &str) -> Result<String, String> {
        let mut command = Command::new(&self.client);
        command.args(["-h", "127.0.0.1", "-U", USER, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command.args(["-p", &self.port.to_string(), "-c", statement, "postgres"]).env("PGPASSWORD", &self.password);
        let output = command.output().map_err(|error| format!("cannot start psql: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
        }
    }

    /// Says that [`Postgres::sql`] and the connection string are to use another password, after a test has changed it.
    pub fn log_in_with(&mut self, password: &str) {
        password.clone_into(&mut self.password);
    }

    /// kill -9 to every process of it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and data, after having stopped it if it still runs.
    pub fn restart(&mut self) {
        self.process.restart();
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
