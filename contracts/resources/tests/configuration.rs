//! Configuration files: merging, variables, and what is refused.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail the test")]

use std::path::PathBuf;

use resources::{ApiProtocol, Configuration, Error, load_configuration, merge_configuration};
use trilby_resources as resources;

fn merge(texts: &[&str]) -> Result<Configuration, Error> {
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| (PathBuf::from(format!("{index}.yaml")), (*text).to_owned()))
        .collect();
    let variable = |name: &str| (name == "DAPR_SECRET").then(|| "keepit".to_owned());
    merge_configuration(&files, &variable)
}

fn message(text: &str) -> String {
    merge(&[text]).unwrap_err().to_string()
}

#[test]
fn no_file_means_the_built_in_defaults() {
    let configuration = merge(&[]).unwrap();
    assert_eq!(configuration, Configuration::built_in());
    assert!(configuration.metric().is_enabled());
    assert_eq!(configuration.spec.access_control.unwrap().default_action, "allow");
    assert_eq!(merge(&["", "# nothing\n"]).unwrap(), Configuration::built_in());
}

#[test]
fn an_empty_section_keeps_the_defaults() {
    assert_eq!(merge(&["kind: Configuration\nspec:\n"]).unwrap().spec, Configuration::built_in().spec);
    let kept = merge(&["spec: {accessControl: {defaultAction: deny}}\n", "spec: ~\n"]).unwrap();
    assert_eq!(kept.spec.access_control.unwrap().default_action, "deny");
}

#[test]
fn the_last_list_of_features_wins() {
    let feature = |name: &str| format!("spec:\n  features:\n    - name: {name}\n      enabled: true\n");
    let configuration = merge(&[&feature("Feature1"), &feature("Feature2")]).unwrap();
    assert_eq!(configuration.enabled_features(), ["Feature2", "HotReload", "WorkflowsRemoteActivityReminder"]);
}

#[test]
fn files_merge_key_by_key() {
    let first = "metadata: {name: one}\nspec:\n  tracing: {samplingRate: 1.0, otel: {endpointAddress: a, isSecure: false}}\n  \
                 mtls: {enabled: true, workloadCertTTL: 25s}\n  nameResolution: {component: sqlite, configuration: {a: 1, b: 2}}\n";
    let second = "spec:\n  tracing: {stdout: true, samplingRate: ~, otel: {protocol: http, isSecure: ~}}\n  mtls: ~\n  \
                  nameResolution: {configuration: {c: 3}}\n";
    let configuration = merge(&[first, second]).unwrap();
    let tracing = configuration.tracing();
    assert_eq!((tracing.sampling_rate.as_str(), tracing.stdout), ("1.0", true));
    let otel = tracing.otel.unwrap();
    assert_eq!((otel.endpoint_address.as_str(), otel.protocol.as_str(), otel.is_secure), ("a", "http", None));
    assert_eq!(configuration.spec.mtls, None);
    let resolution = configuration.spec.name_resolution.unwrap();
    assert_eq!(resolution.component, "sqlite");
    assert_eq!(resolution.configuration, Some(serde_json::json!({"c": 3})));
    assert_eq!(configuration.metadata.name, "one");
}

#[test]
fn the_defaults_stay_beside_what_a_file_sets() {
    let configuration = merge(&["spec: {accessControl: {policies: [{appId: a}]}, tracing: {stdout: yes}}\n"]).unwrap();
    let access = configuration.spec.access_control.unwrap();
    assert_eq!((access.default_action.as_str(), access.trust_domain.as_str()), ("allow", "public"));
    assert_eq!(access.policies[0].app_id, "a");
    assert!(configuration.spec.tracing.unwrap().otel.unwrap().uses_tls());
}

#[test]
fn variables_are_filled_in_before_reading() {
    let text = "spec:\n  secrets:\n    scopes:\n    - {storeName: local, defaultAccess: deny, allowedSecrets: [\"${DAPR_SECRET}\", a]}\n";
    let configuration = merge(&[text]).unwrap();
    assert_eq!(configuration.spec.secrets.as_ref().unwrap().scopes[0].allowed_secrets, ["a", "keepit"]);
    assert!(configuration.is_secret_allowed("local", "keepit"));
    assert!(!configuration.is_secret_allowed("local", "other"));
    assert!(configuration.is_secret_allowed("another", "other"));
}

#[test]
fn broken_scopes_of_secrets_are_refused() {
    let scopes = |scopes: &str| message(&format!("spec: {{secrets: {{scopes: [{scopes}]}}}}\n"));
    let repeated = scopes("{storeName: vault}, {storeName: vault}");
    assert_eq!(repeated, "vault storeName is repeated in secrets configuration");
    let unknown = scopes("{storeName: vault, defaultAccess: maybe}");
    assert_eq!(unknown, "defaultAccess maybe can be either allow or deny");
}

#[test]
fn what_does_not_fit_is_named_even_when_covered_later() {
    assert_eq!(
        message("spec:\n  mtls:\n    enabled: sure\n"),
        r#"0.yaml: line 3, column 14: spec.mtls.enabled: expected true or false, found the string "sure""#
    );
    let covered = merge(&["spec: {features: {a: b}}\n", "spec: {features: []}\n"]).unwrap_err().to_string();
    assert_eq!(covered, "0.yaml: line 1, column 18: spec.features: expected a list, found a mapping");
    assert_eq!(
        message("spec: {}\nspec: {}\n"),
        "0.yaml: line 2, column 1: mapping key \"spec\" already defined at line 1"
    );
    let retention = "spec: {workflow: {stateRetentionPolicy: {completed: 5}}}\n";
    assert!(message(retention).ends_with(
        r#"spec.workflow.stateRetentionPolicy.completed: expected a duration such as 30s or 1h15m, found "5""#
    ));
    assert!(message("[]").ends_with("expected a mapping, found a list"));
    assert!(
        message("spec: {tracing: {otel: {headers: [[a]]}}}")
            .ends_with("expected a header as name=value, found sequence")
    );
}

#[test]
fn fields_of_these_files_are_exact_and_words_are_newer() {
    let configuration =
        merge(&["spec: {MTLS: {enabled: true}, mtls: {enabled: on, allowedClockSkew: 010}}\n"]).unwrap();
    let mtls = configuration.spec.mtls.unwrap();
    assert_eq!((mtls.is_enabled(), mtls.allowed_clock_skew.as_str()), (true, "010"));
}

#[test]
fn api_rules_are_asked_by_protocol() {
    let configuration = merge(&["spec: {api: {allowed: [{name: state, version: v1.0, protocol: http}], denied: [{name: lock, version: v1, protocol: GRPC}]}}\n"]).unwrap();
    assert!(configuration.allowed_apis(ApiProtocol::Http).contains("v1.0/state"));
    assert!(configuration.allowed_apis(ApiProtocol::Grpc).is_empty());
    assert!(configuration.denied_apis(ApiProtocol::Grpc).contains("v1/lock"));
    assert!(!configuration.api_logging().enabled);
}

#[test]
fn files_are_read_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "spec: {logging: {apiLogging: {enabled: true}}}\n").unwrap();
    let configuration = load_configuration(&[&path], &|_| None).unwrap();
    assert!(configuration.api_logging().enabled);
    let missing = load_configuration(&["/no/such.yaml"], &|_| None).unwrap_err();
    assert_eq!(missing.to_string(), "stat /no/such.yaml: no such file or directory");
}
