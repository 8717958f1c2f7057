//! The options of sentry: flags and variables, checked, with their values resolved.
//! Called by the executable; what comes out is all that `run` needs to know of its command line. It opens nothing.

pub mod flags;
mod resolve;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use security::SpiffeId;
use service::flags::Given;
use service::{Environment, Host};
use telemetry::LogLevel;

use crate::store::FileNames;
use crate::tokens::Algorithm;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run sentry.
    Run(Box<Options>),
    /// Print this text.
    Help(String),
}

/// Why sentry cannot start with these options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// The command line cannot be read; exit code 2.
    Unreadable(String),
    /// It can be read, and not be followed; exit code 1.
    Invalid(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => formatter.write_str(reason),
            Self::Invalid(reason) => write!(formatter, "Invalid options: {reason}"),
        }
    }
}

impl std::error::Error for OptionsError {}

/// How sentry logs.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// From which importance on.
    pub level: LogLevel,
    /// As JSON.
    pub json: bool,
    /// A file instead of the standard output.
    pub file: Option<PathBuf>,
}

/// Where sentry listens.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Host and port of the gRPC service.
    pub service: (Host, u16),
    /// Host and port of `/healthz`.
    pub healthz: (Host, u16),
    /// Host and port of the metrics; `None`: off.
    pub metrics: Option<(Host, u16)>,
}

/// How tokens are issued.
#[derive(Clone, Debug)]
pub struct JwtOptions {
    /// How they are signed.
    pub algorithm: Algorithm,
    /// What they call their key; `None` leaves it to the key set.
    pub key_id: Option<String>,
    /// What they call their issuer; `None` leaves it out.
    pub issuer: Option<String>,
    /// How long they count.
    pub life: Duration,
}

/// How discovery and public keys are served.
#[derive(Clone, Debug, Default)]
pub struct OidcOptions {
    /// Host and port.
    pub listen: Option<(Host, u16)>,
    /// The files of certificate and key; `None` serves without TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Hosts that requests may name; empty allows every host, `*` among them too.
    pub allowed_hosts: Vec<String>,
    /// Where the public keys are, when that is elsewhere.
    pub key_set_uri: Option<String>,
    /// What stands before every path; empty for nothing.
    pub path_prefix: String,
}

/// How the issuer and its root are made and replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RotationOptions {
    /// Whether they are replaced.
    pub enabled: bool,
    /// From this part of an issuer's life on the next root is distributed.
    pub distribute_at: f64,
    /// From this part on the next issuer signs.
    pub sign_at: f64,
    /// How long a new pair counts.
    pub life: Duration,
}

/// What counts in a cluster only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InCluster {
    /// A kubeconfig file; `None` looks where the pod and its variables say.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the control plane.
    pub namespace: String,
}

/// What sentry is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Configuration: a file, or its name in the own namespace of a cluster.
    pub configuration: PathBuf,
    /// Whether somebody asked for that one: then it has to be there.
    pub is_configuration_named: bool,
    /// Bundle, Configuration and identities are those of a cluster; `None`: of this machine.
    pub cluster: Option<InCluster>,
    /// The files of the bundle.
    pub files: FileNames,
    /// Sentry's own id.
    pub id: SpiffeId,
    /// Where to listen.
    pub listen: ListenOptions,
    /// How tokens are issued; `None`: not at all.
    pub jwt: Option<JwtOptions>,
    /// How discovery is served; `None`: not at all.
    pub oidc: Option<OidcOptions>,
    /// How the bundle is made and replaced.
    pub rotation: RotationOptions,
    /// How to log.
    pub log: LogSettings,
    /// What to log as warnings at start.
    pub warnings: Vec<String>,
}

/// Reads a command line (without the program's name) and the variables that count beside it.
///
/// # Errors
/// [`OptionsError`] with the target's message where it has one.
pub fn parse(arguments: impl IntoIterator<Item = String>, environment: &Environment) -> Result<Command, OptionsError> {
    let given = Given::read(flags::FLAGS, arguments).map_err(OptionsError::Unreadable)?;
    if given.help {
        return Ok(Command::Help(flags::FLAGS.help()));
    }
    let options = resolve::options(&given, environment).map_err(OptionsError::Invalid)?;
    Ok(Command::Run(Box::new(options)))
}

#[cfg(test)]
mod tests;
