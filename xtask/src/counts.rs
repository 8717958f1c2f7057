//! `cargo xtask counts`: how many instructions one call takes on each hot path, counted by callgrind, kept in
//! `benches/counts.toml`; with `--check` it says which path grew by more than a twentieth since they were kept, and with `--annotate PATH`
//! where the instructions go. Called by `main`. Time is not measured: a count is the same on a busy machine. What is counted is the
//! driver in `benches/counts`.

mod annotate;
mod driver;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

use self::driver::{Driver, told_by};

/// How much a path may grow.
const SLACK: f64 = 1.05;
const FILE: &str = "benches/counts.toml";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Counts and keeps.
    Keep,
    /// Counts and compares.
    Check,
    /// Shows where the instructions of one path go.
    Annotate(String),
}

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

/// Counts and keeps, compares, or shows where.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let asked = read(arguments)?;
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        writeln!(std::io::stderr(), "SKIPPED counts: valgrind is not installed (apt-get install valgrind)")?;
        ensure!(!crate::variables::is_ci(), "nothing may be skipped with CI=true");
        return Ok(());
    }
    let root = crate::generate::root()?;
    let driver = Driver::build(&root)?;
    if let Asked::Annotate(path) = &asked {
        return annotate::run(&driver, path);
    }
    let file = root.join(FILE);
    let kept = std::fs::read_to_string(&file).ok().map(|text| parse(&text)).transpose()?;
    let now = Counts {
        lock: hash(&std::fs::read(root.join("Cargo.lock"))?),
        compiler: told_by(Command::new("rustc").arg("--version"))?.trim().to_owned(),
        instructions: count(&driver, kept.as_ref())?,
    };
    if asked == Asked::Keep {
        return std::fs::write(&file, write(&now)).with_context(|| format!("writing {}", file.display()));
    }
    judge(kept.as_ref(), &now)
}

fn read(arguments: &[String]) -> anyhow::Result<Asked> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(Asked::Keep),
        ["--check"] => Ok(Asked::Check),
        ["--annotate", path] => Ok(Asked::Annotate((*path).to_owned())),
        _ => bail!("the arguments are none, --check, or --annotate PATH"),
    }
}

/// Counts every path, and prints each as soon as it is counted.
fn count(driver: &Driver, kept: Option<&Counts>) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for path in driver.paths()? {
        let profile = driver.count(&path)?;
        let before = kept.and_then(|kept| kept.instructions.get(&path));
        let change = before.map_or_else(|| "new".to_owned(), |before| change(*before, profile.instructions));
        println!("{path:<16}{:>8} instructions  {change:>8}  {}", profile.instructions, profile.system_calls()?);
        counts.insert(path, profile.instructions);
    }
    Ok(counts)
}

fn judge(kept: Option<&Counts>, now: &Counts) -> anyhow::Result<()> {
    let kept = kept.with_context(|| format!("{FILE} is missing; run `cargo xtask counts` and commit it"))?;
    match compare(kept, now) {
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
    fn what_is_not_understood_is_refused() {
        let read = |words: &[&str]| read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]).unwrap(), Asked::Keep);
        assert_eq!(read(&["--check"]).unwrap(), Asked::Check);
        assert_eq!(read(&["--annotate", "invoke-http"]).unwrap(), Asked::Annotate("invoke-http".to_owned()));
        assert!(read(&["--annotate"]).is_err() && read(&["--check", "x"]).is_err());
    }

    #[test]
    fn the_hash_is_fnv() {
        assert_eq!(hash(b""), "cbf29ce484222325");
        assert_eq!(hash(b"a"), "af63dc4c8601ec8c");
    }
}
