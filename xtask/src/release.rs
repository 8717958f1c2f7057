//! `cargo xtask release`: the executable as it is to be given away, guided by a profile. It is built once so that it counts what it
//! does, does the rig's work of every kind, and is built again by those counts: what calls use lies together and is built for speed, the
//! rest for size. Called by `main`. It measures nothing, and keeps nothing between runs but what cargo keeps.
//!
//! `cargo build --release` makes the same executable without a profile, and needs no more than Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::check::cargo;

/// Merges what runs counted into what the compiler reads.
const MERGER: &str = "llvm-profdata";
/// What is done without a sentry and what with one: calls of every kind, one after the other and many at once.
const WORK: [(bool, &str, &str); 3] = [
    (
        false,
        "invoke-http,invoke-grpc,proxy-unary,proxy-stream,state-get-http,state-get-grpc,state-set-http,state-set-grpc,\
         publish-http,publish-grpc,deliver,state-set-http-redis,deliver-redis,state-get-http-hub,deliver-hub",
        "1024",
    ),
    (true, "invoke-http,invoke-grpc,proxy-unary,proxy-stream", "1024"),
    (false, "invoke-http,proxy-unary,state-get-http,publish-http", "102400"),
];
const LOADS: [&str; 10] =
    ["--connections", "16,256", "--rate", "1000", "--rounds", "1", "--seconds", "1", "--starts", "2"];

/// Where things are made.
struct Places {
    /// The project.
    root: PathBuf,
    /// cargo's target folder.
    target: PathBuf,
    /// The compiler's name of this machine.
    host: String,
}

/// Makes the executable and says where it is.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    ensure!(arguments.is_empty(), "there are no arguments");
    let (host, llvm) = compiler()?;
    let merger = merger(&llvm)?;
    let places = Places { root: crate::generate::root()?, target: target()?, host };

    let counts = places.target.join("profile-counts");
    if counts.exists() {
        std::fs::remove_dir_all(&counts).with_context(|| format!("emptying {}", counts.display()))?;
    }
    println!("1 of 3: an executable that counts what it does");
    let counting = build(&places, "counting", &format!("-Cprofile-generate={}", counts.display()))?;
    println!("2 of 3: its work");
    let rig = rig(&places)?;
    for (sentry, cases, size) in WORK {
        work(&rig, &counting, (sentry, cases, size))?;
    }
    let profile = places.target.join("release.profdata");
    merge(&merger, &counts, &profile)?;
    println!("3 of 3: the executable by those counts");
    let made = build(&places, "guided", &format!("-Cprofile-use={}", profile.display()))?;
    println!("{}", made.display());
    Ok(())
}

/// What the compiler says of the machine that it builds for, and the first number of its LLVM.
fn compiler() -> anyhow::Result<(String, String)> {
    let said = Command::new("rustc").arg("-vV").stdin(Stdio::null()).output().context("running rustc")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let after = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let host = after("host:").context("rustc -vV names no host")?;
    let llvm = after("LLVM version:").and_then(|version| version.split('.').next());
    Ok((host.to_owned(), llvm.context("rustc -vV names no LLVM version")?.to_owned()))
}

/// The merger of the compiler's own LLVM: that of another one does not read what it wrote.
fn merger(llvm: &str) -> anyhow::Result<PathBuf> {
    let numbered = format!("{MERGER}-{llvm}");
    if Command::new(&numbered).arg("--version").stdout(Stdio::null()).status().is_ok_and(|ended| ended.success()) {
        return Ok(PathBuf::from(numbered));
    }
    let root = Command::new("rustc").args(["--print", "target-libdir"]).output().context("running rustc")?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&root.stdout).trim());
    let beside = libraries.with_file_name("bin").join(MERGER);
    if beside.is_file() {
        return Ok(beside);
    }
    bail!(
        "there is no {numbered}: `rustup component add llvm-tools` brings it, or the package llvm-{llvm}; without it, \
         `cargo build --release` makes an executable that no profile guided"
    )
}

/// cargo's target folder.
fn target() -> anyhow::Result<PathBuf> {
    let mut asked = Command::new(cargo());
    asked.args(["metadata", "--no-deps", "--format-version", "1"]);
    let said = asked.stdin(Stdio::null()).output().context("running cargo metadata")?;
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).context("what cargo metadata says")?;
    let folder = said.get("target_directory").and_then(serde_json::Value::as_str);
    Ok(PathBuf::from(folder.context("cargo metadata names no target folder")?))
}

/// Builds the executable with one more flag, in a target folder of its own. The machine is named so that the flag is not for what
/// runs while building.
fn build(places: &Places, name: &str, flag: &str) -> anyhow::Result<PathBuf> {
    let folder = places.target.join(name);
    let mut build = Command::new(cargo());
    build.args(["build", "--release", "-p", "trilby", "--target", &places.host, "--target-dir"]).arg(&folder);
    build.env("RUSTFLAGS", flag).current_dir(&places.root);
    ensure!(build.status().context("running cargo")?.success(), "it does not build");
    let release = folder.join(&places.host).join("release");
    for role in ["daprd", "sentry"] {
        link(&release, role)?;
    }
    Ok(release.join("trilby"))
}

/// An executable acts by the name it is called by.
fn link(folder: &Path, role: &str) -> anyhow::Result<()> {
    let link = folder.join(role);
    match std::os::unix::fs::symlink("trilby", &link) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("linking {}", link.display()))
        }
        _ => Ok(()),
    }
}

fn rig(places: &Places) -> anyhow::Result<PathBuf> {
    let mut build = Command::new(cargo());
    build.args(["build", "--release", "-p", "trilby-benches"]).current_dir(&places.root);
    ensure!(build.status().context("running cargo")?.success(), "the rig does not build");
    Ok(places.target.join("release").join("rig"))
}

/// Cases of `rig compare` on the executable that counts.
fn work(rig: &Path, counting: &Path, (sentry, cases, size): (bool, &str, &str)) -> anyhow::Result<()> {
    let mut work = Command::new(rig);
    work.arg("compare").arg("--ours").arg(counting.with_file_name("daprd"));
    work.args(["--case", cases, "--sizes", size]).args(LOADS);
    if sentry {
        work.arg("--sentry").arg(counting.with_file_name("sentry"));
    }
    let ended = work.stdout(Stdio::null()).status().context("running the rig")?;
    ensure!(ended.success(), "the work was not done well: {work:?} ended with {ended}");
    Ok(())
}

fn merge(merger: &Path, counts: &Path, profile: &Path) -> anyhow::Result<()> {
    let mut merge = Command::new(merger);
    merge.arg("merge").arg("-o").arg(profile).arg(counts);
    ensure!(merge.status().context("running the merger")?.success(), "the counts cannot be merged");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_names_its_machine_and_its_llvm() {
        let (host, llvm) = compiler().unwrap();
        assert!(host.contains('-') && llvm.parse::<u32>().is_ok(), "{host} {llvm}");
    }

    #[test]
    fn a_merger_of_another_llvm_is_not_taken() {
        let error = merger("0").map_or_else(|error| error.to_string(), |found| found.display().to_string());
        // Where rustup brought one beside the compiler, it is of the compiler's LLVM whatever is asked for.
        assert!(error.contains("llvm-profdata-0") || error.ends_with("bin/llvm-profdata"), "{error}");
    }
}
