//! One RabbitMQ server with a port mapper of its own, so that nothing of Erlang on this machine is shared. Used by tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::certificates::{self, Tls};
use crate::missing;
use crate::ports::free_port;
use crate::process::{Process, Recipe, start_somewhere};

const PACKAGE: &str = "rabbitmq-server";
const READY: &str = "Server startup complete";

/// How a RabbitMQ server is to be.
#[derive(Debug, Clone, Default)]
pub struct RabbitMqBuilder {
    tls: Option<bool>,
    settings: Vec<String>,
}

impl RabbitMqBuilder {
    /// It also speaks TLS; with `demand_client` only to clients with a certificate of its authority, who may log in with
    /// it (mechanism EXTERNAL) as the user `client`.
    #[must_use]
    pub fn tls(mut self, demand_client: bool) -> Self {
        self.tls = Some(demand_client);
        self
    }

    /// One line of rabbitmq.conf.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// Starts it and waits until it is ready, which takes some seconds; `None`, loudly, where it is not installed.
    #[must_use]
    pub fn start(self) -> Option<RabbitMq> {
        let programs = Programs::find()?;
        Some(start_somewhere("RabbitMQ", || self.start_once(&programs)))
    }

    fn start_once(&self, programs: &Programs) -> Result<RabbitMq, String> {
        let folder = tempfile::Builder::new().prefix("trilby-rabbitmq-").tempdir().expect("a folder can be made");
        let (port, mapper_port, nodes) = (free_port(), free_port(), free_port());
        let mut lines = vec![
            format!("listeners.tcp.1 = 127.0.0.1:{port}"),
            "log.console = true".to_owned(),
            "log.console.level = info".to_owned(),
        ];
        let (tls, tls_port) = match self.tls {
            Some(demand_client) => {
                let (tls, tls_port) = (certificates::write(folder.path(), None), free_port());
                lines.push(format!("listeners.ssl.1 = 127.0.0.1:{tls_port}"));
                lines.push(format!("ssl_options.cacertfile = {}", tls.1.authority.display()));
                lines.push(format!("ssl_options.certfile = {}", tls.1.certificate.display()));
                lines.push(format!("ssl_options.keyfile = {}", tls.1.key.display()));
                lines.push("ssl_options.verify = verify_peer".to_owned());
                lines.push(format!("ssl_options.fail_if_no_peer_cert = {demand_client}"));
                lines.push("ssl_cert_login_from = common_name".to_owned());
                lines.extend(
                    ["PLAIN", "EXTERNAL"].iter().zip(1..).map(|(name, at)| format!("auth_mechanisms.{at} = {name}")),
                );
                (Some(tls.0), Some(tls_port))
            }
            None => (None, None),
        };
        lines.extend(self.settings.iter().cloned());
        let plugins = if tls.is_some() { "[rabbitmq_auth_mechanism_ssl].\n" } else { "[].\n" };
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).map_err(|error| format!("cannot write {name}: {error}"))
        };
        write("rabbitmq.conf", &(lines.join("\n") + "\n"))?;
        write("enabled_plugins", plugins)?;
        let environment = environment(folder.path(), port, mapper_port, nodes);
        let mapper = Process::start(Recipe {
            program: programs.mapper.clone(),
            // -d keeps it in front, where it ends with us.
            arguments: vec!["-d".to_owned(), "-port".to_owned(), mapper_port.to_string()],
            folder: folder.path().to_owned(),
            environment: vec![("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned())],
            ready: "epmd running",
            stop: Signal::SIGTERM,
            account: None,
        })?;
        let process = Process::start(Recipe {
            program: programs.server.clone(),
            arguments: Vec::new(),
            folder: folder.path().to_owned(),
            environment: environment.clone(),
            ready: READY,
            stop: Signal::SIGTERM,
            account: None,
        })?;
        let control = programs.control.clone();
        let password = "guest".to_owned();
        Ok(RabbitMq { process, _mapper: mapper, port, tls_port, tls, control, environment, password, _folder: folder })
    }
}

/// Where the programs are. Debian's own entry insists on a user of its own, so the server's script is called directly.
struct Programs {
    server: PathBuf,
    control: PathBuf,
    mapper: PathBuf,
}

impl Programs {
    fn find() -> Option<Self> {
        let entry = missing::program("rabbitmq-server", PACKAGE)?;
        let mapper = missing::program("epmd", "erlang-base")?;
        let debian = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
        let mut scripts: Vec<PathBuf> = debian.map(|folder| folder.path().join("sbin/rabbitmq-server")).collect();
        scripts.retain(|script| script.is_file());
        scripts.sort();
        let server = scripts.pop().unwrap_or(entry);
        let control = server.with_file_name("rabbitmqctl");
        Some(Self { server, control, mapper })
    }
}

/// What the server and its command line read.
fn environment(folder: &Path, port: u16, mapper: u16, nodes: u16) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        ("HOME", folder.display().to_string()),
        ("ERL_EPMD_PORT", mapper.to_string()),
        ("ERL_CRASH_DUMP", "/dev/null".to_owned()),
        ("RABBITMQ_NODENAME", format!("trilby{port}@localhost")),
        ("RABBITMQ_DIST_PORT", nodes.to_string()),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", path("data")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_PID_FILE", path("pid")),
        // Has the script become the server, so that signals reach it.
        ("RABBITMQ_ALLOW_INPUT", "1".to_owned()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-start_epmd false -noinput".to_owned()),
    ]
}

/// A RabbitMQ server that runs as long as this lives.
#[derive(Debug)]
pub struct RabbitMq {
    process: Process,
    _mapper: Process,
    port: u16,
    tls_port: Option<u16>,
    tls: Option<Tls>,
    control: PathBuf,
    environment: Vec<(&'static str, String)>,
    password: String,
    // After the processes: their folder goes once they have ended.
    _folder: TempDir,
}

impl RabbitMq {
    /// One node, with the user `guest` (password `guest`) and the virtual host `/`.
    #[must_use]
    pub fn alone() -> RabbitMqBuilder {
        RabbitMqBuilder::default()
    }

    /// Its port on 127.0.0.1, without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on which it speaks TLS, if it does.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// What its clients need, if it speaks TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// `amqp://guest:password@127.0.0.1:port`.
    #[must_use]
    pub fn connection_string(&self) -> String {
        self.connection_string_through(self.port)
    }

    /// The same through another port, such as that of a [`crate::Proxy`].
    #[must_use]
    pub fn connection_string_through(&self, port: u16) -> String {
        format!("amqp://guest:{}@127.0.0.1:{port}", self.password)
    }

    /// Gives `guest` another password; connections that exist stay.
    pub fn change_password(&mut self, password: &str) {
        self.control(&["change_password", "guest", password]).expect("the user is there");
        password.clone_into(&mut self.password);
    }

    /// Runs `rabbitmqctl` with these words and answers what it prints.
    ///
    /// # Errors
    /// What it complained about.
    pub fn control(&self, words: &[&str]) -> Result<String, String> {
        let environment = self.environment.iter().map(|(name, value)| (*name, value));
        let mut command = Command::new(&self.control);
        command.envs(environment).args(["-q"]).args(words);
        let output = command.output().map_err(|error| format!("cannot start rabbitmqctl: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            let both = [output.stderr, output.stdout].concat();
            Err(String::from_utf8_lossy(&both).trim_end().to_owned())
        }
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
