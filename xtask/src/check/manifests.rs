//! Versions and features live in the root manifest, so that the whole product is built from one list. Called by `check`.

use toml::Value;

use super::problem::Problem;
use super::workspace::{Dependency, Member, Workspace};

/// The one crate with Cargo features of its own: it chooses the backends of a build.
const WITH_FEATURES: &str = "components/all";

/// A feature that a member may ask for beyond the root manifest.
struct Exception {
    /// The member, or `*` for the tests of any member.
    member: &'static str,
    key: &'static str,
    feature: &'static str,
    /// Why the root manifest cannot give it.
    #[expect(dead_code, reason = "read by whoever wants to add one")]
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        member: "*",
        key: "tokio",
        feature: "test-util",
        reason: "tests stop the clock; in the product the clock cannot be stopped",
    },
    Exception {
        member: "xtask",
        key: "proc-macro2",
        feature: "span-locations",
        reason: "the checks name lines; every procedural macro would pay for it",
    },
    Exception { member: "xtask", key: "syn", feature: "visit", reason: "only the checks walk syntax" },
];

/// Crates with lints of their own; each says why in its manifest. Generated code, code that exists only to fail tests, and one
/// line that the language calls unsafe.
const OWN_LINTS: &[&str] = &[
    "contracts/wire",
    "base/footprint",
    "tests/conformance",
    "tests/faults",
    "tests/servers",
    "tests/testkit",
    "tests/wire",
];

/// Problems with what the members' manifests say for themselves.
pub(crate) fn check(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in &workspace.members {
        let manifest = &member.manifest;
        for dependency in manifest.dependencies() {
            problems.extend(
                check_dependency(member, &dependency)
                    .map(|text| Problem::new(&manifest.path, manifest.line_of(dependency.key), text)),
            );
        }
        if manifest.table.contains_key("features") && member.folder != WITH_FEATURES {
            let text = format!("only {WITH_FEATURES} has Cargo features; take [features] out");
            problems.push(Problem::new(&manifest.path, manifest.line_of("features"), text));
        }
        let lints = manifest.table.get("lints");
        let inherited = lints.and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) == Some(true);
        if !inherited && !OWN_LINTS.contains(&member.folder.as_str()) {
            let text = "the lints of the workspace are not in force; write [lints] workspace = true";
            problems.push(Problem::new(&manifest.path, 1, text));
        }
    }
    problems
}

fn check_dependency(member: &Member, dependency: &Dependency<'_>) -> Option<String> {
    let key = dependency.key;
    if dependency.value.get("workspace").and_then(Value::as_bool) != Some(true) {
        return Some(format!("the version of {key} belongs into the root Cargo.toml; write {key}.workspace = true"));
    }
    if dependency.value.get("default-features").is_some() {
        return Some(format!("whether {key} has its default features is said in the root Cargo.toml"));
    }
    if dependency.value.get("optional").is_some() && member.folder != WITH_FEATURES {
        return Some(format!("only {WITH_FEATURES} has optional dependencies; make {key} a plain one"));
    }
    let features = dependency.value.get("features").and_then(Value::as_array);
    let unknown = features.into_iter().flatten().filter_map(Value::as_str).find(|feature| {
        !EXCEPTIONS.iter().any(|exception| {
            let member = exception.member == member.folder || (exception.member == "*" && dependency.only_for_tests);
            member && exception.key == key && exception.feature == *feature
        })
    })?;
    Some(format!(
        "feature {unknown:?} of {key} belongs into the root Cargo.toml, or with a reason into EXCEPTIONS of \
         xtask/src/check/manifests.rs"
    ))
}
