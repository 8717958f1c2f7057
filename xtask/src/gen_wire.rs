//! The generator of `contracts/wire/src/gen`: Rust types and stubs, one file per protobuf package, and the descriptor
//! set, from `contracts/proto`. Called by `generate`. It runs no external compiler.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::generate::{Generated, Output};

const SOURCES: &str = "contracts/proto";
const TARGET: &str = "contracts/wire/src/gen";
/// A second root of imports: the files of the task hub import each other without a folder, and reflection shows their
/// names so.
const TASK_HUB: &str = "durabletask";
/// Line in front of every generated file.
const HEADER: &str = "// Written by `cargo xtask gen` from contracts/proto. Do not edit.\n";

/// Compiles all of `contracts/proto`.
pub(crate) fn generate(root: &Path) -> anyhow::Result<Output> {
    let described = compile(&root.join(SOURCES))?;
    let folder = PathBuf::from(TARGET);
    let mut files = rust_files(&described, &folder)?;
    files
        .push(Generated { path: folder.join("descriptors.bin"), content: without_comments(described).encode_to_vec() });
    Ok(Output { files, folders: vec![folder] })
}

fn compile(sources: &Path) -> anyhow::Result<FileDescriptorSet> {
    let mut paths = Vec::new();
    proto_files(sources, &mut paths)?;
    paths.sort();
    let task_hub = sources.join(TASK_HUB);
    let mut compiler = protox::Compiler::new([task_hub.as_path(), sources])?;
    compiler.include_imports(true).include_source_info(true);
    for path in &paths {
        let name = path.strip_prefix(&task_hub).or_else(|_| path.strip_prefix(sources))?;
        compiler.open_file(name).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    }
    Ok(compiler.file_descriptor_set())
}

fn proto_files(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            paths.push(path);
        }
    }
    Ok(())
}

fn rust_files(described: &FileDescriptorSet, folder: &Path) -> anyhow::Result<Vec<Generated>> {
    let scratch = std::env::temp_dir().join(format!("xtask-gen-wire-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let result = generate_into(&scratch, described.clone()).and_then(|()| collect(&scratch, folder));
    fs::remove_dir_all(&scratch)?;
    result
}

fn generate_into(scratch: &Path, described: FileDescriptorSet) -> anyhow::Result<()> {
    tonic_prost_build::configure()
        .out_dir(scratch)
        .emit_rerun_if_changed(false)
        .build_transport(false)
        .generate_default_stubs(true)
        .bytes(".")
        .extern_path(".google.protobuf.Any", "crate::Any")
        .compile_fds(described)
        .context("cannot generate Rust from the descriptors")
}

fn collect(scratch: &Path, folder: &Path) -> anyhow::Result<Vec<Generated>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(scratch)? {
        let entry = entry?;
        let content = fs::read_to_string(entry.path())?;
        // A package with imports only gives an empty file.
        if content.trim().is_empty() || content.lines().all(|line| line.starts_with("//")) {
            continue;
        }
        // The package of the task hub has no name.
        let name = entry.file_name().to_string_lossy().replace("_.rs", "taskhub.rs");
        let content = format!("{HEADER}{}", served_although_deprecated(&content)).into_bytes();
        files.push(Generated { path: folder.join(name), content });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Takes `#[deprecated]` out. To an app a deprecated method says "use another one"; this product has to serve it all
/// the same, and would have to silence the compiler wherever it does.
fn served_although_deprecated(content: &str) -> String {
    let mut kept = String::with_capacity(content.len());
    for line in content.lines().filter(|line| line.trim() != "#[deprecated]") {
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

fn without_comments(mut described: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut described.file {
        file.source_code_info = None;
    }
    described
}
