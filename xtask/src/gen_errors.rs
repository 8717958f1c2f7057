//! The generator of `docs/reference/errors.md`: one section per row of the error catalogue. Called by `generate`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use errors::{DetailKind, Family, Row, Sent};

use crate::generate::{Generated, Output};

const TARGET: &str = "docs/reference/errors.md";

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask gen` from contracts/errors. Do not edit. -->

# Errors

What an app can get back instead of an answer. Over HTTP an error is JSON with `errorCode`, `message` and, for the rows
that say so, `details`; over gRPC it is a status, with the same details in `grpc-status-details-bin`. The words in braces
stand for arguments. Apps should look at codes and reasons, never at messages.

";

/// The page, from the catalogue as compiled into this program.
pub(crate) fn generate(_root: &Path) -> anyhow::Result<Output> {
    let mut categories: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for entry in errors::catalogue() {
        categories.entry(entry.row.category.label()).or_default().push(entry.row);
    }
    let mut page = INTRODUCTION.to_owned();
    overview(&mut page, &categories)?;
    for (category, rows) in &categories {
        writeln!(page, "\n## {category}")?;
        for row in rows {
            section(&mut page, row)?;
        }
    }
    let file = Generated { path: PathBuf::from(TARGET), content: page.into_bytes() };
    Ok(Output { files: vec![file], folders: Vec::new() })
}

fn overview(page: &mut String, categories: &BTreeMap<&str, Vec<&Row>>) -> anyhow::Result<()> {
    writeln!(page, "| row | code | HTTP | gRPC |\n|---|---|---|---|")?;
    for row in categories.values().flatten() {
        let (http, grpc) = codes(row);
        let anchor = row.key.to_lowercase();
        writeln!(page, "| [{}](#{anchor}) | {} | {http} | {grpc} |", row.key, code(row))?;
    }
    Ok(())
}

fn section(page: &mut String, row: &Row) -> anyhow::Result<()> {
    let (http, grpc) = codes(row);
    writeln!(page, "\n### {}\n", row.key)?;
    writeln!(page, "> {}\n", row.message.replace(":?}", "}"))?;
    writeln!(page, "{}\n", row.help.concat().trim())?;
    writeln!(page, "- code: {}; HTTP {http}; gRPC {grpc}", code(row))?;
    if let Some(details) = details(row) {
        writeln!(page, "- {details}")?;
    }
    Ok(())
}

/// What stands in `errorCode`.
fn code(row: &Row) -> String {
    match row.family {
        Family::Raw | Family::Text => "none".to_owned(),
        Family::PassedThrough => "the component's".to_owned(),
        _ if row.tag.is_empty() => format!("`{}`", row.reason),
        _ => format!("`{}`", row.tag),
    }
}

fn codes(row: &Row) -> (String, String) {
    let http = match row.family {
        Family::Raw => format!("{} with code `{}`", errors::GENERIC.http.as_u16(), errors::GENERIC.tag),
        Family::Text => format!("{} as text", row.http.as_u16()),
        Family::PassedThrough => "the component's".to_owned(),
        _ => row.http.as_u16().to_string(),
    };
    let grpc = match row.family {
        Family::PassedThrough => "the component's",
        _ => errors::code_name(row.grpc),
    };
    match row.sent {
        Sent::Both => (http, grpc.to_owned()),
        Sent::HttpOnly => (http, "not sent".to_owned()),
        Sent::GrpcOnly => ("not sent".to_owned(), grpc.to_owned()),
        Sent::Never => ("never sent".to_owned(), "never sent".to_owned()),
    }
}

fn details(row: &Row) -> Option<String> {
    let doors = match row.family {
        Family::Plain | Family::Raw | Family::PassedThrough => return None,
        Family::Text => return Some("gRPC details: `ErrorInfo` with `http.code` and `http.error_message`".to_owned()),
        Family::Detailed => "details",
        Family::DetailedOverGrpc => "gRPC details",
    };
    let mut names: Vec<String> = row.details.iter().map(|kind| format!("`{}`", detail(*kind))).collect();
    let mut info = format!("`ErrorInfo` with reason `{}`", row.reason);
    if !row.metadata.is_empty() {
        write!(info, " and metadata `{}`", row.metadata.join("`, `")).ok()?;
    }
    names.push(info);
    Some(format!("{doors}: {}", names.join(", ")))
}

fn detail(kind: DetailKind) -> &'static str {
    match kind {
        DetailKind::Resource => "ResourceInfo",
        DetailKind::FieldViolation => "BadRequest",
        DetailKind::Help => "Help",
    }
}
