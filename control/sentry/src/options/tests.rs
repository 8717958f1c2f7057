//! What a command line means.

use super::*;

fn parse_in(line: &str, variables: &[(&str, &str)]) -> Result<Command, OptionsError> {
    parse(line.split_whitespace().map(str::to_owned), &Environment::from_pairs(variables.iter().copied()))
}

fn run(line: &str) -> Options {
    match parse_in(line, &[]).unwrap() {
        Command::Run(options) => *options,
        Command::Help(text) => panic!("{text}"),
    }
}

fn fault(line: &str) -> String {
    parse_in(line, &[]).unwrap_err().to_string()
}

#[test]
fn the_flags_are_the_34_of_the_target_and_4_of_ours() {
    assert_eq!(flags::ALL.len(), 38);
    assert!(flags::ALL.is_sorted_by_key(|flag| flag.name));
    for flag in flags::ALL {
        let line = format!("--jwt-enabled --{}={}", flag.name, flag.default);
        assert!(parse_in(&line, &[]).is_ok(), "{line}");
    }
}

#[test]
fn the_defaults_are_those_of_the_target() {
    let options = run("");
    assert_eq!(options.configuration, PathBuf::from("daprsystem"));
    assert_eq!(options.id.as_str(), "spiffe://localhost/ns/default/dapr-sentry");
    assert_eq!(options.listen.service, (Host::Every, 50001));
    assert_eq!(options.listen.healthz, (Host::Every, 8080));
    assert_eq!(options.listen.metrics, Some((Host::parse("0.0.0.0").unwrap(), 9090)));
    assert!(options.jwt.is_none() && options.oidc.is_none() && options.warnings.is_empty());
    let usual =
        |part: crate::store::Part| PathBuf::from("/var/run/secrets/dapr.io/credentials").join(part.usual_name());
    for part in crate::store::Part::ALL {
        assert_eq!(options.files.path(part), usual(part));
    }
    assert_eq!(options.rotation.life, Duration::from_secs(8760 * 3600));
    let jwt = run("--jwt-enabled").jwt.unwrap();
    assert_eq!((jwt.algorithm, jwt.life), (Algorithm::Rs256, Duration::from_secs(24 * 3600)));
    assert_eq!((jwt.key_id, jwt.issuer), (None, None));
}

#[test]
fn one_dash_or_two_equals_or_blank() {
    for line in ["-port=7 -jwt-enabled", "--port 7 --jwt-enabled=true", "-port 8 --port=7 -jwt-enabled=1"] {
        let options = run(line);
        assert_eq!(options.listen.service.1, 7, "{line}");
        assert!(options.jwt.is_some(), "{line}");
    }
}

#[test]
fn an_unknown_flag_is_named() {
    let error = parse_in("--issuer-credential=x", &[]).unwrap_err();
    assert!(matches!(error, OptionsError::Unreadable(_)));
    assert_eq!(
        error.to_string(),
        "unknown flag: --issuer-credential; did you mean --issuer-credentials? All flags: sentry --help"
    );
    assert!(fault("--port=x").contains("--port"));
}

#[test]
fn the_namespace_is_that_of_the_process() {
    let Command::Run(options) = parse_in("--trust-domain cluster.local", &[("NAMESPACE", "dapr-system")]).unwrap()
    else {
        panic!("it is to run")
    };
    assert_eq!(options.id.as_str(), "spiffe://cluster.local/ns/dapr-system/dapr-sentry");
    assert!(parse_in("", &[("NAMESPACE", "a/b")]).is_err());
    assert!(fault("--trust-domain=Cluster.Local").contains("trust domain"));
}

#[test]
fn a_cluster_is_that_of_the_own_namespace() {
    let parsed = |line: &str| match parse_in(line, &[("NAMESPACE", "dapr-system")]).unwrap() {
        Command::Run(options) => *options,
        Command::Help(text) => panic!("{text}"),
    };
    let namespace = "dapr-system".to_owned();
    let options = parsed("--mode kubernetes --config=");
    assert_eq!(options.cluster, Some(InCluster { kubeconfig: None, namespace: namespace.clone() }));
    assert_eq!(options.configuration, PathBuf::from("daprsystem"));
    let named = parsed("--mode kubernetes --kubeconfig /k").cluster;
    assert_eq!(named, Some(InCluster { kubeconfig: Some(PathBuf::from("/k")), namespace }));
    assert!(fault("--mode kubernetes").contains("'NAMESPACE' environment variable not set"));
    assert!(parse_in("--mode kubernetes", &[("NAMESPACE", "")]).unwrap_err().to_string().contains("is empty"));
}

#[test]
fn a_kubeconfig_without_a_cluster_is_told() {
    assert!(run("--kubeconfig /k").warnings[0].contains("--kubeconfig is not used"));
    assert!(run("").cluster.is_none());
}

#[test]
fn an_unknown_mode_is_refused() {
    assert_eq!(fault("--mode foo"), "Invalid options: invalid mode: foo");
}

#[test]
fn absolute_names_are_files_elsewhere() {
    let files = run("--issuer-credentials /a --issuer-ca-filename /b/roots.pem --issuer-key-filename my.key").files;
    assert_eq!(files.path(crate::store::Part::Anchors), PathBuf::from("/b/roots.pem"));
    assert_eq!(files.path(crate::store::Part::IssuerKey), PathBuf::from("/a/my.key"));
}

#[test]
fn discovery_needs_tokens_and_the_files_of_its_tls() {
    assert!(fault("--jwt-issuer x").contains("jwt-issuer cannot be set when jwt-enabled is false"));
    assert!(fault("--oidc-enabled --jwt-enabled").contains("oidc-server-tls-cert-file is required"));
    assert!(fault("--oidc-enabled --jwt-enabled --oidc-server-tls-cert-file a").contains("tls-key-file is required"));
    assert!(fault("--oidc-server-tls-cert-file a").contains("both OIDC TLS certificate and key"));
    let without = run("--oidc-enabled --oidc-server-tls-enabled=false");
    assert!(without.oidc.is_none() && without.warnings.len() == 1);
    let line = "--oidc-enabled --jwt-enabled --oidc-server-tls-cert-file a --oidc-server-tls-key-file b \
                --oidc-allowed-hosts x,y --oidc-path-prefix auth/";
    let oidc = run(line).oidc.unwrap();
    assert_eq!(oidc.tls, Some((PathBuf::from("a"), PathBuf::from("b"))));
    assert_eq!((oidc.allowed_hosts, oidc.path_prefix.as_str()), (vec!["x".to_owned(), "y".to_owned()], "/auth"));
    assert_eq!(oidc.listen, Some((Host::Name("localhost".to_owned()), 9080)));
    let plain = "--oidc-enabled --jwt-enabled --oidc-server-tls-enabled=false --oidc-path-prefix";
    assert_eq!(run(&format!("{plain}=/")).oidc.unwrap().path_prefix, "");
    assert_eq!(run(&format!("{plain}=")).oidc.unwrap().path_prefix, "");
}

#[test]
fn lifetimes_and_parts_that_make_no_sense_are_refused() {
    assert!(fault("--jwt-enabled --jwt-ttl 0s").contains("jwt-ttl"));
    assert!(fault("--jwt-enabled --jwt-signing-algorithm none").contains("unsupported signature algorithm: none"));
    assert!(fault("--ca-ttl -1h").contains("ca-ttl"));
    for part in ["0", "1", "x", "NaN", "-0.5"] {
        assert!(fault(&format!("--rotation-sign-at {part}")).contains("between 0 and 1"), "{part}");
    }
    assert!(fault("--rotation-distribute-at 0.95").contains("less than rotation-sign-at"));
}
