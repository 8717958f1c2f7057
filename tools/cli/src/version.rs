//! The command `version` and the flag `--version`: the versions of the command line and of the sidecar it starts.

use std::process::Stdio;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::session::Session;
use crate::sidecar_program::SidecarProgram;

/// The names are the target's.
#[derive(Serialize)]
struct Versions {
    #[serde(rename = "Cli version")]
    cli: String,
    #[serde(rename = "Runtime version")]
    runtime: String,
}

/// Prints the versions; `output` is empty or `json`.
pub(crate) async fn version(output: &str, session: &Session) -> Result<()> {
    ensure!(output.is_empty() || output == "json", "the output form {output} is unknown; use json, or leave it out");
    let versions = Versions { cli: env!("CARGO_PKG_VERSION").to_owned(), runtime: runtime(session).await };
    session.console.print(match output {
        "json" => format!("{}\n", serde_json::to_string(&versions)?),
        _ => format!("CLI version: {} \nRuntime version: {}\n", versions.cli, versions.runtime),
    });
    Ok(())
}

/// What the sidecar says of itself, `n/a` when it says nothing.
async fn runtime(session: &Session) -> String {
    let Ok(program) = SidecarProgram::choose(&session.environment) else { return "n/a".to_owned() };
    let output = program.command().arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().await;
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).replace('\n', ""),
        Ok(_) | Err(_) => "n/a".to_owned(),
    }
}
