//! The options of a sidecar: flags and variables, checked, with their values resolved.
//! Called by the executable; what comes out is all that `run` needs to know of its command line.
//! It must not open, bind or log anything.

mod addresses;
pub mod flags;
mod mutual_tls;
mod notices;
mod resolve;
mod stable_port;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use security::ApiToken;
use service::flags::Given;
use service::{Environment, Host};
use telemetry::LogLevel;

pub use stable_port::{Site, stable_port};

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run a sidecar.
    Run(Box<Options>),
    /// Print this text.
    Help(String),
    /// Print the version.
    Version,
    /// Print how this was built.
    BuildInfo,
    /// Wait until the sidecar on this HTTP port is ready.
    Wait(u16),
}

/// Why a sidecar cannot start with these options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsError {
    message: String,
    exit_code: u8,
}

impl OptionsError {
    /// What the process should exit with: 2 when the command line cannot be read, 1 when it cannot be followed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for OptionsError {}

/// The protocol of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppProtocol {
    /// HTTP/1.1 without TLS.
    #[default]
    Http,
    /// HTTP/1.1 with TLS.
    Https,
    /// HTTP/2 without TLS.
    H2c,
    /// gRPC without TLS.
    Grpc,
    /// gRPC with TLS.
    Grpcs,
}

impl AppProtocol {
    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Whether the app is called over gRPC.
    #[must_use]
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// Whether the app is called with TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
}

/// The app, as its sidecar reaches it.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// Its port; `None`: there is no app to call.
    pub port: Option<u16>,
    /// Its host.
    pub host: String,
    /// Its protocol.
    pub protocol: AppProtocol,
    /// Calls into it at the same time; `None`: no limit.
    pub max_concurrency: Option<u32>,
    /// The path of its HTTP health check.
    pub health_path: String,
    /// How its health is probed; `None`: it is not.
    pub health: Option<AppHealth>,
    /// Shown to it as `dapr-api-token`.
    pub token: ApiToken,
    /// How long it may take to answer which input bindings it wants.
    pub binding_options_timeout: Duration,
    /// Leave out asking it for its configuration.
    pub skip_config: bool,
    /// Leave out asking it for its subscriptions.
    pub skip_subscribe: bool,
}

/// How the health of the app is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppHealth {
    /// Between two probes.
    pub interval: Duration,
    /// For one probe.
    pub timeout: Duration,
    /// Failures in a row until it counts as unhealthy.
    pub threshold: u32,
}

/// The port for other sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalPort {
    /// The port to bind.
    pub number: u16,
    /// It was not asked for: when it is taken, any free one will do.
    pub may_differ: bool,
}

/// Where a sidecar listens.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Hosts of the HTTP and gRPC API and of the profiles.
    pub api_hosts: Vec<Host>,
    /// The port of the HTTP API.
    pub http_port: u16,
    /// The port of the gRPC API.
    pub grpc_port: u16,
    /// The host for other sidecars.
    pub internal_host: Host,
    /// The port for other sidecars.
    pub internal_port: InternalPort,
    /// The host of the public port.
    pub public_host: Host,
    /// The port of health and metadata without a token; `None`: off.
    pub public_port: Option<u16>,
    /// Host and port of the metrics; `None`: off.
    pub metrics: Option<(Host, u16)>,
    /// The port of the profiles.
    pub profile_port: u16,
    /// Whether profiles are served.
    pub profiling: bool,
    /// The folder of unix domain sockets that replace the API ports.
    pub socket_folder: Option<PathBuf>,
    /// Whether the HTTP API speaks HTTP/2 (`DAPR_HTTP_DISABLE_H2C`).
    pub h2c: bool,
}

/// How a sidecar logs.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// From which importance on.
    pub level: LogLevel,
    /// As JSON.
    pub json: bool,
    /// A file instead of the standard output.
    pub file: Option<PathBuf>,
    /// Calls to the APIs; `None`: as the Configuration says.
    pub api_calls: Option<bool>,
}

/// What a sidecar is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The app's name.
    pub app_id: String,
    /// `NAMESPACE`; empty when unset.
    pub namespace: String,
    /// The app.
    pub app: AppOptions,
    /// Where to listen.
    pub listen: ListenOptions,
    /// How to log.
    pub log: LogSettings,
    /// Folders of resource files, in order.
    pub resources: Vec<PathBuf>,
    /// Configuration files, in order.
    pub configurations: Vec<PathBuf>,
    /// Origins that browsers may call from: empty is off, `*` is all, else a comma-separated list.
    pub allowed_origins: String,
    /// Bytes of a body of the APIs; `None`: no limit.
    pub max_body_bytes: Option<u64>,
    /// Bytes of the headers of a request.
    pub read_buffer_bytes: usize,
    /// The token that clients of the APIs must show.
    pub api_token: ApiToken,
    /// How long work in flight may take at a stop.
    pub graceful_shutdown: Duration,
    /// How long a stop is held back; `None`: not.
    pub block_shutdown: Option<Duration>,
    /// How often to look for changed resources.
    pub hot_reload_interval: Duration,
    /// Trust domain and namespace of the control plane.
    pub control_plane: (String, String),
    /// How the identity of this sidecar is obtained; `None`: without mTLS.
    pub identity: Option<identity::Options>,
    /// Addresses of placement; empty: there are no actors.
    pub placement: Vec<String>,
    /// Addresses of the scheduler; empty: there are no jobs and reminders.
    pub schedulers: Vec<String>,
    /// What to print about deprecated flags before anything else, on the standard error.
    pub deprecations: Vec<String>,
    /// What to log as warnings at start.
    pub warnings: Vec<String>,
    /// What to log at start about settings that are accepted and not used yet, one line each.
    pub notices: Vec<String>,
}

/// Reads a command line (without the program's name) and the variables that stand in for flags.
///
/// # Errors
/// [`OptionsError`] with the target's message where it has one.
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    environment: &Environment,
    site: &Site,
) -> Result<Command, OptionsError> {
    let given = Given::read(flags::FLAGS, arguments).map_err(|message| OptionsError { message, exit_code: 2 })?;
    if given.help {
        return Ok(Command::Help(flags::FLAGS.help()));
    }
    resolve::command(&given, environment, site).map_err(|message| OptionsError { message, exit_code: 1 })
}

#[cfg(test)]
mod tests;
