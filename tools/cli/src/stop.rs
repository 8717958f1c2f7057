//! The command `stop`: ends running apps by id or by run file, and returns once they are gone. An app that `run` started
//! is ended by that `run`; what is left of one whose `run` is gone is ended from here.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::ArgMatches;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::instances;
use crate::process::ProcessId;
use crate::record::Record;
use crate::run::recorded_path;
use crate::session::{Session, refuse_kubernetes};

/// How long the processes may take to end in order: longer than `run` itself gives them.
const LIMIT: Duration = Duration::from_secs(20);
/// How long they may take after that, killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(50);

/// Stops what the flags say. Every app is tried; an error names those that could not be stopped.
pub(crate) async fn stop(matches: &ArgMatches, session: &Session) -> Result<()> {
    refuse_kubernetes(matches)?;
    let records = instances::all(session).await;
    if let Some(file) = matches.get_one::<String>("run-file").filter(|file| !file.is_empty()) {
        return stop_run_file(&recorded_path(file)?, &records, session).await;
    }
    let mut ids: Vec<&String> = matches.get_many("app-ids").map(Iterator::collect).unwrap_or_default();
    ids.extend(matches.get_one::<String>("app-id"));
    ensure!(!ids.is_empty(), "nothing to stop: name an app with --app-id, or a run file with --run-file");
    let mut failed = Vec::new();
    for id in ids {
        match stop_app(id, &records).await {
            Ok(()) => session.console.success(format!("app stopped successfully: {id}")),
            Err(error) => failed.push(format!("{id}: {error:#}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed to stop app {}", failed.join("; ")) }
}

async fn stop_app(id: &str, records: &[Record]) -> Result<()> {
    let Some(record) = records.iter().find(|record| record.app_id == *id) else {
        bail!("there is no running app with this id; `list` shows what runs")
    };
    let of_same_run = records.iter().filter(|other| other.cli == record.cli).count();
    let app = app_of(record);
    match (record.cli.is_alive(), of_same_run) {
        (true, 1) => end(&[&record.cli, &record.sidecar], app, false).await,
        (true, _) => end(&[&record.sidecar], app, false).await,
        (false, _) => end(&[&record.sidecar], app, true).await,
    }
}

async fn stop_run_file(path: &Path, records: &[Record], session: &Session) -> Result<()> {
    let of_file: Vec<&Record> = records.iter().filter(|record| Path::new(&record.run_template_path) == path).collect();
    ensure!(!of_file.is_empty(), "nothing runs from the run file {}; `list` shows what runs", path.display());
    for record in of_file {
        let left = !record.cli.is_alive();
        let first = if left { &record.sidecar } else { &record.cli };
        end(&[first, &record.sidecar], app_of(record), left).await?;
    }
    session.console.success("Dapr and app processes stopped successfully");
    Ok(())
}

/// The app, when we know from our own record that it is one.
fn app_of(record: &Record) -> Option<&ProcessId> {
    record.app.as_ref().filter(|_| !record.found)
}

/// Asks the first process to end and waits until all are gone. With `left`, nobody else ends the app: it is asked too.
async fn end(processes: &[&ProcessId], app: Option<&ProcessId>, left: bool) -> Result<()> {
    let Some(first) = processes.first() else { return Ok(()) };
    if first.is_alive() {
        kill(Pid::from_raw(first.pid), Signal::SIGTERM)?;
    }
    let all: Vec<&ProcessId> = processes.iter().copied().chain(app).collect();
    if left {
        signal_group(app, Signal::SIGTERM);
    }
    if gone(&all, LIMIT).await {
        return Ok(());
    }
    signal_group(app, Signal::SIGKILL);
    for process in all.iter().filter(|process| process.is_alive()) {
        let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
    ensure!(gone(&all, KILL_LIMIT).await, "its processes do not end; end them with `kill -9`");
    Ok(())
}

/// Each app leads a process group of its own, when `run` started it.
fn signal_group(app: Option<&ProcessId>, signal: Signal) {
    if let Some(app) = app.filter(|app| app.is_alive()) {
        let pid = Pid::from_raw(app.pid);
        if killpg(pid, signal).is_err() {
            let _ = kill(pid, signal);
        }
    }
}

/// These are not our children, so there is no event for their end.
async fn gone(processes: &[&ProcessId], limit: Duration) -> bool {
    let started = Instant::now();
    while processes.iter().any(|process| process.is_alive()) {
        if started.elapsed() >= limit {
            return false;
        }
        tokio::time::sleep(STEP).await;
    }
    true
}
