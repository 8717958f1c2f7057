//! The official SDKs that the black-box scenarios use as clients: a Python environment and a Node project, each with the
//! versions that `tests/wire/sdk` pins, made in the target folder and kept until the pins change. Used by `test`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Where the pins are.
const PINS: &str = "tests/wire/sdk";
/// Holds the pins that a folder was made from; written last, so that half a folder is made again.
const STAMP: &str = "made-from";

/// What could be prepared on this machine.
#[derive(Debug, Default)]
pub(crate) struct Kits {
    /// The Python that has the SDK.
    python: Option<PathBuf>,
    /// The folder in which Node finds the SDK.
    node_project: Option<PathBuf>,
    /// Why something is missing: what is not tested, and the reason.
    pub(crate) missing: Vec<String>,
}

impl Kits {
    /// What the tests are told: `TRILBY_PYTHON` and `TRILBY_NODE_PROJECT`, each only when it is there.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let python = self.python.iter().map(|path| ("TRILBY_PYTHON", path.as_path()));
        python.chain(self.node_project.iter().map(|path| ("TRILBY_NODE_PROJECT", path.as_path())))
    }
}

/// Prepares both in `folder`. What cannot be had is named, not fatal: whether that is allowed, `test` decides.
pub(crate) fn prepare(root: &Path, folder: &Path) -> Kits {
    let mut kits = Kits::default();
    match python(&root.join(PINS).join("python"), &folder.join("python")) {
        Ok(program) => kits.python = Some(program),
        Err(error) => kits.missing.push(format!("scenarios with the Python SDK: {error:#}")),
    }
    match node(&root.join(PINS).join("js"), &folder.join("js")) {
        Ok(project) => kits.node_project = Some(project),
        Err(error) => kits.missing.push(format!("scenarios with the JavaScript SDK: {error:#}")),
    }
    kits
}

fn python(pins: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let requirements = pins.join("requirements.txt");
    let wanted = read(&requirements)?;
    let program = folder.join("bin").join("python");
    require("python3")?;
    if is_made_from(folder, &wanted) {
        return Ok(program);
    }
    start_over(folder)?;
    execute(Command::new("python3").arg("-m").arg("venv").arg(folder))?;
    let mut install = Command::new(&program);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"]);
    execute(install.arg(&requirements))?;
    fs::write(folder.join(STAMP), wanted)?;
    Ok(program)
}

fn node(pins: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let lock = pins.join("package-lock.json");
    let wanted = read(&lock)?;
    require("node")?;
    require("npm")?;
    if is_made_from(folder, &wanted) {
        return Ok(folder.to_owned());
    }
    start_over(folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(pins.join(name), folder.join(name)).with_context(|| name.to_owned())?;
    }
    let mut install = Command::new("npm");
    execute(install.args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder))?;
    fs::write(folder.join(STAMP), wanted)?;
    Ok(folder.to_owned())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn is_made_from(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|made_from| made_from == wanted)
}

fn start_over(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

fn require(program: &str) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        _ => bail!("{program} is not installed"),
    }
}

/// Runs a command without a terminal; what it said goes into the error.
fn execute(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().lines().next_back().unwrap_or("it said nothing").to_owned();
        bail!("{command:?} failed: {said}");
    }
    Ok(())
}
