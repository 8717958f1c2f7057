//! What a command line means.

use super::*;

fn site() -> Site {
    Site { working_directory: "/work/project".into(), user_id: 1000, host: "host-1".into() }
}

fn parse_in(line: &str, variables: &[(&str, &str)]) -> Result<Command, OptionsError> {
    let environment = Environment::from_pairs(variables.iter().copied());
    parse(line.split_whitespace().map(str::to_owned), &environment, &site())
}

fn run_in(line: &str, variables: &[(&str, &str)]) -> Options {
    match parse_in(line, variables).unwrap() {
        Command::Run(options) => *options,
        other => panic!("not a run: {other:?}"),
    }
}

fn run(line: &str) -> Options {
    run_in(&format!("--app-id a {line}"), &[])
}

fn fault(line: &str) -> String {
    parse_in(&format!("--app-id a {line}"), &[]).unwrap_err().to_string()
}

#[test]
fn there_are_58_flags_and_their_defaults_can_be_read() {
    assert_eq!(flags::ALL.len(), 58);
    assert!(flags::ALL.is_sorted_by_key(|flag| flag.name));
    for flag in flags::ALL {
        let argument = format!("--{}={}", flag.name, flag.default);
        assert!(parse_in(&format!("--app-id=a {argument} --app-id=a"), &[]).is_ok(), "{argument}");
    }
}

#[test]
fn the_defaults_are_those_of_the_target() {
    let options = run("");
    let listen = &options.listen;
    assert_eq!((listen.http_port, listen.grpc_port, listen.profile_port), (3500, 50001, 7777));
    assert_eq!(listen.metrics, Some((Host::parse("0.0.0.0").unwrap(), 9090)));
    assert_eq!(listen.api_hosts, [Host::Every]);
    assert_eq!((listen.public_port, listen.profiling, listen.h2c), (None, false, true));
    assert_eq!(listen.internal_port, InternalPort { number: stable_port("a", &site()), may_differ: true });
    assert_eq!((options.max_body_bytes, options.read_buffer_bytes), (Some(4 << 20), 4096));
    assert_eq!(options.app.protocol, AppProtocol::Http);
    assert_eq!((options.app.port, options.app.max_concurrency, options.app.health), (None, None, None));
    assert_eq!(options.graceful_shutdown, Duration::from_secs(5));
    assert_eq!((options.block_shutdown, options.log.api_calls), (None, None));
    assert!(options.notices.is_empty() && options.warnings.is_empty() && options.deprecations.is_empty());
}

#[test]
fn one_dash_or_two_equals_or_blank() {
    for line in
        ["--app-port 5000", "-app-port 5000", "--app-port=5000", "-app-port=5000", "--app-port 1 --app-port 5000"]
    {
        assert_eq!(run(line).app.port, Some(5000), "{line}");
    }
    assert!(run("--enable-app-health-check").app.health.is_some());
    assert!(run("-enable-app-health-check=T").app.health.is_some());
    assert!(run("--enable-app-health-check=false").app.health.is_none());
    assert!(run("--enable-app-health-check false").app.health.is_some(), "a boolean takes no separate value");
    assert_eq!(run("--app-port 1 -- --app-port 2").app.port, Some(1));
    assert_eq!(run("--app-health-check-path --odd").app.health_path, "--odd");
}

#[test]
fn lists_add_up_and_split_at_commas() {
    let options = run("--resources-path a,b --resources-path c --config=x --config \"y,z\"");
    assert_eq!(options.resources, ["a", "b", "c"].map(PathBuf::from));
    assert_eq!(options.configurations, ["x", "y,z"].map(PathBuf::from));
}

#[test]
fn unreadable_command_lines_are_told_as_the_target_tells_them() {
    assert_eq!(fault("--app-prot 1"), "unknown flag: --app-prot; did you mean --app-port? All flags: daprd --help");
    assert_eq!(fault("--zzzzzzzzzzzzzzz"), "unknown flag: --zzzzzzzzzzzzzzz; all flags: daprd --help");
    assert_eq!(fault("--app-port"), "flag needs an argument: --app-port");
    assert_eq!(fault("---x"), "bad flag syntax: ---x");
    let bad =
        r#"invalid argument "maybe" for "--enable-mtls" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#;
    assert_eq!(fault("--enable-mtls=maybe"), bad);
    let bad =
        r#"invalid argument "x" for "--app-health-threshold" flag: strconv.ParseInt: parsing "x": invalid syntax"#;
    assert_eq!(fault("--app-health-threshold x"), bad);
    let bad = r#"invalid argument "5" for "--app-binding-options-timeout" flag: time: missing unit in duration "5""#;
    assert_eq!(fault("--app-binding-options-timeout 5"), bad);
    assert!(fault("--scheduler-job-streams -1").contains("--scheduler-job-streams"));
    assert_eq!(parse_in("--nope", &[]).unwrap_err().exit_code(), 2);
    assert_eq!(parse_in("", &[]).unwrap_err().exit_code(), 1);
}

#[test]
fn what_cannot_be_followed_is_told_as_the_target_tells_it() {
    assert_eq!(parse_in("", &[]).unwrap_err().to_string(), "parameter app-id cannot be empty");
    assert_eq!(parse_in("--app-id a.b", &[]).unwrap_err().to_string(), "parameter app-id cannot contain dots");
    let port = r#"error parsing dapr-http-port flag: strconv.Atoi: parsing "x": invalid syntax"#;
    assert_eq!(fault("--dapr-http-port x"), port);
    assert_eq!(fault("--app-port 70000"), "error parsing app-port: 70000 is not a port, expected 0 to 65535");
    assert_eq!(fault("--app-port 3500"), "the 'dapr-http-port' argument value 3500 conflicts with 'app-port'");
    assert_eq!(fault("--app-port 50001"), "the 'dapr-grpc-port' argument value 50001 conflicts with 'app-port'");
    assert_eq!(fault("--app-protocol ftp"), "invalid value for 'app-protocol': ftp");
    assert_eq!(fault("--disable-init-endpoints config,x"), "invalid value for 'disable-init-endpoints': x");
    assert_eq!(fault("--log-level loud"), "invalid value for --log-level: loud");
    let probe = "value for 'health-probe-timeout' must be smaller than 'health-probe-interval'";
    assert_eq!(fault("--app-health-probe-interval 1 --app-health-probe-timeout 1001"), probe);
    let timeout =
        "Failed to parse flags: invalid value for 'actors-disseminate-timeout' option: must be positive, got 0s";
    assert_eq!(fault("--actors-disseminate-timeout 0s"), timeout);
    assert!(
        fault("--max-body-size 1x").starts_with("Failed to parse flags: invalid value for 'max-body-size' option: ")
    );
    assert!(fault("--dapr-listen-addresses 127.0.0.1:80").contains("dapr-listen-addresses"));
}

#[test]
fn what_is_not_built_is_refused_where_ignoring_it_would_harm() {
    assert!(fault("--mode kubernetes").contains("--mode standalone"));
    assert_eq!(run("--enable-mtls=false --mode standalone").app_id, "a");
}

#[test]
fn mutual_tls_says_what_it_needs() {
    assert!(fault("--enable-mtls").contains("--sentry-address"));
    let line = "--app-id a --enable-mtls --sentry-address s:1";
    let fault = |variables: &[(&str, &str)]| parse_in(line, variables).unwrap_err().to_string();
    assert!(fault(&[]).contains("trust anchors are required"));
    let anchors = ("DAPR_TRUST_ANCHORS", "-----BEGIN");
    assert!(fault(&[anchors, ("DAPR_TRUST_ANCHORS_FILE", "/ca.crt")]).contains("given twice"));
    assert!(fault(&[anchors, ("DAPR_SENTRY_TOKEN_FILE", "")]).contains("DAPR_SENTRY_TOKEN_FILE"));
    assert!(fault(&[anchors, ("DAPR_CONTROLPLANE_TRUST_DOMAIN", "A B")]).contains("trust domain"));
}

#[test]
fn mutual_tls_asks_for_the_app_in_its_namespace_and_for_nobody_else() {
    let line = "--app-id a --enable-mtls --sentry-address s:1 --control-plane-namespace system \
                --control-plane-trust-domain cluster.local --sentry-request-jwt-audiences x,y";
    let anchors = ("DAPR_TRUST_ANCHORS", "-----BEGIN");
    let asked = run_in(line, &[anchors]).identity.unwrap();
    assert_eq!(asked.sentry.as_str(), "spiffe://cluster.local/ns/system/dapr-sentry");
    assert_eq!((asked.name.as_str(), asked.namespace.as_str(), asked.trust_domain.as_ref()), ("a", "default", None));
    assert_eq!(asked.audiences, ["x", "y"]);
    let asked = run_in(line, &[anchors, ("NAMESPACE", "prod"), ("SENTRY_LOCAL_IDENTITY", "b")]).identity.unwrap();
    assert_eq!((asked.name.as_str(), asked.namespace.as_str()), ("b", "prod"));
    assert!(run_in("--app-id a --enable-mtls=false", &[anchors]).identity.is_none());
}

#[test]
fn what_is_not_used_yet_is_told_in_one_line_each() {
    let options = run("--placement-host-address h:1,i:2 --scheduler-host-address s:1 --scheduler-host-address s:2");
    assert_eq!(options.notices.len(), 2);
    assert!(options.notices[0].contains("h:1,i:2") && options.notices[1].contains("s:1,s:2"));
    let variables = [("DAPR_SCHEDULER_HOST_ADDRESS_DNS_A", "v:1")];
    assert!(run_in("--app-id a", &variables).notices[0].contains("v:1"));
    assert!(run_in("--app-id a --scheduler-host-address=", &variables).notices.is_empty());
}

#[test]
fn an_address_of_blanks_and_quotes_is_none() {
    let arguments = |flag: &str, value: &str| ["--app-id", "a", flag, value].map(str::to_owned);
    let options = |flag: &str, value: &str| match parse(arguments(flag, value), &Environment::default(), &site()) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{other:?}"),
    };
    for blank in ["", " ", "       ", "''", "'      '", "\"\"", "\"   \""] {
        for flag in ["--placement-host-address", "--scheduler-host-address"] {
            let options = options(flag, blank);
            assert!(options.placement.is_empty() && options.schedulers.is_empty(), "{flag} {blank:?}");
            assert!(options.notices.is_empty(), "{flag} {blank:?}");
        }
    }
    assert!(options("--placement-host-address", "'\"\"'").placement.is_empty());
    assert_eq!(options("--placement-host-address", "h:1,i:2").placement, ["h:1", "i:2"]);
    assert_eq!(options("--actors-service", "placement:h:1").placement, ["h:1"]);
    assert_eq!(run_in("--app-id a", &[("DAPR_SCHEDULER_HOST_ADDRESS_DNS_A", "v:1,w:2")]).schedulers, ["v:1", "w:2"]);
    assert!(run_in("--app-id a", &[("DAPR_SCHEDULER_HOST_ADDRESS_DNS_A", "")]).schedulers.is_empty());
}

#[test]
fn variables_that_nothing_reads_yet_are_told_without_their_values() {
    let variables = [("OTEL_SERVICE_NAME", ""), ("OPENAI_MODEL", "m")];
    let expected = ["Not used yet: OPENAI_MODEL: this release has no conversation components"];
    assert_eq!(run_in("--app-id a", &variables).notices, expected);
}

#[test]
fn sizes_are_quantities_and_old_flags_still_work() {
    assert_eq!(run("--max-body-size 2Gi").max_body_bytes, Some(2 << 30));
    assert_eq!(run("--max-body-size 1.5k").max_body_bytes, Some(1500));
    assert_eq!(run("--max-body-size 2e3").max_body_bytes, Some(2000));
    assert_eq!(run("--max-body-size -1").max_body_bytes, Some(4 << 20));
    assert_eq!(run("--max-body-size 0").max_body_bytes, None);
    assert!(fault("--max-body-size 100m").contains("cannot get bytes from resource quantity value '100m'"));
    assert_eq!(run("--read-buffer-size 16Ki").read_buffer_bytes, 16384);
    let options = run("--dapr-http-max-request-size 8 --dapr-http-read-buffer-size 2");
    assert_eq!((options.max_body_bytes, options.read_buffer_bytes), (Some(8 << 20), 2048));
    assert_eq!(
        options.deprecations[0],
        "Flag --dapr-http-max-request-size has been deprecated, use '--max-body-size 4Mi'"
    );
    assert_eq!(run("--dapr-http-max-request-size 8 --max-body-size 1Mi").max_body_bytes, Some(1 << 20));
}

#[test]
fn old_names_work_with_their_warnings() {
    let options = run("--components-path c --app-ssl --app-protocol GRPC");
    assert_eq!(options.resources, [PathBuf::from("c")]);
    assert_eq!(options.app.protocol, AppProtocol::Grpcs);
    assert_eq!(options.warnings, ["The 'app-ssl' flag is deprecated; use 'app-protocol=grpcs' instead"]);
    assert_eq!(options.deprecations.len(), 2);
    assert_eq!(run("--components-path c --resources-path r").resources, [PathBuf::from("r")]);
}

#[test]
fn variables_stand_in_for_flags_that_are_not_given() {
    let variables = [
        ("DAPR_CONTROLPLANE_NAMESPACE", "ns"),
        ("DAPR_CONTROLPLANE_TRUST_DOMAIN", "td"),
        ("NAMESPACE", "mine"),
        ("DAPR_API_TOKEN", "in"),
        ("APP_API_TOKEN", "out"),
        ("DAPR_HTTP_DISABLE_H2C", "TRUE"),
    ];
    let options = run_in("--app-id a --control-plane-namespace flag", &variables);
    assert_eq!(options.control_plane, ("td".into(), "flag".into()));
    assert_eq!(options.namespace, "mine");
    assert_eq!((options.api_token.reveal(), options.app.token.reveal()), (Some("in"), Some("out")));
    assert!(!options.listen.h2c);
    let shown = format!("{options:?}");
    assert!(!shown.contains("\"in\"") && !shown.contains("\"out\""), "{shown}");
}

#[test]
fn numbers_out_of_range_become_defaults_where_the_target_has_it() {
    let options = run("--enable-app-health-check --app-health-threshold 0 --app-health-probe-interval -5 \
         --app-max-concurrency 0 --dapr-graceful-shutdown-seconds -1 --hot-reload-reconcile-interval -3s");
    let health = AppHealth { interval: Duration::from_secs(5), timeout: Duration::from_millis(500), threshold: 3 };
    assert_eq!(options.app.health, Some(health));
    assert_eq!(options.app.max_concurrency, None);
    assert_eq!(options.graceful_shutdown, Duration::from_secs(5));
    assert_eq!(options.hot_reload_interval, Duration::from_secs(60));
    assert_eq!(run("--app-max-concurrency 0x10").app.max_concurrency, Some(16));
    assert_eq!(run("--dapr-block-shutdown-duration 1m30s").block_shutdown, Some(Duration::from_secs(90)));
    assert_eq!(run("--enable-api-logging=false").log.api_calls, Some(false));
    assert_eq!(run("--dapr-internal-grpc-port 50002").listen.internal_port.number, 50002);
}

#[test]
fn printing_commands_need_no_app() {
    assert!(matches!(parse_in("--version", &[]), Ok(Command::Version)));
    assert!(matches!(parse_in("-build-info", &[]), Ok(Command::BuildInfo)));
    assert!(matches!(parse_in("--wait --dapr-http-port 3501", &[]), Ok(Command::Wait(3501))));
    for line in ["--help", "-help", "-h"] {
        let Ok(Command::Help(page)) = parse_in(line, &[]) else { panic!("{line}") };
        assert!(page.contains("--max-body-size string") && page.contains("(default \"4Mi\")"));
        assert!(!page.contains("--app-ssl"));
    }
}
