//! Every Rust file of the tree, parsed, with what kind of code it is. Read once by `check`; the checks only look.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use syn::{Attribute, Item, ItemMod, Meta};

/// Folders that hold no source of ours.
const SKIPPED: &[&str] = &["target", "node_modules"];
/// What `cargo xtask gen` writes.
const GENERATED: &str = "contracts/wire/src/gen";
/// Folders below a crate, and crates, that are tests through and through.
const TEST_FOLDERS: &[&str] = &["tests", "benches", "fuzz"];

/// One Rust file.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: PathBuf,
    /// The content.
    pub(crate) text: String,
    /// The content, parsed.
    pub(crate) syntax: syn::File,
    /// Whether it is only compiled for tests, or is the code of a test crate.
    pub(crate) is_test: bool,
}

/// Reads every Rust file below the folders of the root, sorted by path.
pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut paths = Vec::new();
    collect(root, Path::new(""), &mut paths)?;
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        let syntax = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        let is_test = path.iter().any(|part| TEST_FOLDERS.iter().any(|folder| part == *folder));
        sources.push(Source { path, text, syntax, is_test });
    }
    mark_test_modules(&mut sources);
    Ok(sources)
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(folder)).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = folder.join(&*name);
        if entry.file_type()?.is_dir() {
            let skipped = name.starts_with('.') || SKIPPED.contains(&&*name) || path == Path::new(GENERATED);
            if !skipped {
                collect(root, &path, paths)?;
            }
        } else if name.ends_with(".rs") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Marks the files that a `#[cfg(test)] mod name;` pulls in, and all below them.
fn mark_test_modules(sources: &mut [Source]) {
    let mut roots = HashSet::new();
    for source in sources.iter() {
        for module in source.syntax.items.iter().filter_map(declared_module) {
            if is_for_tests(&module.attrs) {
                roots.insert(module_folder(&source.path).join(module.ident.to_string()));
            }
        }
    }
    for source in sources.iter_mut() {
        let module = source.path.with_extension("");
        source.is_test |= module.ancestors().any(|ancestor| roots.contains(ancestor));
    }
}

fn declared_module(item: &Item) -> Option<&ItemMod> {
    match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    }
}

/// Where the files of a file's modules are.
fn module_folder(path: &Path) -> PathBuf {
    let is_crate_root = path.file_name().is_some_and(|name| name == "lib.rs" || name == "main.rs");
    if is_crate_root { path.parent().unwrap_or(Path::new("")).to_owned() } else { path.with_extension("") }
}

/// Whether the attributes say that what follows is only compiled for tests.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        }
        meta => meta.path().segments.last().is_some_and(|segment| segment.ident == "test"),
    })
}
