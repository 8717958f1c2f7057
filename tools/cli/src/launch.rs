//! The command lines and variables of a sidecar and its app. `pair` starts processes with what this makes. Pure, but
//! for the look into the configuration file.

use std::ffi::OsString;
use std::path::Path;

use service::Environment;

use crate::names;
use crate::plan::Settings;
use crate::ports::Ports;

const PLACEMENT_PORT: u16 = 50005;
const SCHEDULER_PORT: u16 = 50006;
/// Where sentry is when a configuration asks for mTLS on one machine.
const SENTRY: &str = "localhost:50001";

/// What a sidecar's command line depends on beside the settings of its app.
pub(crate) struct Surroundings<'a> {
    pub(crate) ports: &'a Ports,
    /// The Configuration with the registry of names, when there is one.
    pub(crate) names: Option<&'a Path>,
    pub(crate) log_as_json: bool,
    /// Whether the sidecar is told where placement and scheduler usually are when the user names no place for them.
    pub(crate) usual_services: bool,
    pub(crate) environment: &'a Environment,
}

/// The flags of the sidecar.
pub(crate) fn sidecar_arguments(settings: &Settings, surroundings: &Surroundings<'_>) -> Vec<OsString> {
    let mut arguments = Arguments::default();
    configuration(&mut arguments, settings, surroundings);
    arguments.text("app-id", &settings.app_id);
    arguments.text("app-protocol", &settings.app_protocol);
    arguments.positive("app-port", settings.app_port);
    if settings.app_channel_address != "127.0.0.1" {
        arguments.text("app-channel-address", &settings.app_channel_address);
    }
    listeners(&mut arguments, settings, surroundings);
    arguments.text("log-level", &settings.log_level);
    let concurrency = if settings.app_max_concurrency < 1 { -1 } else { settings.app_max_concurrency };
    arguments.text("app-max-concurrency", &concurrency.to_string());
    let unnamed = surroundings.usual_services.then_some("localhost");
    let (placement, scheduler) = (&settings.placement_host_address, &settings.scheduler_host_address);
    arguments.text("placement-host-address", &address(placement.as_deref().or(unnamed), PLACEMENT_PORT));
    arguments.text("scheduler-host-address", &address(scheduler.as_deref().or(unnamed), SCHEDULER_PORT));
    for path in &settings.resources_paths {
        arguments.path("resources-path", path);
    }
    arguments.switch("app-ssl", settings.app_ssl);
    arguments.text("max-body-size", &settings.max_body_size);
    arguments.text("read-buffer-size", &settings.read_buffer_size);
    arguments.switch("enable-app-health-check", settings.enable_app_health_check);
    arguments.text("app-health-check-path", &settings.app_health_check_path);
    arguments.positive("app-health-probe-interval", settings.app_health_probe_interval);
    arguments.positive("app-health-probe-timeout", settings.app_health_probe_timeout);
    arguments.positive("app-health-threshold", settings.app_health_threshold);
    arguments.switch("enable-api-logging", settings.enable_api_logging);
    arguments.switch("log-as-json", surroundings.log_as_json);
    arguments.list
}

/// The registry comes first, so that what the user's configuration says wins.
fn configuration(arguments: &mut Arguments, settings: &Settings, surroundings: &Surroundings<'_>) {
    let peek = settings.config_file.as_deref().map(names::peek).unwrap_or_default();
    if let Some(names) = surroundings.names.filter(|_| !peek.has_resolver) {
        arguments.path("config", names);
    }
    if let Some(config) = &settings.config_file {
        arguments.path("config", config);
    }
    if peek.wants_mtls {
        arguments.switch("enable-mtls", true);
        arguments.text("sentry-address", SENTRY);
    }
}

/// Other sidecars are told 127.0.0.1 unless the user says otherwise, so nobody else needs the port between sidecars.
fn listeners(arguments: &mut Arguments, settings: &Settings, surroundings: &Surroundings<'_>) {
    let ports = surroundings.ports;
    arguments.text("dapr-listen-addresses", &settings.listen_addresses);
    arguments.text("unix-domain-socket", &settings.unix_domain_socket);
    arguments.text("dapr-http-port", &ports.http.to_string());
    arguments.text("dapr-grpc-port", &ports.grpc.to_string());
    arguments.text("dapr-internal-grpc-port", &ports.internal.to_string());
    if surroundings.environment.get("DAPR_HOST_IP").is_none() {
        arguments.text("dapr-internal-grpc-listen-address", "127.0.0.1");
    }
    arguments.text("metrics-port", &ports.metrics.to_string());
    arguments.switch("enable-profiling", settings.enable_profiling);
    if let Some(profile) = ports.profile {
        arguments.text("profile-port", &profile.to_string());
    }
}

/// The variables a sidecar gets beside those of this process.
pub(crate) fn sidecar_environment(environment: &Environment) -> Vec<(String, String)> {
    match environment.get("DAPR_HOST_IP") {
        Some(_) => Vec::new(),
        None => vec![("DAPR_HOST_IP".to_owned(), "127.0.0.1".to_owned())],
    }
}

/// The variables an app gets beside those of this process. What the user sets in the run file wins.
pub(crate) fn app_environment(settings: &Settings, ports: &Ports) -> Vec<(String, String)> {
    let mut variables = vec![
        ("APP_ID".to_owned(), settings.app_id.clone()),
        ("APP_CHANNEL_ADDRESS".to_owned(), settings.app_channel_address.clone()),
        ("DAPR_HTTP_PORT".to_owned(), ports.http.to_string()),
        ("DAPR_GRPC_PORT".to_owned(), ports.grpc.to_string()),
        ("DAPR_METRICS_PORT".to_owned(), ports.metrics.to_string()),
    ];
    if settings.app_port > 0 {
        variables.push(("APP_PORT".to_owned(), settings.app_port.to_string()));
    }
    if let Some(protocol) = settings.protocol_with_tls() {
        variables.push(("APP_PROTOCOL".to_owned(), protocol.to_owned()));
    }
    variables.extend(settings.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    variables
}

/// The target's rule for the address of a control-plane service: empty is off, a port is added.
fn address(given: Option<&str>, port: u16) -> String {
    match given.unwrap_or_default().trim() {
        "" => String::new(),
        host if host.contains(':') => host.to_owned(),
        host => format!("{host}:{port}"),
    }
}

#[derive(Default)]
struct Arguments {
    list: Vec<OsString>,
}

impl Arguments {
    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.list.extend([format!("--{name}").into(), value.into()]);
        }
    }

    fn path(&mut self, name: &str, value: &Path) {
        let value = std::path::absolute(value).unwrap_or_else(|_| value.to_owned());
        self.list.extend([format!("--{name}").into(), value.into()]);
    }

    fn positive(&mut self, name: &str, value: i64) {
        if value > 0 {
            self.text(name, &value.to_string());
        }
    }

    fn switch(&mut self, name: &str, on: bool) {
        if on {
            self.list.push(format!("--{name}").into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Chosen;

    fn settings() -> Settings {
        Settings {
            app_id: "orders".to_owned(),
            app_channel_address: "127.0.0.1".to_owned(),
            app_port: 3000,
            http_port: 3500,
            grpc_port: 50001,
            internal_grpc_port: 50002,
            metrics_port: 9090,
            listen_addresses: "127.0.0.1".to_owned(),
            app_max_concurrency: -1,
            app_protocol: "http".to_owned(),
            ..Settings::default()
        }
    }

    fn line(settings: &Settings, names: Option<&Path>) -> String {
        line_for(settings, names, true)
    }

    fn line_for(settings: &Settings, names: Option<&Path>, usual_services: bool) -> String {
        let ports = Chosen::default().pick(settings).unwrap();
        let environment = Environment::default();
        let (ports, environment) = (&ports, &environment);
        let surroundings = Surroundings { ports, names, log_as_json: false, usual_services, environment };
        let arguments = sidecar_arguments(settings, &surroundings);
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_sidecar_is_told_what_the_target_tells_it() {
        assert_eq!(
            line(&settings(), None),
            "--app-id orders --app-protocol http --app-port 3000 --dapr-listen-addresses 127.0.0.1 \
             --dapr-http-port 3500 --dapr-grpc-port 50001 --dapr-internal-grpc-port 50002 \
             --dapr-internal-grpc-listen-address 127.0.0.1 --metrics-port 9090 --app-max-concurrency -1 \
             --placement-host-address localhost:50005 --scheduler-host-address localhost:50006"
        );
    }

    #[test]
    fn a_sidecar_without_use_for_services_is_told_only_what_the_user_names() {
        let line = line_for(&settings(), None, false);
        assert!(!line.contains("placement") && !line.contains("scheduler"), "{line}");
        let named = Settings { placement_host_address: Some("far".to_owned()), ..settings() };
        assert!(line_for(&named, None, false).ends_with("--placement-host-address far:50005"));
    }

    #[test]
    fn an_empty_address_turns_a_service_off_and_a_host_gets_its_port() {
        let off = Settings {
            placement_host_address: Some(" ".to_owned()),
            scheduler_host_address: Some("far".to_owned()),
            ..settings()
        };
        let line = line(&off, None);
        assert!(!line.contains("placement") && line.ends_with("--scheduler-host-address far:50006"), "{line}");
    }

    #[test]
    fn the_registry_is_first_unless_the_user_has_a_resolver() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = Settings { config_file: Some(file.path().to_owned()), ..settings() };
        let own = file.path().display();
        let names = Some(Path::new("/r/names.yaml"));
        assert!(line(&with, names).starts_with(&format!("--config /r/names.yaml --config {own} --app-id")));
        std::fs::write(file.path(), "spec:\n  nameResolution: {component: mdns}\n  mtls: {enabled: true}\n").unwrap();
        let expected = format!("--config {own} --enable-mtls --sentry-address localhost:50001 --app-id");
        assert!(line(&with, names).starts_with(&expected));
    }

    #[test]
    fn an_app_learns_its_ports_and_the_run_file_wins() {
        let mut settings = Settings { app_ssl: true, ..settings() };
        settings.env.insert("DAPR_HTTP_PORT".to_owned(), "1".to_owned());
        let ports = Chosen::default().pick(&settings).unwrap();
        let seen: Vec<_> = app_environment(&settings, &ports).into_iter().map(|(n, v)| format!("{n}={v}")).collect();
        let expected = [
            "APP_ID=orders",
            "APP_CHANNEL_ADDRESS=127.0.0.1",
            "DAPR_HTTP_PORT=3500",
            "DAPR_GRPC_PORT=50001",
            "DAPR_METRICS_PORT=9090",
            "APP_PORT=3000",
            "APP_PROTOCOL=https",
            "DAPR_HTTP_PORT=1",
        ];
        assert_eq!(seen, expected);
    }
}
