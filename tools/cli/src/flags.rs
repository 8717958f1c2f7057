//! The flags of `run` and the settings they make, with the target's names and defaults. Used by `arguments` (to parse)
//! and `run` (to read). Where a default lies in a file that is not there, there is simply none.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use service::Environment;

use crate::arguments::{kubernetes, number, path, switch, text};
use crate::console::Console;
use crate::folder::dapr_folder;
use crate::plan::{Settings, invent_app_id};

/// Flags that mean something beside `--run-file`; the others are named in a warning.
const BESIDE_RUN_FILE: [&str; 8] = [
    "run-file",
    "embedded",
    "kubernetes",
    "runtime-path",
    "log-as-json",
    "runtime-dir",
    "app-start-timeout",
    "version",
];

/// The command `run`.
pub(crate) fn run_command() -> Command {
    Command::new("run")
        .about("Run an app with its sidecar, a sidecar alone, or all apps of a run file")
        .after_help("Example: trilby run --app-id orders --app-port 3000 -- python3 orders.py")
        .args(app_flags())
        .args(sidecar_flags())
        .args(health_flags())
        .arg(switch(
            "embedded",
            "Replace components that point at a Redis on this machine, where none listens, by those of the hub",
        ))
        .arg(kubernetes())
        .arg(
            path("run-file", "Run all apps of this run file, or of the dapr.yaml in this folder; - reads stdin")
                .short('f'),
        )
        .arg(
            number("app-start-timeout", "Seconds an app may take to open its port; 0 waits forever")
                .default_value("60"),
        )
        .arg(Arg::new("command").num_args(0..).help("The app's command and its arguments, behind --"))
}

fn app_flags() -> Vec<Arg> {
    vec![
        text("app-id", "The identity of the app, by which others call it").short('a'),
        number("app-port", "The port the app listens on").short('p').default_value("-1").hide_default_value(true),
        text("app-protocol", "How the sidecar talks to the app: http, https, grpc, grpcs, h2c")
            .short('P')
            .default_value("http"),
        text("app-channel-address", "The host the app listens on").default_value("127.0.0.1"),
        number("app-max-concurrency", "Calls into the app at once; -1 for no limit").default_value("-1"),
        switch("app-ssl", "Deprecated: use --app-protocol https or grpcs").hide(true),
    ]
}

fn sidecar_flags() -> Vec<Arg> {
    let port = |name, help| number(name, help).default_value("-1").hide_default_value(true);
    vec![
        port("dapr-http-port", "The port of the sidecar's HTTP API; picked when not given").short('H'),
        port("dapr-grpc-port", "The port of the sidecar's gRPC API; picked when not given").short('G'),
        port("dapr-internal-grpc-port", "The port between sidecars; picked when not given").short('I'),
        port("metrics-port", "The port of the sidecar's metrics; picked when not given").short('M'),
        switch("enable-profiling", "Serve profiles over HTTP"),
        port("profile-port", "The port of the profiles; picked when not given"),
        path("config", "The Configuration file").short('c'),
        path("components-path", "Deprecated: use --resources-path").short('d').hide(true),
        path("resources-path", "A folder with resources; can be repeated")
            .value_delimiter(',')
            .action(ArgAction::Append),
        text("log-level", "debug, info, warn, error, fatal or panic").default_value("info"),
        text("placement-host-address", "host or host:port of placement; empty for none").default_value("localhost"),
        text("scheduler-host-address", "host or host:port of the scheduler; empty for none").default_value("localhost"),
        text("max-body-size", "The longest request body").default_value("4Mi"),
        text("read-buffer-size", "The longest request header").default_value("4Ki"),
        path("unix-domain-socket", "The folder of the API sockets, instead of ports").short('u'),
        text("dapr-listen-addresses", "The addresses of the APIs, separated by commas [default: 127.0.0.1]"),
        switch("enable-api-logging", "Log each call of the APIs"),
    ]
}

fn health_flags() -> Vec<Arg> {
    let count = |name, help| number(name, help).default_value("0").hide_default_value(true);
    vec![
        switch("enable-app-health-check", "Probe the health of the app"),
        text("app-health-check-path", "The path of the probes, for HTTP"),
        count("app-health-probe-interval", "Seconds between probes"),
        count("app-health-probe-timeout", "Milliseconds a probe may take"),
        count("app-health-threshold", "Failed probes in a row that make the app unhealthy"),
    ]
}

/// The flags given beside `--run-file` that have no meaning there.
pub(crate) fn ignored_beside_run_file(matches: &ArgMatches) -> Vec<String> {
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let names = matches.ids().map(clap::Id::as_str);
    names.filter(|name| given(name) && !BESIDE_RUN_FILE.contains(name)).map(str::to_owned).collect()
}

/// The settings of the only app of `run`.
pub(crate) fn settings(matches: &ArgMatches, environment: &Environment, console: &Console) -> Result<Settings> {
    let given = Given { matches, environment };
    let dapr = dapr_folder(given.text("runtime-path").as_deref(), environment);
    for (name, instead) in [("components-path", "resources-path"), ("app-ssl", "app-protocol")] {
        if given.on_command_line(name) {
            console.warning(format!("--{name} is deprecated; use --{instead}"));
        }
    }
    let id = given.text("app-id").filter(|id| !id.is_empty()).unwrap_or_else(invent_app_id);
    Ok(Settings {
        app_id: id,
        app_channel_address: given.text("app-channel-address").unwrap_or_default(),
        app_port: given.number("app-port"),
        http_port: given.number("dapr-http-port"),
        grpc_port: given.number("dapr-grpc-port"),
        internal_grpc_port: given.number("dapr-internal-grpc-port"),
        metrics_port: given.number("metrics-port"),
        profile_port: given.number("profile-port"),
        command: given.texts("command"),
        unix_domain_socket: given.text("unix-domain-socket").unwrap_or_default(),
        config_file: given.config_file(dapr.as_deref())?,
        resources_paths: given.resources_paths(dapr.as_deref())?,
        app_protocol: given.text("app-protocol").unwrap_or_default(),
        listen_addresses: given.listen_addresses(),
        enable_profiling: given.switch("enable-profiling"),
        log_level: given.text("log-level").unwrap_or_default(),
        app_max_concurrency: given.number("app-max-concurrency"),
        placement_host_address: given.placement(),
        scheduler_host_address: given.explicit("scheduler-host-address"),
        app_ssl: given.switch("app-ssl"),
        max_body_size: given.text("max-body-size").unwrap_or_default(),
        read_buffer_size: given.text("read-buffer-size").unwrap_or_default(),
        enable_app_health_check: given.switch("enable-app-health-check"),
        app_health_check_path: given.text("app-health-check-path").unwrap_or_default(),
        app_health_probe_interval: given.number("app-health-probe-interval"),
        app_health_probe_timeout: given.number("app-health-probe-timeout"),
        app_health_threshold: given.number("app-health-threshold"),
        enable_api_logging: given.switch("enable-api-logging"),
        env: std::collections::BTreeMap::new(),
    })
}

struct Given<'a> {
    matches: &'a ArgMatches,
    environment: &'a Environment,
}

impl Given<'_> {
    fn on_command_line(&self, name: &str) -> bool {
        self.matches.value_source(name) == Some(ValueSource::CommandLine)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.matches.get_one::<String>(name).cloned()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        self.matches.get_many::<String>(name).map(|values| values.cloned().collect()).unwrap_or_default()
    }

    fn number(&self, name: &str) -> i64 {
        self.matches.get_one::<i64>(name).copied().unwrap_or_default()
    }

    fn switch(&self, name: &str) -> bool {
        self.matches.get_one::<bool>(name).copied().unwrap_or_default()
    }

    /// A value only when the user gave it: for these, empty and absent differ.
    fn explicit(&self, name: &str) -> Option<String> {
        if self.on_command_line(name) { self.text(name) } else { None }
    }

    fn placement(&self) -> Option<String> {
        let variable = || self.environment.get("DAPR_PLACEMENT_HOST_ADDRESS").map(str::to_owned);
        self.explicit("placement-host-address").or_else(variable)
    }

    fn listen_addresses(&self) -> String {
        let given = self.text("dapr-listen-addresses").filter(|addresses| !addresses.trim().is_empty());
        given.unwrap_or_else(|| "127.0.0.1".to_owned())
    }

    fn config_file(&self, dapr: Option<&Path>) -> Result<Option<PathBuf>> {
        if let Some(path) = self.text("config").filter(|path| !path.is_empty()) {
            return existing("--config", &path).map(Some);
        }
        Ok(dapr.map(|folder| folder.join("config.yaml")).filter(|path| path.exists()))
    }

    fn resources_paths(&self, dapr: Option<&Path>) -> Result<Vec<PathBuf>> {
        let mut given = self.texts("resources-path");
        if given.is_empty() {
            given.extend(self.text("components-path").filter(|path| !path.is_empty()));
        }
        if given.is_empty() {
            let default = dapr.map(|folder| folder.join("components")).filter(|path| path.exists());
            return Ok(default.into_iter().collect());
        }
        given.iter().map(|path| existing("--resources-path", path)).collect()
    }
}

fn existing(flag: &str, path: &str) -> Result<PathBuf> {
    ensure!(Path::new(path).exists(), "{flag} {path}: there is no such file or folder; check the path");
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::command_line;

    fn parsed(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings> {
        let mut line = vec!["trilby", "run"];
        line.extend(arguments);
        let matches = command_line("trilby").try_get_matches_from(line)?;
        let run = matches.subcommand_matches("run").unwrap();
        let environment = Environment::from_pairs(variables.iter().copied());
        settings(run, &environment, &Console::open(&environment, false))
    }

    #[test]
    fn the_defaults_are_those_of_the_target() {
        let settings = parsed(&["--app-id", "a"], &[]).unwrap();
        let expected = Settings {
            app_id: "a".to_owned(),
            app_channel_address: "127.0.0.1".to_owned(),
            app_port: -1,
            http_port: -1,
            grpc_port: -1,
            internal_grpc_port: -1,
            metrics_port: -1,
            profile_port: -1,
            app_protocol: "http".to_owned(),
            listen_addresses: "127.0.0.1".to_owned(),
            log_level: "info".to_owned(),
            app_max_concurrency: -1,
            max_body_size: "4Mi".to_owned(),
            read_buffer_size: "4Ki".to_owned(),
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn flags_are_read_in_every_spelling() {
        let line = ["-a", "x", "-p3000", "-H", "3500", "-G=50001", "--app-port", "-1", "--app-port=3001"];
        let more = ["--enable-profiling", "--enable-api-logging=false", "-P", "grpc", "--app-ssl=T", "-k=0"];
        let command = ["--", "python3", "app.py", "--port", "3"];
        let settings = parsed(&[line.as_slice(), &more, &command].concat(), &[]).unwrap();
        assert_eq!((settings.app_port, settings.http_port, settings.grpc_port), (3001, 3500, 50001));
        assert!(settings.enable_profiling && !settings.enable_api_logging);
        assert_eq!(settings.protocol_with_tls(), Some("grpcs"));
        assert_eq!(settings.command, ["python3", "app.py", "--port", "3"]);
    }

    #[test]
    fn a_command_needs_no_dashes_in_front() {
        assert_eq!(parsed(&["-a", "x", "node", "app.js"], &[]).unwrap().command, ["node", "app.js"]);
    }

    #[test]
    fn placement_follows_flag_then_variable() {
        let variable = [("DAPR_PLACEMENT_HOST_ADDRESS", "far")];
        let placement = |flags: &[&str]| parsed(flags, &variable).unwrap().placement_host_address;
        assert_eq!(placement(&[]), Some("far".to_owned()));
        assert_eq!(placement(&["--placement-host-address", ""]), Some(String::new()));
        assert_eq!(parsed(&[], &[]).unwrap().placement_host_address, None);
    }

    #[test]
    fn default_files_count_only_when_they_are_there() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DAPR_RUNTIME_PATH", home.path().to_str().unwrap())];
        let settings = parsed(&[], &variables).unwrap();
        assert_eq!((settings.config_file, settings.resources_paths.len()), (None, 0));
        std::fs::create_dir_all(home.path().join(".dapr/components")).unwrap();
        std::fs::write(home.path().join(".dapr/config.yaml"), "").unwrap();
        let settings = parsed(&[], &variables).unwrap();
        assert_eq!(settings.config_file, Some(home.path().join(".dapr/config.yaml")));
        assert_eq!(settings.resources_paths, [home.path().join(".dapr/components")]);
        let here = home.path().to_str().unwrap();
        let both = format!("{here},{here}");
        let settings = parsed(&["--resources-path", &both, "--resources-path", here, "-d", "/x"], &variables).unwrap();
        assert_eq!(settings.resources_paths.len(), 3);
        let error = parsed(&["--config", "/does/not/exist"], &variables).unwrap_err();
        assert!(error.to_string().contains("--config /does/not/exist"));
    }

    #[test]
    fn flags_without_meaning_beside_a_run_file_are_named() {
        let line = ["trilby", "run", "-f", "x.yaml", "--app-id", "a", "--log-as-json"];
        let matches = command_line("trilby").try_get_matches_from(line).unwrap();
        assert_eq!(ignored_beside_run_file(matches.subcommand_matches("run").unwrap()), ["app-id"]);
    }
}
