//! Crates that no build of ours may link, looked for in what Cargo would build. Called by `check`. `deny.toml` says the
//! same to cargo-deny; this works where cargo-deny is not installed.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::problem::Problem;

const LOCK: &str = "Cargo.lock";
/// Name, and why not.
const BANNED: &[(&str, &str)] = &[
    ("ring", "a second cryptography library; aws-lc-rs is the one"),
    ("openssl-sys", "a second TLS stack; rustls is the one"),
    ("native-tls", "a second TLS stack; rustls is the one"),
    ("rsa", "open to timing attacks; aws-lc-rs has RSA"),
];
/// Crates of which one version has to do.
const ONCE: &[&str] = &["hyper", "h2", "http", "rustls", "tokio", "tonic", "prost", "aws-lc-rs"];

/// Problems with crates from outside.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Problem>> {
    let tree = cargo_tree(root)?;
    let mut versions: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let known = versions.entry(name).or_default();
        if !known.contains(&version) {
            known.push(version);
        }
    }
    let mut problems = Vec::new();
    for (name, reason) in BANNED {
        if versions.contains_key(name) {
            let text = format!("{name} is built: {reason}. `cargo tree --workspace -i {name}` shows who asks for it");
            problems.push(Problem::new(LOCK, 1, text));
        }
    }
    for name in ONCE {
        if let Some(several) = versions.get(name).filter(|versions| versions.len() > 1) {
            let text =
                format!("{name} is built in several versions ({}); bring the users together", several.join(", "));
            problems.push(Problem::new(LOCK, 1, text));
        }
    }
    Ok(problems)
}

/// One line per crate of any platform: its name and version.
fn cargo_tree(root: &Path) -> anyhow::Result<String> {
    let arguments = ["tree", "--workspace", "--target", "all", "--edges", "normal,build", "--prefix", "none"];
    let output = Command::new(super::tools::cargo()).args(arguments).current_dir(root).output();
    let output = output.context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
