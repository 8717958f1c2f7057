//! `cargo xtask gen`: writes every generated file of the repository, or with `--check` says which ones are not what
//! their sources give. Each generator returns its files in memory; only this file touches the tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// One generated file: its path from the root of the repository, and its content.
pub(crate) struct Generated {
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
}

/// What one generator owns: its files and, where it owns whole folders, those folders, so that a file it no longer
/// writes is found and removed.
pub(crate) struct Output {
    pub(crate) files: Vec<Generated>,
    pub(crate) folders: Vec<PathBuf>,
}

const GENERATORS: &[fn(&Path) -> anyhow::Result<Output>] =
    &[
        crate::gen_wire::generate,
        crate::gen_errors::generate,
        crate::gen_components::generate,
        crate::gen_conformance::generate,
    ];

/// Runs every generator. The only argument is `--check`.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("the only argument is --check"),
    };
    let root = root()?;
    let mut different = Vec::new();
    for generator in GENERATORS {
        let output = generator(&root)?;
        different.extend(differences(&root, &output)?);
        if !check {
            write(&root, &output)?;
        }
    }
    if check && !different.is_empty() {
        bail!("not what their sources give; run `cargo xtask gen` and commit:\n  {}", different.join("\n  "));
    }
    for line in different {
        println!("{line}");
    }
    Ok(())
}

/// The root of the repository.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask stands in the root of the repository")?.to_owned())
}

/// One line for each file that is missing, differs or should not be there.
fn differences(root: &Path, output: &Output) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in &output.files {
        let state = match fs::read(root.join(&file.path)) {
            Ok(content) if content == file.content => continue,
            Ok(_) => "changed",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "new",
            Err(error) => return Err(error).with_context(|| file.path.display().to_string()),
        };
        lines.push(format!("{state}: {}", file.path.display()));
    }
    for path in left_over(root, output)? {
        lines.push(format!("left over: {}", path.display()));
    }
    Ok(lines)
}

fn left_over(root: &Path, output: &Output) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for folder in &output.folders {
        let entries = match fs::read_dir(root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| folder.display().to_string()),
        };
        for entry in entries {
            let path = folder.join(entry?.file_name());
            if !output.files.iter().any(|file| file.path == path) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

fn write(root: &Path, output: &Output) -> anyhow::Result<()> {
    for path in left_over(root, output)? {
        fs::remove_file(root.join(&path)).with_context(|| path.display().to_string())?;
    }
    for file in &output.files {
        let path = root.join(&file.path);
        if fs::read(&path).is_ok_and(|content| content == file.content) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, &file.content).with_context(|| file.path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(content: &str) -> Output {
        let file = Generated { path: PathBuf::from("gen/one.rs"), content: content.as_bytes().to_vec() };
        Output { files: vec![file], folders: vec![PathBuf::from("gen")] }
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(differences(root.path(), &output("a")).unwrap(), ["new: gen/one.rs"]);
        write(root.path(), &output("a")).unwrap();
        assert_eq!(differences(root.path(), &output("a")).unwrap(), Vec::<String>::new());
        fs::write(root.path().join("gen/two.rs"), "").unwrap();
        assert_eq!(differences(root.path(), &output("b")).unwrap(), ["changed: gen/one.rs", "left over: gen/two.rs"]);
        write(root.path(), &output("b")).unwrap();
        assert_eq!(differences(root.path(), &output("b")).unwrap(), Vec::<String>::new());
    }
}
