//! `cargo xtask test`: everything that can be tested on this machine, with what could not be tested said at the end.
//!
//! A laptop without Python, Node or a server skips what needs them; with `CI=true` a skipped test is a failure. A test that
//! skips itself writes one line that starts with `SKIPPED` straight to standard error. `--long` asks the tests for their
//! long form through `TRILBY_LONG`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

mod sdk;
mod tally;

use tally::Tally;

/// Runs the tests. The only argument is `--long`.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let long = match arguments {
        [] => false,
        [flag] if flag == "--long" => true,
        _ => bail!("the only argument is --long"),
    };
    let root = crate::generate::root()?;
    let folder = program_folder()?;
    let mut tally = Tally::default();

    let start = Instant::now();
    let kits = sdk::prepare(&root, &folder.join("sdk"));
    for reason in &kits.missing {
        tally.note(&format!("SKIPPED {reason}"));
    }
    let mut phases = vec![("SDKs", start.elapsed())];

    let start = Instant::now();
    println!("cargo build --workspace --all-targets");
    let mut build = Command::new(crate::check::cargo());
    build.args(["build", "--workspace", "--all-targets"]).current_dir(&root);
    if !build.status().context("cannot run cargo")?.success() {
        bail!("the workspace does not build");
    }
    phases.push(("build", start.elapsed()));

    let start = Instant::now();
    println!("cargo test --workspace --no-fail-fast");
    let mut tests = Command::new(crate::check::cargo());
    tests.args(["test", "--workspace", "--no-fail-fast"]).current_dir(&root);
    tests.env("TRILBY_BIN", folder.join("trilby"));
    if long {
        tests.env("TRILBY_LONG", "1");
    }
    for (name, value) in kits.variables() {
        tests.env(name, value);
    }
    let succeeded = tally.follow(tests)?;
    phases.push(("tests", start.elapsed()));

    // The end of a long log is what is looked at first.
    for line in tally.failures() {
        println!("{line}");
    }
    for (name, time) in phases {
        println!("{name:<8}{:>8.1} s", time.as_secs_f64());
    }
    finish(&tally, succeeded)
}

fn finish(tally: &Tally, succeeded: bool) -> anyhow::Result<()> {
    for line in tally.skipped() {
        println!("{line}");
    }
    println!("{tally}");
    if !succeeded || tally.failed() > 0 {
        bail!("tests failed");
    }
    if crate::variables::is_ci() && !tally.skipped().is_empty() {
        bail!("nothing may be skipped where CI=true; install what is missing");
    }
    Ok(())
}

/// The folder into which Cargo builds: xtask itself was built there.
fn program_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where xtask is")?;
    Ok(own.parent().context("xtask is in no folder")?.to_owned())
}
