//! The generator of `docs/reference/components`: a page for each building block, with every component type of a release and what
//! its metadata may say. Called by `generate`. What stands there is what the settings' own parsers are made from.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use component::{Family, Field, Registration, Version, runtime_fields};

use crate::generate::{Generated, Output};

const FOLDER: &str = "docs/reference/components";

/// The pages, from the list of backends as compiled into this program.
pub(crate) fn generate(_root: &Path) -> anyhow::Result<Output> {
    let registry = components::registry();
    let mut files = Vec::new();
    let mut index = format!(
        "{}\n# Components\n\nThe component types of this build, by building block. A component is a YAML resource of the kind `Component`; \
         `trilby check` says what is wrong with one.\n",
        notice()
    );
    for family in Family::ALL {
        let mut rows: Vec<&Registration> = registry.registrations().filter(|row| row.family() == family).collect();
        // What is there only for tests is told to nobody.
        rows.retain(|row| !row.component_type.ends_with(".spiffeprobe"));
        rows.sort_by_key(|row| (row.component_type, version(row)));
        if rows.is_empty() {
            continue;
        }
        writeln!(index, "\n## [{}]({}.md)\n", family.noun(), family.prefix())?;
        for row in &rows {
            writeln!(index, "- `{}`{}: {}", row.component_type, in_version(row), row.summary)?;
        }
        let content = page(family, &rows)?.into_bytes();
        files.push(Generated { path: PathBuf::from(format!("{FOLDER}/{}.md", family.prefix())), content });
    }
    files.push(Generated { path: PathBuf::from(format!("{FOLDER}/README.md")), content: index.into_bytes() });
    Ok(Output { files, folders: vec![PathBuf::from(FOLDER)] })
}

fn notice() -> &'static str {
    "<!-- Written by `cargo xtask gen` from the settings of the components. Do not edit. -->\n"
}

fn page(family: Family, rows: &[&Registration]) -> anyhow::Result<String> {
    let mut page = format!("{}\n# {}\n", notice(), family.noun());
    let common = runtime_fields(family);
    if !common.is_empty() {
        writeln!(page, "\n## Every type\n")?;
        table(&mut page, common)?;
    }
    for row in rows {
        writeln!(page, "\n## {}{}\n\n{}", row.component_type, in_version(row), row.summary)?;
        if !row.aliases.is_empty() {
            let aliases: Vec<String> = row.aliases.iter().map(|alias| format!("`{alias}`")).collect();
            writeln!(page, "\nAlso called {}.", aliases.join(", "))?;
        }
        if let Version::Named { deprecated_for: Some(better), .. } = row.version {
            writeln!(page, "\nDeprecated: use version {better}.")?;
        }
        writeln!(page)?;
        if row.fields.is_empty() {
            writeln!(page, "It reads no metadata{}.", if common.is_empty() { "" } else { " of its own" })?;
        } else {
            table(&mut page, row.fields)?;
        }
    }
    Ok(page)
}

fn table(page: &mut String, fields: &[Field]) -> anyhow::Result<()> {
    writeln!(page, "| metadata | type | default | meaning |\n|---|---|---|---|")?;
    for field in fields {
        let mut names = format!("`{}`", field.name);
        for alias in field.aliases {
            write!(names, ", `{alias}`")?;
        }
        let default = match field.default {
            Some("") | None if field.required => "required".to_owned(),
            Some("") | None => String::new(),
            Some(text) => format!("`{text}`"),
        };
        let secret = if field.secret { " (secret)" } else { "" };
        let doc = field.doc.replace('|', "\\|");
        writeln!(page, "| {names} | {}{}{secret} | {default} | {doc} |", field.kind, bounds(field))?;
    }
    Ok(())
}

fn bounds(field: &Field) -> String {
    match (field.minimum, field.maximum) {
        (Some(minimum), Some(maximum)) => format!(" {minimum} to {maximum}"),
        (Some(minimum), None) => format!(" ≥ {minimum}"),
        (None, Some(maximum)) => format!(" ≤ {maximum}"),
        (None, None) => String::new(),
    }
}

fn version(row: &Registration) -> &'static str {
    match row.version {
        Version::Any => "",
        Version::Named { name, .. } => name,
    }
}

fn in_version(row: &Registration) -> String {
    match version(row) {
        "" => String::new(),
        version => format!(" ({version})"),
    }
}
