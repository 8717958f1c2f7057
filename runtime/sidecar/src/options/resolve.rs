//! From what was given to what it means: defaults, variables that stand in, checks between flags, refusals.
//! Called by `options::parse`. Messages are the target's where it has one.

use std::path::PathBuf;
use std::time::Duration;

use schedule::{QuantityError, parse_go_duration, parse_whole_quantity};
use security::ApiToken;
use service::flags::Given;
use service::{Environment, Host};
use telemetry::LogLevel;

use super::addresses;
use super::mutual_tls;
use super::notices::notices;
use super::{
    AppHealth, AppOptions, AppProtocol, Command, InternalPort, ListenOptions, LogSettings, Options, Site, stable_port,
};

const DEFAULT_BODY_BYTES: u64 = 4 << 20;
const DEFAULT_READ_BUFFER_BYTES: usize = 4 << 10;
const DEFAULT_GRACEFUL_SHUTDOWN: Duration = Duration::from_secs(5);
const DEFAULT_PROBE_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_millis(500);
const DEFAULT_PROBE_THRESHOLD: u32 = 3;
const DEFAULT_BINDING_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_HOT_RELOAD: Duration = Duration::from_secs(60);

/// What is asked for, in the target's order: sizes, then printing commands, then the rest.
pub(super) fn command(given: &Given, environment: &Environment, site: &Site) -> Result<Command, String> {
    let failed = |reason: String| format!("Failed to parse flags: {reason}");
    let max_body_bytes = max_body(given).map_err(failed)?;
    let read_buffer_bytes = read_buffer(given).map_err(failed)?;
    check_dissemination(given).map_err(failed)?;
    if given.boolean("version") {
        return Ok(Command::Version);
    }
    if given.boolean("build-info") {
        return Ok(Command::BuildInfo);
    }
    if given.boolean("wait") {
        return Ok(Command::Wait(given.text_port("dapr-http-port", "dapr-http-port flag")?));
    }
    let log = log(given)?;
    refuse_unbuilt(given)?;
    let app_id = app_id(given)?;
    let listen = listen(given, environment, &app_id, site)?;
    let mut warnings = Vec::new();
    let app = app(given, environment, &listen, &mut warnings)?;
    let control_plane = (
        or_variable(given, "control-plane-trust-domain", environment, "DAPR_CONTROLPLANE_TRUST_DOMAIN"),
        or_variable(given, "control-plane-namespace", environment, "DAPR_CONTROLPLANE_NAMESPACE"),
    );
    let (placement, schedulers) = (addresses::placement(given), addresses::schedulers(given, environment));
    Ok(Command::Run(Box::new(Options {
        namespace: environment.get("NAMESPACE").unwrap_or_default().to_owned(),
        app,
        listen,
        log,
        resources: resources(given),
        configurations: given.list("config").into_iter().map(PathBuf::from).collect(),
        allowed_origins: given.text("allowed-origins").to_owned(),
        max_body_bytes,
        read_buffer_bytes,
        api_token: ApiToken::new(environment.get("DAPR_API_TOKEN")),
        graceful_shutdown: graceful_shutdown(given),
        block_shutdown: given
            .is_set("dapr-block-shutdown-duration")
            .then(|| given.duration("dapr-block-shutdown-duration")),
        hot_reload_interval: positive(given.duration("hot-reload-reconcile-interval"), DEFAULT_HOT_RELOAD),
        identity: if given.boolean("enable-mtls") {
            Some(mutual_tls::identity(given, environment, &app_id, &control_plane)?)
        } else {
            None
        },
        control_plane,
        deprecations: given.deprecations.clone(),
        warnings,
        notices: notices(given, environment, &placement, &schedulers),
        placement,
        schedulers,
        app_id,
    })))
}

/// What would weaken security or mean something else if it were ignored.
fn refuse_unbuilt(given: &Given) -> Result<(), String> {
    match given.text("mode") {
        "standalone" => Ok(()),
        "kubernetes" => {
            Err("Kubernetes mode (--mode kubernetes) is not part of this release yet: resources, secrets and \
                        identities of a cluster would be missing; run with --mode standalone"
                .to_owned())
        }
        other => Err(format!("invalid value for 'mode': {other}; expected standalone or kubernetes")),
    }
}

fn app_id(given: &Given) -> Result<String, String> {
    let app_id = given.text("app-id");
    if app_id.is_empty() {
        return Err("parameter app-id cannot be empty".to_owned());
    }
    if app_id.contains('.') {
        return Err("parameter app-id cannot contain dots".to_owned());
    }
    Ok(app_id.to_owned())
}

fn listen(given: &Given, environment: &Environment, app_id: &str, site: &Site) -> Result<ListenOptions, String> {
    let http_port = given.text_port("dapr-http-port", "dapr-http-port flag")?;
    let grpc_port = given.text_port("dapr-grpc-port", "dapr-grpc-port flag")?;
    let profile_port = given.text_port("profile-port", "profile-port flag")?;
    let internal_port = match given.text("dapr-internal-grpc-port") {
        "" | "0" => InternalPort { number: stable_port(app_id, site), may_differ: true },
        _ => {
            let number = given.text_port("dapr-internal-grpc-port", "dapr-internal-grpc-port")?;
            InternalPort { number, may_differ: false }
        }
    };
    let public_port = match given.non_empty("dapr-public-port") {
        Some(_) => Some(given.text_port("dapr-public-port", "dapr-public-port")?),
        None => None,
    };
    let metrics = if given.boolean("enable-metrics") {
        Some((given.host("metrics-listen-address")?, given.text_port("metrics-port", "metrics-port flag")?))
    } else {
        None
    };
    let api_hosts = Host::parse_list(given.text("dapr-listen-addresses"));
    Ok(ListenOptions {
        api_hosts: api_hosts.map_err(|reason| format!("invalid value for 'dapr-listen-addresses': {reason}"))?,
        http_port,
        grpc_port,
        internal_host: given.host("dapr-internal-grpc-listen-address")?,
        internal_port,
        public_host: given.host("dapr-public-listen-address")?,
        public_port,
        metrics,
        profile_port,
        profiling: given.boolean("enable-profiling"),
        socket_folder: given.non_empty("unix-domain-socket").map(PathBuf::from),
        h2c: !environment.get("DAPR_HTTP_DISABLE_H2C").is_some_and(is_truthy),
    })
}

fn app(
    given: &Given,
    environment: &Environment,
    listen: &ListenOptions,
    warnings: &mut Vec<String>,
) -> Result<AppOptions, String> {
    let port = match given.non_empty("app-port") {
        Some(_) => Some(given.text_port("app-port", "app-port")?).filter(|port| *port != 0),
        None => None,
    };
    for (flag, taken) in [("dapr-http-port", listen.http_port), ("dapr-grpc-port", listen.grpc_port)] {
        if port == Some(taken) {
            return Err(format!("the '{flag}' argument value {taken} conflicts with 'app-port'"));
        }
    }
    let protocol = protocol(given, warnings)?;
    let (skip_config, skip_subscribe) = skipped_calls(given)?;
    Ok(AppOptions {
        port,
        host: given.text("app-channel-address").to_owned(),
        protocol,
        max_concurrency: u32::try_from(given.integer("app-max-concurrency")).ok().filter(|limit| *limit > 0),
        health_path: given.text("app-health-check-path").to_owned(),
        health: health(given)?,
        token: ApiToken::new(environment.get("APP_API_TOKEN")),
        binding_options_timeout: positive(given.duration("app-binding-options-timeout"), DEFAULT_BINDING_TIMEOUT),
        skip_config,
        skip_subscribe,
    })
}

fn protocol(given: &Given, warnings: &mut Vec<String>) -> Result<AppProtocol, String> {
    let mut tls = |plain, secure: AppProtocol| {
        if !given.boolean("app-ssl") {
            return plain;
        }
        let name = secure.as_str();
        warnings.push(format!("The 'app-ssl' flag is deprecated; use 'app-protocol={name}' instead"));
        secure
    };
    let text = given.text("app-protocol");
    match text.to_ascii_lowercase().as_str() {
        "grpcs" => Ok(AppProtocol::Grpcs),
        "https" => Ok(AppProtocol::Https),
        "h2c" => Ok(AppProtocol::H2c),
        "http" => Ok(tls(AppProtocol::Http, AppProtocol::Https)),
        "grpc" => Ok(tls(AppProtocol::Grpc, AppProtocol::Grpcs)),
        "" => Ok(AppProtocol::Http),
        _ => Err(format!("invalid value for 'app-protocol': {text}")),
    }
}

fn skipped_calls(given: &Given) -> Result<(bool, bool), String> {
    let (mut config, mut subscribe) = (false, false);
    for entry in given.list("disable-init-endpoints") {
        match entry.trim().to_ascii_lowercase().as_str() {
            "" => {}
            "config" => config = true,
            "subscribe" => subscribe = true,
            other => return Err(format!("invalid value for 'disable-init-endpoints': {other}")),
        }
    }
    Ok((config, subscribe))
}

/// Checked also when probing is off, as in the target.
fn health(given: &Given) -> Result<Option<AppHealth>, String> {
    let size = |name| u64::try_from(given.integer(name)).ok().filter(|size| *size > 0);
    let interval = size("app-health-probe-interval").map_or(DEFAULT_PROBE_INTERVAL, Duration::from_secs);
    let timeout = size("app-health-probe-timeout").map_or(DEFAULT_PROBE_TIMEOUT, Duration::from_millis);
    if timeout > interval {
        return Err("value for 'health-probe-timeout' must be smaller than 'health-probe-interval'".to_owned());
    }
    let threshold = i32::try_from(given.integer("app-health-threshold")).ok().filter(|count| *count < i32::MAX);
    let threshold = threshold.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
    let health = AppHealth { interval, timeout, threshold: threshold.unwrap_or(DEFAULT_PROBE_THRESHOLD) };
    Ok(given.boolean("enable-app-health-check").then_some(health))
}

fn log(given: &Given) -> Result<LogSettings, String> {
    Ok(LogSettings {
        level: LogLevel::parse(given.text("log-level"))?,
        json: given.boolean("log-as-json"),
        file: given.non_empty("log-file").map(PathBuf::from),
        api_calls: given.is_set("enable-api-logging").then(|| given.boolean("enable-api-logging")),
    })
}

fn resources(given: &Given) -> Vec<PathBuf> {
    let folders = given.list("resources-path");
    if folders.is_empty() {
        return given.non_empty("components-path").map(PathBuf::from).into_iter().collect();
    }
    folders.into_iter().map(PathBuf::from).collect()
}

/// `-1` is the default and anything else below one is no limit.
fn max_body(given: &Given) -> Result<Option<u64>, String> {
    let size = size(given, "max-body-size", "dapr-http-max-request-size", 1 << 20)?;
    Ok(match size {
        None | Some(-1) => Some(DEFAULT_BODY_BYTES),
        Some(bytes) => u64::try_from(bytes).ok().filter(|bytes| *bytes > 0),
    })
}

/// Anything below one is the default.
fn read_buffer(given: &Given) -> Result<usize, String> {
    let size = size(given, "read-buffer-size", "dapr-http-read-buffer-size", 1 << 10)?;
    let bytes = size.and_then(|bytes| usize::try_from(bytes).ok());
    Ok(bytes.filter(|bytes| *bytes > 0).unwrap_or(DEFAULT_READ_BUFFER_BYTES))
}

/// The bytes, as they are when negative; `None` when neither flag is given. The old flag counts in `unit`.
fn size(given: &Given, name: &str, old: &str, unit: i64) -> Result<Option<i64>, String> {
    if given.is_set(name) {
        let text = given.text(name);
        let bytes = parse_whole_quantity(text).map_err(|error| match error {
            QuantityError::NotWhole(_) => format!("cannot get bytes from resource quantity value '{text}'"),
            QuantityError::NoNumber(_) | QuantityError::UnknownSuffix { .. } => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
            }
        });
        return bytes.map(Some).map_err(|reason| format!("invalid value for '{name}' option: {reason}"));
    }
    if !given.is_set(old) {
        return Ok(None);
    }
    let number = given.integer(old);
    Ok(Some(if number < 0 { number } else { number.saturating_mul(unit) }))
}

fn check_dissemination(given: &Given) -> Result<(), String> {
    let duration = parse_go_duration(given.text("actors-disseminate-timeout")).map_err(|error| error.to_string())?;
    if duration.nanoseconds() > 0 {
        return Ok(());
    }
    Err(format!("invalid value for 'actors-disseminate-timeout' option: must be positive, got {duration}"))
}

fn graceful_shutdown(given: &Given) -> Duration {
    let seconds = u64::try_from(given.integer("dapr-graceful-shutdown-seconds"));
    seconds.map_or(DEFAULT_GRACEFUL_SHUTDOWN, Duration::from_secs)
}

fn positive(size: Duration, default: Duration) -> Duration {
    if size.is_zero() { default } else { size }
}

fn or_variable(given: &Given, name: &str, environment: &Environment, variable: &str) -> String {
    let variable = environment.get(variable).filter(|_| !given.is_set(name));
    variable.unwrap_or_else(|| given.text(name)).to_owned()
}

/// The words that count as true in variables of the target.
fn is_truthy(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "y" | "yes" | "true" | "t" | "on" | "1")
}
