//! The documents that a tool can hold to their word: the map, the decision records, the change files, the links. Called
//! by `check`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::problem::Problem;
use super::workspace::Workspace;

const MAP: &str = "ARCHITECTURE.md";
const MAP_LINES: usize = 150;
/// What the repository's first folder names look like in a path.
const FOLDERS: &[&str] = &[
    "base/",
    "bin/",
    "changes/",
    "components/",
    "contracts/",
    "control/",
    "docs/",
    "examples/",
    "runtime/",
    "tests/",
    "tools/",
    "xtask/",
];
const NEEDED: &[&str] =
    &["README.md", MAP, "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CHANGELOG.md", "changes/README.md"];
/// What a change file's title starts with.
const KINDS: &[&str] = &["Added", "Changed", "Fixed", "Removed", "Security"];

/// Problems with documents.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<Problem>> {
    let root = &workspace.root;
    let mut problems: Vec<Problem> = NEEDED
        .iter()
        .filter(|path| !root.join(path).is_file())
        .map(|path| Problem::new(path, 1, "this document is missing; write it"))
        .collect();
    problems.extend(check_map(workspace)?);
    problems.extend(check_numbered(root, "docs/decisions", check_decision)?);
    problems.extend(check_numbered(root, "changes", check_change)?);
    for path in markdown_files(root)? {
        problems.extend(check_links(root, &path)?);
    }
    Ok(problems)
}

/// The map names every crate, is short, and every path in it exists.
fn check_map(workspace: &Workspace) -> anyhow::Result<Vec<Problem>> {
    let path = workspace.root.join(MAP);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path)?;
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if lines > MAP_LINES {
        let advice = format!("{lines} lines, at most {MAP_LINES}; move detail into the files it is about");
        problems.push(Problem::new(MAP, MAP_LINES + 1, advice));
    }
    for member in &workspace.members {
        if !text.contains(&format!("`{}`", member.folder)) {
            let advice = format!("the crate `{}` is not on the map; add a line", member.folder);
            problems.push(Problem::new(MAP, 1, advice));
        }
    }
    for (index, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['<', '*', ' ']);
            if is_path && !workspace.root.join(word).exists() {
                problems.push(Problem::new(MAP, index + 1, format!("{word} does not exist; name what is there")));
            }
        }
    }
    Ok(problems)
}

/// Files of a folder are called `0001-words-like-these.md`, no number twice, none left out.
fn check_numbered(
    root: &Path,
    folder: &str,
    check: fn(&str) -> Option<(usize, String)>,
) -> anyhow::Result<Vec<Problem>> {
    let mut names = Vec::new();
    if root.join(folder).is_dir() {
        for entry in fs::read_dir(root.join(folder))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    names.retain(|name| name != "README.md");
    names.sort();
    let mut problems = Vec::new();
    let mut previous = 0;
    for name in names {
        let path = Path::new(folder).join(&name);
        let Some(number) = number_of(&name) else {
            problems.push(Problem::new(path, 1, "is not named like 0001-words-in-lower-case.md; rename it"));
            continue;
        };
        if number == previous {
            problems.push(Problem::new(&path, 1, format!("the number {number:04} is taken; use the next one")));
        }
        previous = number;
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        problems.extend(check(&text).map(|(line, advice)| Problem::new(&path, line, advice)));
    }
    Ok(problems)
}

fn number_of(name: &str) -> Option<u32> {
    let (number, words) = name.strip_suffix(".md")?.split_once('-')?;
    let good = words.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    (number.len() == 4 && good && !words.is_empty()).then(|| number.parse().ok()).flatten()
}

fn check_decision(text: &str) -> Option<(usize, String)> {
    (!text.starts_with("# ")).then(|| (1, "starts without a title; write `# What was decided`".to_owned()))
}

/// A title that names the kind of change, an empty line, and what a user should know.
fn check_change(text: &str) -> Option<(usize, String)> {
    let mut lines = text.lines();
    let kind = lines.next().and_then(|title| title.strip_prefix("# ")).and_then(|title| title.split_once(": "));
    if !kind.is_some_and(|(kind, summary)| KINDS.contains(&kind) && !summary.trim().is_empty()) {
        return Some((
            1,
            format!("starts without `# <kind>: <summary>`, where the kind is one of {}", KINDS.join(", ")),
        ));
    }
    if lines.next() != Some("") {
        return Some((2, "an empty line follows the title".to_owned()));
    }
    lines.all(|line| line.trim().is_empty()).then(|| (3, "says nothing; tell a user what is different".to_owned()))
}

fn markdown_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::new(), PathBuf::from("changes")];
    for folder in ["docs", "examples", "deploy"] {
        if root.join(folder).is_dir() {
            folders.push(PathBuf::from(folder));
        }
    }
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if folder != Path::new("") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// A link into the repository leads to something.
fn check_links(root: &Path, path: &Path) -> anyhow::Result<Vec<Problem>> {
    let text = fs::read_to_string(root.join(path))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or("");
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            if !root.join(folder).join(file).exists() {
                problems.push(Problem::new(path, index + 1, format!("the link to {target} leads nowhere; mend it")));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names_are_told_from_others() {
        assert_eq!(number_of("0012-own-frames.md"), Some(12));
        for name in ["12-own.md", "0012.md", "0012-.md", "0012-Own.md", "0012-own.txt", "own.md"] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_change_file_has_a_kind_a_summary_and_a_text() {
        assert_eq!(check_change("# Added: calls\n\nApps call each other.\n"), None);
        assert_eq!(check_change("# Calls\n\nText.\n").unwrap().0, 1);
        assert_eq!(check_change("# Added: calls\nText.\n").unwrap().0, 2);
        assert_eq!(check_change("# Added: calls\n\n\n").unwrap().0, 3);
    }
}
