//! The driver of the hot paths under callgrind: built, run, and what callgrind says of it. Called by `counts`. Only what happens inside
//! one function of the driver is counted, so that neither the start nor other threads are in the numbers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The calls of one run that are counted.
const CALLS: u64 = 1000;
/// Those before, for which connections, buffers and tables get their size; as `benches/counts` makes them.
const WARM: u64 = 100;
/// The function of the driver whose instructions count.
const COUNTED: &str = "counts::counted_calls";
/// `rep movsb` would be an instruction for each byte that is copied, which is not what a copy costs.
const COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");
/// What calls the kernel, in libc.
const SYSTEM_CALLS: [&str; 9] =
    ["writev", "write", "send", "sendmsg", "recv", "read", "readv", "epoll_wait", "syscall"];

/// The driver.
pub(super) struct Driver(PathBuf);

/// What one path costs, and where.
pub(super) struct Profile {
    /// Instructions of one call, outside the kernel.
    pub(super) instructions: u64,
    /// What callgrind wrote: each function's share, and who calls whom.
    pub(super) file: PathBuf,
}

impl Driver {
    /// Builds it.
    pub(super) fn build(root: &Path) -> anyhow::Result<Self> {
        let mut build = Command::new(crate::check::cargo());
        build.args(["build", "--profile", "counts", "-p", "trilby-counts"]);
        build.args(["--message-format", "json-render-diagnostics"]);
        let messages = told_by(build.current_dir(root).stderr(Stdio::inherit()))?;
        let made = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut made = made.filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)));
        Ok(Self(made.next_back().context("cargo names no executable")?))
    }

    /// The paths it can drive.
    pub(super) fn paths(&self) -> anyhow::Result<Vec<String>> {
        let paths: Vec<String> = told_by(Command::new(&self.0).arg("list"))?.lines().map(str::to_owned).collect();
        ensure!(!paths.is_empty(), "the driver names no path");
        Ok(paths)
    }

    /// Counts one path; the profile is written beside the driver.
    pub(super) fn count(&self, path: &str) -> anyhow::Result<Profile> {
        let file = self.0.with_file_name(format!("callgrind.{path}"));
        let mut counted = Command::new("valgrind");
        counted.args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"]);
        counted.arg(format!("--toggle-collect={COUNTED}")).arg(format!("--callgrind-out-file={}", file.display()));
        counted.arg(&self.0).arg(path).arg(CALLS.to_string()).env(COPIES.0, COPIES.1);
        let output = counted.stdin(Stdio::null()).output().context("running valgrind")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{path} under callgrind ended with {}:\n{told}", output.status);
        let all = collected(&told).filter(|all| *all > 0);
        let all = all.with_context(|| format!("callgrind counted nothing in {COUNTED}:\n{told}"))?;
        Ok(Profile { instructions: all / CALLS, file })
    }
}

impl Profile {
    /// The system calls of one call, the most frequent first: about, since some of those of the start are among them.
    pub(super) fn system_calls(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(&self.file).context("reading the profile")?;
        let mut counts = SYSTEM_CALLS.map(|name| (called(&text, name) as f64 / (CALLS + WARM) as f64, name));
        counts.sort_by(|one, other| other.0.total_cmp(&one.0));
        let told = counts.iter().filter(|(count, _)| *count >= 0.1).map(|(count, name)| format!("{name} {count:.1}"));
        Ok(told.collect::<Vec<_>>().join(", "))
    }

    /// A number of the profile for one call.
    pub(super) fn per_call(all: u64) -> u64 {
        all / CALLS
    }
}

/// The number behind `Collected :` in what callgrind says at the end.
fn collected(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once("Collected :")?.1.split_whitespace().next()?.parse().ok())
}

/// How often a function was called, by a profile whose names are not compressed.
fn called(profile: &str, function: &str) -> u64 {
    let mut wanted = false;
    let mut sum = 0;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            wanted = name == function;
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| wanted) {
            sum += calls.split_whitespace().next().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        }
    }
    sum
}

/// What a command prints.
pub(super) fn told_by(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn calls_of_a_function_are_summed_over_who_calls_it() {
        let profile =
            "fn=main\n1 5\ncfn=writev\ncalls=3 9\n1 70\ncfn=recv\ncalls=100 9\n\nfn=other\ncfn=writev\ncalls=4 9\n";
        assert_eq!(called(profile, "writev"), 7);
        assert_eq!(called(profile, "write"), 0);
    }
}
