//! The generator of `docs/reference/conformance.md`: which backend is held against which promise. Called by `generate`. It
//! renders what the backends declare, and a test fails where a declaration is not kept, so the page needs no run.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use conformance::{Column, Promise, Suite};

use crate::generate::{Generated, Output};

const TARGET: &str = "docs/reference/conformance.md";

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask gen` from tests/conformance. Do not edit. -->

# Conformance

Every backend of a building block is held against the same promises, on a real server. What a backend says it can do must
work; the rest it must refuse. `cargo test -p trilby-conformance` runs all of it, and with a name behind `--` one backend or
one promise. Where a server is not installed the run says `SKIPPED` and why; in continuous integration that is a failure.

";

/// The page, from the suites as compiled into this program.
pub(crate) fn generate(_root: &Path) -> anyhow::Result<Output> {
    let mut page = INTRODUCTION.to_owned();
    missing(&mut page)?;
    for suite in conformance::suites() {
        section(&mut page, &suite)?;
    }
    let file = Generated { path: PathBuf::from(TARGET), content: page.into_bytes() };
    Ok(Output { files: vec![file], folders: Vec::new() })
}

fn missing(page: &mut String) -> anyhow::Result<()> {
    match conformance::missing_servers() {
        [] => writeln!(page, "Every backend below is tested; none lacks its server.")?,
        servers => {
            writeln!(page, "Not shown here, because no server can be had where the suites run:\n")?;
            for (server, consequence) in servers {
                writeln!(page, "- **{server}**: {consequence}")?;
            }
        }
    }
    Ok(())
}

fn section(page: &mut String, suite: &Suite) -> anyhow::Result<()> {
    writeln!(page, "\n## {}\n", suite.title)?;
    if suite.columns.is_empty() {
        writeln!(page, "No backend yet.")?;
        return Ok(());
    }
    abilities(page, suite)?;
    writeln!(page)?;
    let names: Vec<&str> = suite.columns.iter().map(|column| column.name).collect();
    writeln!(page, "| promise | {} |", names.join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(names.len()))?;
    for promise in &suite.promises {
        let marks: Vec<&str> = suite.columns.iter().map(|column| mark(column, promise)).collect();
        writeln!(page, "| {} | {} |", promise.sentence, marks.join(" | "))?;
    }
    Ok(())
}

/// The backends with what they declare.
fn abilities(page: &mut String, suite: &Suite) -> anyhow::Result<()> {
    let notes: Vec<&str> = suite
        .columns
        .first()
        .map(|column| column.notes.iter().map(|(heading, _)| *heading).collect())
        .unwrap_or_default();
    let headings = ["backend", "type"].into_iter().chain(suite.capabilities.iter().copied()).chain(notes);
    let headings: Vec<&str> = headings.collect();
    writeln!(page, "| {} |", headings.join(" | "))?;
    writeln!(page, "|{}", "---|".repeat(headings.len()))?;
    for column in &suite.columns {
        let mut cells = vec![column.name.to_owned(), format!("`{}` {}", column.component_type, column.version)];
        let has = |capability: &&str| column.capabilities.contains(capability);
        cells.extend(suite.capabilities.iter().map(|capability| if has(capability) { "yes" } else { "no" }.to_owned()));
        cells.extend(column.notes.iter().map(|(_, text)| text.clone()));
        writeln!(page, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn mark(column: &Column, promise: &Promise) -> &'static str {
    let concerned = promise.needs.iter().all(|need| column.capabilities.contains(need));
    if concerned { "tested" } else { "-" }
}
