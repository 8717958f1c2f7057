//! The workspace as its manifests describe it. Read once by `check`; the checks only look.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use toml::{Table, Value};

/// The root manifest and the members it lists.
pub(crate) struct Workspace {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// The root `Cargo.toml`.
    pub(crate) manifest: Manifest,
    /// Every member, in the order of the list.
    pub(crate) members: Vec<Member>,
}

/// One `Cargo.toml`.
pub(crate) struct Manifest {
    /// Where it is, from the root.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) table: Table,
    text: String,
}

/// One crate of ours.
pub(crate) struct Member {
    /// Its folder from the root, for example `runtime/mesh`.
    pub(crate) folder: String,
    /// Its manifest.
    pub(crate) manifest: Manifest,
}

/// One entry of a dependency table.
pub(crate) struct Dependency<'a> {
    /// The key: the name the code uses.
    pub(crate) key: &'a str,
    /// What stands behind it.
    pub(crate) value: &'a Value,
    /// Whether it stands under `dev-dependencies`.
    pub(crate) only_for_tests: bool,
}

impl Workspace {
    /// Reads the root manifest and those of the members.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let manifest = Manifest::read(root, Path::new("Cargo.toml"))?;
        let listed = manifest.table.get("workspace").and_then(|workspace| workspace.get("members"));
        let listed = listed.and_then(Value::as_array).context("Cargo.toml has no list of members")?;
        let mut members = Vec::new();
        for folder in listed.iter().filter_map(Value::as_str) {
            let manifest = Manifest::read(root, &Path::new(folder).join("Cargo.toml"))?;
            members.push(Member { folder: folder.to_owned(), manifest });
        }
        Ok(Self { root: root.to_owned(), manifest, members })
    }

    /// The folder of a crate of ours, by the key other manifests use; `None` for a crate from outside.
    pub(crate) fn folder_of(&self, key: &str) -> Option<&str> {
        self.manifest.table.get("workspace")?.get("dependencies")?.get(key)?.get("path")?.as_str()
    }
}

impl Manifest {
    fn read(root: &Path, path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(root.join(path)).with_context(|| path.display().to_string())?;
        let table = text.parse().with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), table, text })
    }

    /// Every dependency, of every kind and platform.
    pub(crate) fn dependencies(&self) -> Vec<Dependency<'_>> {
        let mut found = dependencies_of(&self.table);
        let targets = self.table.get("target").and_then(Value::as_table);
        for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
            found.extend(dependencies_of(target));
        }
        found
    }

    /// The line on which a key is set, counted from 1; 1 if it cannot be found.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let sets = |line: &str| {
            line.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '='])) || line == format!("[{key}]")
        };
        self.text.lines().position(|line| sets(line.trim())).map_or(1, |index| index + 1)
    }
}

fn dependencies_of(table: &Table) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    for (kind, only_for_tests) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
        let entries = table.get(kind).and_then(Value::as_table);
        found.extend(entries.into_iter().flatten().map(|(key, value)| Dependency { key, value, only_for_tests }));
    }
    found
}
