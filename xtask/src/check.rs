//! `cargo xtask check`: what the house style and the dependency rules say, as far as a tool can tell. Each problem is one
//! line, `file:line: what and how to mend`. Nothing is changed.

use anyhow::bail;

mod banned;
mod documents;
mod layers;
mod limits;
mod manifests;
mod names;
mod problem;
mod sources;
mod tools;
mod words;
mod workspace;

pub(crate) use tools::cargo;

/// Runs every check; with `--structure` only those that need no compiler.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let only_structure = match arguments {
        [] => false,
        [flag] if flag == "--structure" => true,
        _ => bail!("the only argument is --structure"),
    };
    let root = crate::generate::root()?;
    let workspace = workspace::Workspace::read(&root)?;
    let mut problems = layers::check(&workspace);
    problems.extend(manifests::check(&workspace));
    problems.extend(documents::check(&workspace)?);
    for source in sources::read(&root)? {
        problems.extend(names::check(&source));
        problems.extend(words::check(&source));
        problems.extend(limits::check(&source));
    }
    problems.extend(banned::check(&root)?);
    if !only_structure {
        problems.extend(tools::check(&root)?);
    }
    problems.sort();
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => bail!("one problem"),
        count => bail!("{count} problems"),
    }
}
