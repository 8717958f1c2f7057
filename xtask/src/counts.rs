//! `cargo xtask counts`: how many instructions one call takes on each hot path, counted by callgrind, kept in
//! `benches/counts.toml`; with `--check` it says which path grew by more than a twentieth since they were kept. Called by `main`. Time
//! is not measured: a count is the same on a busy machine. What is counted is the driver in `benches/counts`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

/// Calls of the two runs: their difference is divided by the difference of the instructions, so that what the start costs does not
/// count.
const FEW: u64 = 200;
const MANY: u64 = 1200;
/// How much a path may grow.
const SLACK: f64 = 1.05;
const FILE: &str = "benches/counts.toml";

/// What is kept: the counts, and what they are only comparable under.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counts {
    /// A hash of `Cargo.lock`.
    lock: String,
    /// What the compiler says of itself.
    compiler: String,
    /// Instructions of one call, by path.
    instructions: BTreeMap<String, u64>,
}

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// They cannot be compared, because of this.
    Reset(String),
    /// What is wrong, a line each.
    Compared(Vec<String>),
}

/// Counts and keeps, or with `--check` compares.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("the only argument is --check"),
    };
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        writeln!(std::io::stderr(), "SKIPPED counts: valgrind is not installed (apt-get install valgrind)")?;
        ensure!(!crate::variables::is_ci(), "nothing may be skipped with CI=true");
        return Ok(());
    }
    let root = crate::generate::root()?;
    let file = root.join(FILE);
    let kept = std::fs::read_to_string(&file).ok().map(|text| parse(&text)).transpose()?;
    let now = Counts {
        lock: hash(&std::fs::read(root.join("Cargo.lock"))?),
        compiler: told_by(Command::new("rustc").arg("--version"))?.trim().to_owned(),
        instructions: count(&root)?,
    };
    for (path, instructions) in &now.instructions {
        let before = kept.as_ref().and_then(|kept| kept.instructions.get(path));
        println!(
            "{path:<20}{instructions:>10}{}",
            before.map_or_else(String::new, |before| change(*before, *instructions))
        );
    }
    if !check {
        return std::fs::write(&file, write(&now)).with_context(|| format!("writing {}", file.display()));
    }
    let kept = kept.with_context(|| format!("{FILE} is missing; run `cargo xtask counts` and commit it"))?;
    match compare(&kept, &now) {
        Verdict::Reset(why) => {
            println!("RESET: {why}, so nothing can be compared; run `cargo xtask counts` and commit {FILE}");
            Ok(())
        }
        Verdict::Compared(problems) if problems.is_empty() => Ok(()),
        Verdict::Compared(problems) => {
            bail!(
                "{}\nmend it, or run `cargo xtask counts` and say in the commit why it is worth it",
                problems.join("\n")
            )
        }
    }
}

fn compare(kept: &Counts, now: &Counts) -> Verdict {
    if kept.lock != now.lock {
        return Verdict::Reset("Cargo.lock changed".to_owned());
    }
    if kept.compiler != now.compiler {
        return Verdict::Reset(format!("they were counted with {}, and this is {}", kept.compiler, now.compiler));
    }
    let mut problems = Vec::new();
    for (path, instructions) in &now.instructions {
        match kept.instructions.get(path) {
            None => problems.push(format!("{path} is not kept in {FILE}")),
            Some(before) if *instructions as f64 > *before as f64 * SLACK => {
                problems.push(format!("{path} takes {instructions} instructions, it took {before}"));
            }
            Some(_) => {}
        }
    }
    let gone = kept.instructions.keys().filter(|path| !now.instructions.contains_key(*path));
    problems.extend(gone.map(|path| format!("{path} is kept in {FILE}, and nobody drives it")));
    Verdict::Compared(problems)
}

fn change(before: u64, now: u64) -> String {
    format!("  {:+.1} %", (now as f64 / before.max(1) as f64 - 1.0) * 100.0)
}

fn count(root: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let driver = build(root)?;
    let listed = told_by(Command::new(&driver).arg("list"))?;
    let mut counts = BTreeMap::new();
    for path in listed.lines() {
        let (few, many) = (instructions(&driver, path, FEW)?, instructions(&driver, path, MANY)?);
        counts.insert(path.to_owned(), many.saturating_sub(few) / (MANY - FEW));
    }
    ensure!(!counts.is_empty(), "the driver names no path");
    Ok(counts)
}

/// Builds the driver and says where it is.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let mut build = Command::new(crate::check::cargo());
    build.args(["build", "--profile", "counts", "-p", "trilby-counts", "--message-format", "json-render-diagnostics"]);
    let messages = told_by(build.current_dir(root).stderr(Stdio::inherit()))?;
    let made = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut made = made.filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)));
    made.next_back().context("cargo names no executable")
}

/// All instructions of one run.
fn instructions(driver: &Path, path: &str, calls: u64) -> anyhow::Result<u64> {
    let mut counted = Command::new("valgrind");
    counted.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(driver).arg(path).arg(calls.to_string());
    let output = counted.stdin(Stdio::null()).output().context("running valgrind")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{path} under callgrind ended with {}:\n{told}", output.status);
    collected(&told).with_context(|| format!("callgrind told no count:\n{told}"))
}

/// The number behind `Collected :` in what callgrind says at the end.
fn collected(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once("Collected :")?.1.split_whitespace().next()?.parse().ok())
}

fn told_by(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// FNV-1a, enough to see that a file changed.
fn hash(bytes: &[u8]) -> String {
    let mixed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{mixed:016x}")
}

fn parse(text: &str) -> anyhow::Result<Counts> {
    let table: Table = text.parse().with_context(|| format!("reading {FILE}"))?;
    let word = |name: &str| table.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = table.get("instructions").and_then(Value::as_table).with_context(|| format!("{FILE} has no counts"))?;
    let count = |(path, value): (&String, &Value)| Some((path.clone(), u64::try_from(value.as_integer()?).ok()?));
    Ok(Counts { lock: word("lock"), compiler: word("compiler"), instructions: rows.iter().filter_map(count).collect() })
}

fn write(counts: &Counts) -> String {
    let mut text = format!(
        "# Instructions of one call on each hot path. Written by `cargo xtask counts`; `--check` compares with it.\n\
         lock = \"{}\"\ncompiler = \"{}\"\n\n[instructions]\n",
        counts.lock, counts.compiler
    );
    for (path, instructions) in &counts.instructions {
        text.push_str(&format!("{path} = {instructions}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(lock: &str, compiler: &str, rows: &[(&str, u64)]) -> Counts {
        let instructions = rows.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect();
        Counts { lock: lock.to_owned(), compiler: compiler.to_owned(), instructions }
    }

    #[test]
    fn a_path_that_grew_by_more_than_a_twentieth_is_told() {
        let kept = counts("a", "r", &[("get", 1000), ("set", 1000)]);
        let now = counts("a", "r", &[("get", 1050), ("set", 1051)]);
        assert_eq!(
            compare(&kept, &now),
            Verdict::Compared(vec!["set takes 1051 instructions, it took 1000".to_owned()])
        );
    }

    #[test]
    fn another_lock_file_or_compiler_starts_anew() {
        let kept = counts("a", "r", &[("get", 1000)]);
        assert!(matches!(compare(&kept, &counts("b", "r", &[("get", 9000)])), Verdict::Reset(_)));
        assert!(matches!(compare(&kept, &counts("a", "s", &[("get", 9000)])), Verdict::Reset(_)));
    }

    #[test]
    fn a_path_that_came_or_went_is_told() {
        let Verdict::Compared(told) = compare(&counts("a", "r", &[("old", 1)]), &counts("a", "r", &[("new", 1)]))
        else {
            panic!("they can be compared");
        };
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let kept = counts("0123456789abcdef", "rustc 1.95.0", &[("invoke-http", 123_456), ("state-get-grpc", 1)]);
        assert_eq!(parse(&write(&kept)).unwrap(), kept);
    }

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn the_hash_is_fnv() {
        assert_eq!(hash(b""), "cbf29ce484222325");
        assert_eq!(hash(b"a"), "af63dc4c8601ec8c");
    }
}
