//! Precedence and paths of the run file, as tables.

use super::*;
use crate::run_file::parse;

/// A folder with two apps and a home, and the text of a run file in it.
struct Case {
    place: tempfile::TempDir,
    text: String,
}

impl Case {
    fn of(text: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        for folder in ["orders", "bills", "shared", "home/.dapr/components"] {
            std::fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        std::fs::write(place.path().join("home/.dapr/config.yaml"), "").unwrap();
        Self { place, text: text.to_owned() }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.place.path().join(relative)
    }

    fn with_file(self, relative: &str) -> Self {
        std::fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        std::fs::write(self.path(relative), "").unwrap();
        self
    }

    fn plans(&self) -> Result<Vec<Plan>> {
        let path = self.path("dapr.yaml");
        let environment = Environment::from_pairs([("HOME", self.path("home").to_str().unwrap())]);
        let origin = Origin { path: &path, folder: self.place.path(), environment: &environment };
        plans(parse(&path, &self.text)?.0, &origin)
    }

    fn first(&self) -> Settings {
        self.plans().unwrap()[0].settings.clone()
    }

    fn error(&self) -> String {
        self.plans().unwrap_err().to_string()
    }
}

#[test]
fn an_app_with_nothing_but_its_folder_gets_the_defaults() {
    let case = Case::of("version: 1\nname: shop\napps:\n- appDirPath: orders\n");
    let plan = case.plans().unwrap().remove(0);
    let expected = Settings {
        app_id: "orders".to_owned(),
        app_channel_address: "127.0.0.1".to_owned(),
        app_port: -1,
        http_port: -1,
        grpc_port: -1,
        internal_grpc_port: -1,
        metrics_port: -1,
        profile_port: -1,
        config_file: Some(case.path("home/.dapr/config.yaml")),
        resources_paths: vec![case.path("home/.dapr/components")],
        app_protocol: "http".to_owned(),
        listen_addresses: "127.0.0.1".to_owned(),
        app_max_concurrency: -1,
        max_body_size: "4Mi".to_owned(),
        read_buffer_size: "4Ki".to_owned(),
        ..Settings::default()
    };
    assert_eq!(plan.settings, expected);
    let place = plan.place.unwrap();
    assert_eq!((place.sidecar_log, place.app_log), (LogDestination::File, LogDestination::FileAndConsole));
    assert_eq!((place.directory, place.template_name.as_str()), (case.path("orders"), "shop"));
}

#[test]
fn the_app_wins_over_common_where_it_says_something() {
    let table = [
        // common, app, what is seen
        ("logLevel: debug", "", "log_level: \"debug\""),
        ("logLevel: debug", "logLevel: warn", "log_level: \"warn\""),
        ("logLevel: debug", "logLevel: ''", "log_level: \"debug\""),
        ("appMaxConcurrency: 5", "appMaxConcurrency: 0", "app_max_concurrency: 5"),
        ("appMaxConcurrency: 5", "appMaxConcurrency: 7", "app_max_concurrency: 7"),
        ("enableApiLogging: true", "enableApiLogging: false", "enable_api_logging: true"),
        ("", "enableApiLogging: true", "enable_api_logging: true"),
        ("placementHostAddress: a", "placementHostAddress: ''", "placement_host_address: Some(\"\")"),
        ("placementHostAddress: a", "", "placement_host_address: Some(\"a\")"),
        ("schedulerHostAddress: a", "schedulerHostAddress: b:1", "scheduler_host_address: Some(\"b:1\")"),
        ("appProtocol: grpc", "appProtocol: h2c", "app_protocol: \"h2c\""),
        ("appSSL: true", "", "app_ssl: true"),
        ("maxBodySize: 8Mi", "", "max_body_size: \"8Mi\""),
        ("readBufferSize: 8Ki", "readBufferSize: 16Ki", "read_buffer_size: \"16Ki\""),
        ("apiListenAddresses: 0.0.0.0", "", "listen_addresses: \"0.0.0.0\""),
        ("appHealthThreshold: 2", "appHealthThreshold: 4", "app_health_threshold: 4"),
        ("appPort: 1", "", "app_port: -1"),
        ("", "appChannelAddress: localhost", "app_channel_address: \"localhost\""),
        ("", "daprInternalGRPCPort: 5", "internal_grpc_port: 5"),
        ("", "command: [a, b]", "command: [\"a\", \"b\"]"),
    ];
    for (common, app, seen) in table {
        let case = Case::of(&format!("version: 1\ncommon:\n  {common}\napps:\n- appDirPath: orders\n  {app}\n"));
        let settings = format!("{:?}", case.first());
        assert!(settings.contains(seen), "{common} | {app}: {seen} is not in {settings}");
    }
}

#[test]
fn variables_are_merged_and_the_app_wins() {
    let text = "version: 1\ncommon:\n  env: {A: 1, B: 2}\napps:\n- appDirPath: orders\n  env: {B: 3, C:}\n- appDirPath: bills\n";
    let plans = Case::of(text).plans().unwrap();
    let seen = |index: usize| plans[index].settings.env.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>();
    assert_eq!(seen(0), ["A=1", "B=3", "C="]);
    assert_eq!(seen(1), ["A=1", "B=2"]);
}

#[test]
fn resources_follow_app_then_local_then_common_then_default() {
    let with = |common: &str, app: &str| {
        Case::of(&format!("version: 1\ncommon:\n  {common}\napps:\n- appDirPath: orders\n  {app}\n"))
    };
    let case = with("resourcesPath: shared", "resourcesPath: ../bills").with_file("orders/.dapr/resources/x.yaml");
    assert_eq!(case.first().resources_paths, [case.path("bills")]);
    let case = with("resourcesPath: shared", "").with_file("orders/.dapr/resources/x.yaml");
    assert_eq!(case.first().resources_paths, [case.path("orders/.dapr/resources")]);
    let case = with("resourcesPath: shared\n  resourcesPaths: [bills, ./orders]", "");
    assert_eq!(case.first().resources_paths, [case.path("bills"), case.path("orders"), case.path("shared")]);
    let case = with("runtimePath: shared", "").with_file("shared/.dapr/components/x.yaml");
    assert_eq!(case.first().resources_paths, [case.path("shared/.dapr/components")]);
    let case = with("", "resourcesPath: ~/.dapr/components");
    assert_eq!(case.first().resources_paths, [case.path("home/.dapr/components")]);
}

#[test]
fn the_configuration_follows_the_same_order() {
    let text = "version: 1\ncommon:\n  configFilePath: shared/c.yaml\napps:\n- appDirPath: orders\n- appDirPath: bills\n  configFilePath: own.yaml\n";
    let case =
        Case::of(text).with_file("shared/c.yaml").with_file("bills/own.yaml").with_file("bills/.dapr/config.yaml");
    let files: Vec<_> = case.plans().unwrap().into_iter().map(|plan| plan.settings.config_file.unwrap()).collect();
    assert_eq!(files, [case.path("shared/c.yaml"), case.path("bills/own.yaml")]);
    let case = case.with_file("orders/.dapr/config.yaml");
    assert_eq!(case.first().config_file, Some(case.path("orders/.dapr/config.yaml")));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let table = [
        ("apps:\n- appDirPath: orders\n", "has no version"),
        ("version: 1\n", "has no apps"),
        ("version: 1\napps:\n- appID: a\n", "app a of the run file has no appDirPath"),
        ("version: 1\napps:\n- appDirPath: gone\n", "appDirPath of app 1: there is no"),
        ("version: 1\ncommon:\n  configFilePath: gone\napps: []\n", "configFilePath of common"),
        ("version: 1\napps:\n- appDirPath: orders\n  resourcesPaths: [gone]\n", "resourcesPaths of app 1"),
        ("version: 1\napps:\n- appDirPath: orders\n  appLogDestination: printer\n", "printer is none of console"),
        ("version: 1\napps:\n- appDirPath: orders\n  containerImagePullPolicy: Maybe\n", "Maybe is none of Always"),
    ];
    for (text, expected) in table {
        let error = Case::of(text).error();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
