//! The checks that other tools make: rustfmt, clippy, the generators, cargo-deny. Called by `check`; their own output goes
//! to the terminal, and what comes back is one line for each that is not content.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::problem::Problem;

/// One tool: how it is called, and what to do when it complains.
struct Tool {
    arguments: &'static [&'static str],
    mend: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool { arguments: &["fmt", "--all", "--check"], mend: "run `cargo fmt --all`" },
    Tool {
        arguments: &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
        mend: "mend what it says above",
    },
];

const DENY: Tool = Tool {
    arguments: &["deny", "--workspace", "--all-features", "check", "bans", "licenses", "sources"],
    mend: "mend what it says above, or give deny.toml an exception with a reason",
};

/// The cargo that runs us.
pub(crate) fn cargo() -> OsString {
    crate::variables::get("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs every tool.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for tool in TOOLS {
        problems.extend(run(root, tool)?);
    }
    if let Err(error) = crate::generate::run(&["--check".to_owned()]) {
        problems.push(Problem::new("xtask", 1, format!("{error:#}")));
    }
    if has_cargo_deny(root)? {
        problems.extend(run(root, &DENY)?);
    } else {
        println!("SKIPPED cargo deny: not installed (`cargo install --locked cargo-deny`); licences were not checked");
    }
    Ok(problems)
}

fn run(root: &Path, tool: &Tool) -> anyhow::Result<Option<Problem>> {
    let call = format!("cargo {}", tool.arguments.join(" "));
    println!("{call}");
    let status = Command::new(cargo()).args(tool.arguments).current_dir(root).status();
    let status = status.with_context(|| format!("cannot run {call}"))?;
    Ok((!status.success()).then(|| Problem::new("Cargo.toml", 1, format!("{call} is not content; {}", tool.mend))))
}

fn has_cargo_deny(root: &Path) -> anyhow::Result<bool> {
    let mut command = Command::new(cargo());
    command.args(["deny", "--version"]).current_dir(root).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().context("cannot run cargo")?.success())
}
