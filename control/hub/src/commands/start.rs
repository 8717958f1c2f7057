//! `hub start`: makes sure that a hub runs. It may be called by many at once: the lock file lets one hub live. Called by `commands`;
//! `trilby run` calls the command.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hubclient::{Client, Error};
use tokio::process::{Child, Command};

use super::{client, explain};
use crate::entry::ALREADY_RUNS;
use crate::options::Options;

/// How long a hub may take to answer after its start: it may have much to read after a kill.
const PATIENCE: Duration = Duration::from_secs(30);
/// A log that is longer is put aside at a start.
const LONGEST_LOG: u64 = 8 << 20;

/// Starts a hub unless one runs.
pub(super) async fn start(options: &Options) -> Result<String, String> {
    match client(&options.place, Duration::ZERO).connect().await {
        Ok(()) => return told(&client(&options.place, PATIENCE), "The hub runs already").await,
        Err(Error::Unreachable(_)) => {}
        Err(error) => return Err(explain(&error)),
    }
    let log = log_file(options).map_err(|error| format!("the log of the hub: {error}"))?;
    let mut child = spawn(options, &log).map_err(|error| format!("the hub cannot be started: {error}"))?;
    let client = client(&options.place, PATIENCE);
    tokio::select! {
        told = told(&client, "The hub was started") => told,
        ended = failed(&mut child) => Err(format!("the hub ended at its start ({ended}); its log is {}{}", log.display(), last_line(&log))),
    }
}

async fn told(client: &Client, what: &str) -> Result<String, String> {
    let status = client.status().await.map_err(|error| explain(&error))?;
    Ok(format!("{what}: process {}, socket {}, data {}\n", status.pid, status.socket, status.data_folder))
}

/// Completes when the hub that was started has failed; one that found another has not.
async fn failed(child: &mut Child) -> ExitStatus {
    match child.wait().await {
        Ok(status) if status.code() != Some(i32::from(ALREADY_RUNS)) => status,
        _ => std::future::pending().await,
    }
}

fn log_file(options: &Options) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(named) = &options.log.file {
        return std::path::absolute(named);
    }
    let data = &options.place.data;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    let log = data.join("hub.log");
    if std::fs::metadata(&log).is_ok_and(|found| found.len() > LONGEST_LOG) {
        std::fs::rename(&log, data.join("hub.log.1"))?;
    }
    Ok(log)
}

fn spawn(options: &Options, log: &Path) -> std::io::Result<Child> {
    let own = std::env::current_exe()?;
    let mut command = Command::new(&own);
    if own.file_stem().is_none_or(|name| name != "hub") {
        command.arg("hub");
    }
    command.arg("serve").arg("--detached").arg("--socket").arg(&options.place.socket);
    if let Some(data) = options.place.data.parent() {
        command.arg("--data-dir").arg(data);
    }
    command.arg("--idle-timeout").arg(format!("{}ms", options.idle.unwrap_or_default().as_millis()));
    command.arg("--log-level").arg(options.log.level.as_str()).arg(format!("--log-as-json={}", options.log.json));
    command.arg("--log-file").arg(log);
    // What is said before the log is open goes there too.
    let output = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(output)).current_dir("/");
    command.spawn()
}

fn last_line(log: &Path) -> String {
    let content = std::fs::read_to_string(log).unwrap_or_default();
    content.lines().last().map(|line| format!(": {line}")).unwrap_or_default()
}
