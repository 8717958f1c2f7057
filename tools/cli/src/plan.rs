//! What is to be run: the settings of one app and its sidecar, once flags, run file and defaults are merged. Made by
//! `flags` and `run_file`, read by everything that starts something. Pure data.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One app with its sidecar. Ports of 0 or less are chosen when it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) app_id: String,
    pub(crate) app_channel_address: String,
    /// 0 or less: the app listens on no port.
    pub(crate) app_port: i64,
    pub(crate) http_port: i64,
    pub(crate) grpc_port: i64,
    pub(crate) internal_grpc_port: i64,
    pub(crate) metrics_port: i64,
    pub(crate) profile_port: i64,
    /// Empty: only the sidecar runs.
    pub(crate) command: Vec<String>,
    /// The folder of the API sockets; empty: the APIs are on TCP.
    pub(crate) unix_domain_socket: String,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) resources_paths: Vec<PathBuf>,
    pub(crate) app_protocol: String,
    pub(crate) listen_addresses: String,
    pub(crate) enable_profiling: bool,
    pub(crate) log_level: String,
    pub(crate) app_max_concurrency: i64,
    /// `None`: where it usually is, if the sidecar uses it; empty: no placement.
    pub(crate) placement_host_address: Option<String>,
    /// `None`: where it usually is, if the sidecar uses it; empty: no scheduler.
    pub(crate) scheduler_host_address: Option<String>,
    pub(crate) app_ssl: bool,
    pub(crate) max_body_size: String,
    pub(crate) read_buffer_size: String,
    pub(crate) enable_app_health_check: bool,
    pub(crate) app_health_check_path: String,
    pub(crate) app_health_probe_interval: i64,
    pub(crate) app_health_probe_timeout: i64,
    pub(crate) app_health_threshold: i64,
    pub(crate) enable_api_logging: bool,
    pub(crate) env: BTreeMap<String, String>,
}

/// Where the output of a process goes (`daprdLogDestination`, `appLogDestination`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogDestination {
    Console,
    File,
    FileAndConsole,
}

impl LogDestination {
    /// Reads the target's name for it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "console" => Some(Self::Console),
            "file" => Some(Self::File),
            "fileAndConsole" => Some(Self::FileAndConsole),
            _ => None,
        }
    }

    pub(crate) fn on_console(self) -> bool {
        self != Self::File
    }

    pub(crate) fn in_file(self) -> bool {
        self != Self::Console
    }
}

/// One app of a run file: what `run -f` knows and `run` does not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// `appDirPath`: both processes run in it, and the logs are in its `.dapr/logs`.
    pub(crate) directory: PathBuf,
    pub(crate) sidecar_log: LogDestination,
    pub(crate) app_log: LogDestination,
    /// The position in the file, which chooses the colour.
    pub(crate) position: usize,
    /// The absolute path of the run file, and its `name`.
    pub(crate) template_path: PathBuf,
    pub(crate) template_name: String,
}

/// One app to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    /// `None` for the only app of `run`.
    pub(crate) place: Option<Place>,
}

impl Settings {
    /// The path of an API socket (`http` or `grpc`), when the APIs are on sockets.
    pub(crate) fn socket(&self, protocol: &str) -> Option<PathBuf> {
        socket_path(&self.unix_domain_socket, &self.app_id, protocol)
    }

    /// The addresses the APIs listen on.
    pub(crate) fn api_hosts(&self) -> Vec<&str> {
        self.listen_addresses.split(',').map(str::trim).filter(|host| !host.is_empty()).collect()
    }

    /// The IP address on which this machine reaches the APIs.
    pub(crate) fn api_host(&self) -> String {
        match self.api_hosts().first().copied() {
            None | Some("0.0.0.0" | "localhost") => "127.0.0.1".to_owned(),
            Some("::" | "[::]") => "::1".to_owned(),
            Some(host) => host.trim_matches(['[', ']']).to_owned(),
        }
    }

    /// The app's protocol with the deprecated `app-ssl` folded in, as the app is told; `None` for one that is unknown.
    pub(crate) fn protocol_with_tls(&self) -> Option<&'static str> {
        match (self.app_protocol.to_lowercase().as_str(), self.app_ssl) {
            ("grpcs", _) | ("grpc", true) => Some("grpcs"),
            ("https", _) | ("http", true) => Some("https"),
            ("h2c", _) => Some("h2c"),
            ("grpc", false) => Some("grpc"),
            ("http", false) | ("", _) => Some("http"),
            _ => None,
        }
    }
}

/// The path of an API socket in a folder of sockets, by the target's rule; `None` without a folder.
pub(crate) fn socket_path(folder: &str, app_id: &str, protocol: &str) -> Option<PathBuf> {
    if folder.is_empty() {
        return None;
    }
    Some(PathBuf::from(folder).join(format!("dapr-{app_id}-{protocol}.socket")))
}

/// An identity for an app that was given none: two words and a number, different each time.
pub(crate) fn invent_app_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    const HOW: [&str; 8] = ["amber", "brisk", "calm", "dapper", "eager", "fond", "gentle", "honest"];
    const WHO: [&str; 8] = ["badger", "crane", "dolphin", "falcon", "heron", "otter", "puffin", "wren"];
    let random = RandomState::new().hash_one(std::process::id());
    let word =
        |words: [&'static str; 8], shift: u32| words.into_iter().nth((random >> shift) as usize % 8).unwrap_or("x");
    format!("{}-{}-{:04}", word(HOW, 0), word(WHO, 8), (random >> 16) % 10_000)
}
