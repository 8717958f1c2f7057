//! Who may depend on whom: the table of the design, held against the manifests. Called by `check`.

use super::problem::Problem;
use super::workspace::{Member, Workspace};

/// What the crates of one folder may depend on. A name that ends in `/` stands for every crate below it.
struct Rule {
    crates: &'static str,
    may_use: &'static [&'static str],
}

/// The first rule that fits a crate is the one that counts, so a single crate stands before its folder.
const RULES: &[Rule] = &[
    Rule { crates: "contracts/", may_use: &["contracts/"] },
    Rule { crates: "base/", may_use: &["contracts/", "base/"] },
    Rule { crates: "components/api-derive", may_use: &[] },
    Rule { crates: "components/api", may_use: &["components/api-derive", "base/schedule"] },
    Rule { crates: "components/all", may_use: &["components/"] },
    Rule {
        crates: "components/hub",
        may_use: &["components/api", "base/schedule", "base/hubclient", "contracts/wire"],
    },
    Rule { crates: "components/pluggable", may_use: &["components/api", "base/schedule", "contracts/wire"] },
    Rule { crates: "components/", may_use: &["components/api", "base/schedule"] },
    Rule { crates: "runtime/call", may_use: &["base/", "contracts/"] },
    Rule { crates: "runtime/loaded", may_use: &["base/", "contracts/", "components/api"] },
    Rule { crates: "runtime/app", may_use: &["base/", "contracts/", "runtime/call", "runtime/loaded"] },
    Rule { crates: "runtime/routing", may_use: &[] },
    Rule {
        crates: "runtime/mesh",
        may_use: &["base/", "contracts/", "runtime/call", "runtime/loaded", "components/api"],
    },
    Rule {
        crates: "runtime/actors",
        may_use: &["base/", "contracts/", "runtime/call", "runtime/loaded", "runtime/mesh", "runtime/app"],
    },
    Rule { crates: "runtime/workflow", may_use: &["base/", "contracts/", "runtime/actors"] },
    Rule {
        crates: "runtime/blocks",
        may_use: &[
            "base/",
            "contracts/",
            "components/api",
            "runtime/call",
            "runtime/loaded",
            "runtime/app",
            "runtime/mesh",
            "runtime/routing",
            "runtime/actors",
        ],
    },
    Rule {
        crates: "runtime/front",
        may_use: &[
            "base/",
            "contracts/",
            "runtime/call",
            "runtime/loaded",
            "runtime/blocks",
            "runtime/actors",
            "runtime/workflow",
        ],
    },
    Rule {
        crates: "runtime/sidecar",
        may_use: &["base/", "contracts/", "runtime/", "components/all", "components/api"],
    },
    Rule { crates: "control/hub", may_use: &["base/", "contracts/", "control/"] },
    Rule { crates: "control/", may_use: &["base/", "contracts/"] },
    Rule { crates: "tools/cli", may_use: &["base/", "contracts/", "components/all", "components/api"] },
    Rule { crates: "tools/", may_use: &["base/", "contracts/"] },
    Rule { crates: "bin", may_use: &["runtime/sidecar", "control/", "tools/", "base/service", "base/footprint"] },
    Rule {
        crates: "tests/conformance",
        may_use: &["base/", "contracts/", "components/all", "components/api", "tests/servers", "tests/testkit"],
    },
    Rule { crates: "tests/servers", may_use: &["components/api"] },
    Rule { crates: "tests/", may_use: &["base/", "contracts/", "tests/testkit", "tests/servers"] },
    Rule { crates: "benches", may_use: &["base/", "contracts/", "tests/testkit"] },
    // It drives whole sidecars inside its own process, made by the code that makes them in production.
    Rule { crates: "benches/counts", may_use: &["base/", "contracts/", "runtime/sidecar"] },
    Rule { crates: "examples/", may_use: &[] },
    Rule {
        crates: "xtask",
        may_use: &[
            "base/",
            "contracts/",
            "components/all",
            "components/api",
            "runtime/sidecar",
            "tests/conformance",
            "tests/servers",
        ],
    },
];

/// What any crate may use in its tests besides: the testkit, the real servers, and, in place of fakes, the components that
/// need no server, with their traits.
const IN_TESTS: &[&str] = &["tests/testkit", "tests/servers", "components/api", "components/local"];

/// Problems with what the members depend on.
pub(crate) fn check(workspace: &Workspace) -> Vec<Problem> {
    workspace.members.iter().flat_map(|member| check_member(workspace, member)).collect()
}

fn check_member(workspace: &Workspace, member: &Member) -> Vec<Problem> {
    let Some(rule) = RULES.iter().find(|rule| covers(rule.crates, &member.folder)) else {
        let text = format!("{} has no row in the table of xtask/src/check/layers.rs; add one", member.folder);
        return vec![Problem::new(&member.manifest.path, 1, text)];
    };
    let mut problems = Vec::new();
    for dependency in member.manifest.dependencies() {
        let Some(folder) = workspace.folder_of(dependency.key) else { continue };
        let allowed = rule.may_use.iter().any(|pattern| covers(pattern, folder))
            || (dependency.only_for_tests && IN_TESTS.contains(&folder));
        if !allowed {
            let text = format!(
                "{} may not depend on {folder}; it may use {}. Move the code, or write a decision record and change \
                 the table in xtask/src/check/layers.rs",
                member.folder,
                if rule.may_use.is_empty() { "no crate of ours".to_owned() } else { rule.may_use.join(", ") },
            );
            problems.push(Problem::new(&member.manifest.path, member.manifest.line_of(dependency.key), text));
        }
    }
    problems
}

fn covers(pattern: &str, folder: &str) -> bool {
    pattern == folder || (pattern.ends_with('/') && folder.starts_with(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_use(folder: &str, used: &str) -> bool {
        let rule = RULES.iter().find(|rule| covers(rule.crates, folder)).unwrap();
        rule.may_use.iter().any(|pattern| covers(pattern, used))
    }

    #[test]
    fn nothing_calls_upward() {
        assert!(!may_use("contracts/errors", "base/service"));
        assert!(!may_use("base/service", "runtime/call"));
        assert!(!may_use("components/redis", "runtime/loaded"));
        assert!(!may_use("components/redis", "contracts/wire"));
        assert!(!may_use("runtime/mesh", "runtime/blocks"));
        assert!(!may_use("runtime/app", "runtime/mesh"));
        assert!(!may_use("runtime/mesh", "runtime/app"));
        assert!(!may_use("tools/cli", "runtime/sidecar"));
        assert!(!may_use("control/sentry", "control/placement"));
    }

    #[test]
    fn a_single_crate_counts_before_its_folder() {
        assert!(may_use("components/hub", "contracts/wire"));
        assert!(may_use("components/hub", "base/hubclient"));
        assert!(may_use("control/hub", "control/sentry"));
        assert!(may_use("components/all", "components/sqlite"));
    }
}
