//! The command `check` as a user sees it: what is printed, with file, line and column, and the exit code.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::process::Command;

struct Checked {
    code: i32,
    findings: String,
    verdict: String,
}

/// Checks one file of the given text, in a folder with a file of secrets.
fn check(text: &str) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    std::fs::write(
        folder.path().join("secrets.json"),
        r#"{"key": "not hexadecimal", "good": "00112233445566778899aabbccddeeff"}"#,
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trilby"))
        .args(["check", "a.yaml"])
        .current_dir(folder.path())
        .env("CHECKED_PREFIX", "a||b")
        .output()
        .unwrap();
    Checked {
        code: output.status.code().unwrap(),
        findings: String::from_utf8(output.stdout).unwrap(),
        verdict: String::from_utf8(output.stderr).unwrap(),
    }
}

fn component(name: &str, kind: &str, rest: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: {kind}\n  version: v1\n{rest}"
    )
}

fn secrets() -> String {
    component(
        "secrets",
        "secretstores.local.file",
        "  metadata:\n  - name: secretsFile\n    value: secrets.json\n---\n",
    )
}

#[test]
fn good_resources_are_called_good() {
    let store = component(
        "store",
        "state.in-memory",
        "  metadata:\n  - name: primaryEncryptionKey\n    secretKeyRef:\n      name: good\nauth:\n  secretStore: secrets\n",
    );
    let checked = check(&(secrets() + &store));
    assert_eq!(
        checked.findings.trim_start_matches(|letter: char| !letter.is_ascii_digit()),
        "2 resources read: nothing to complain about\n"
    );
    assert_eq!(checked.code, 0);
}

#[test]
fn a_misspelt_type_and_kind_are_named_with_what_was_meant() {
    let checked =
        check(&(component("store", "state.in-memroy", "---\n") + "apiVersion: dapr.io/v1alpha1\nkind: Componnet\n"));
    let mut lines = checked.findings.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("a.yaml:6:9: error: component store (state.in-memroy/v1): couldn't find"), "{first}");
    assert!(first.contains("did you mean state.in-memory?"), "{first}");
    assert_eq!(lines.next().unwrap(), "a.yaml:10:7: error: nothing reads the kind \"Componnet\"; was Component meant?");
    assert!(checked.verdict.contains("1 resource read: 2 errors"), "{}", checked.verdict);
    assert_eq!(checked.code, 1);
}

#[test]
fn a_wrong_value_names_component_field_value_and_what_is_accepted() {
    let checked =
        check(&component("store", "state.in-memory", "  metadata:\n  - name: keyPrefix\n    envRef: CHECKED_PREFIX\n"));
    assert_eq!(
        checked.findings,
        "a.yaml:9:5: error: component store (state.in-memory/v1): metadata field keyPrefix is \"a||b\": expected a prefix \
         without ||\n"
    );
}

#[test]
fn a_secret_that_is_not_there_is_named_and_a_wrong_one_not_shown() {
    let refer = |secret: &str| {
        let rest = format!(
            "  metadata:\n  - name: primaryEncryptionKey\n    secretKeyRef:\n      name: {secret}\nauth:\n  secretStore: secrets\n"
        );
        check(&(secrets() + &component("store", "state.in-memory", &rest)))
    };
    let missing = refer("other").findings;
    assert!(missing.starts_with("a.yaml:22:7: error: "), "{missing}");
    assert!(missing.ends_with("the secret store secrets has no secret \"other\"\n"), "{missing}");
    let wrong = refer("key").findings;
    assert!(wrong.contains("primaryEncryptionKey") && !wrong.contains("not hexadecimal"), "{wrong}");
}

#[test]
fn names_and_actor_stores_may_repeat_only_for_different_apps() {
    let actors = "  metadata:\n  - name: actorStateStore\n    value: \"true\"\n";
    let scoped = |app: &str| format!("{actors}scopes: [{app}]\n---\n");
    let apart = component("a", "state.in-memory", &scoped("one")) + &component("a", "state.in-memory", &scoped("two"));
    assert_eq!(check(&apart).code, 0);
    let shared = component("a", "state.in-memory", &scoped("one")) + &component("b", "state.in-memory", &scoped("one"));
    let findings = check(&shared).findings;
    assert!(findings.contains("error: b (state.in-memory/v1) cannot hold actors too"), "{findings}");
    let twice = component("a", "state.in-memory", "---\n") + &component("a", "state.in-memory", "");
    let findings = check(&twice).findings;
    assert!(findings.starts_with("a.yaml:12:9: error: the name \"a\" is taken"), "{findings}");
}
