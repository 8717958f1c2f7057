//! The command `run`: makes the plans, starts the pairs in their order, waits for the end, and leaves nothing behind.
//! `entry` calls it. What one pair does is in `pair`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ArgMatches;
use service::{Shutdown, Tasks};
use tokio::signal::unix::{SignalKind, signal};

use crate::embedded::{self, Treatment};
use crate::flags;
use crate::hub::Hub;
use crate::names;
use crate::orphans::Orphans;
use crate::pair::{Pair, Run};
use crate::plan::Plan;
use crate::ports::Ports;
use crate::preflight;
use crate::run_file;
use crate::run_file_keys;
use crate::run_file_merge::{self, Origin};
use crate::session::{Session, refuse_kubernetes};
use crate::sidecar_program::SidecarProgram;
use crate::verdict::StartError;

/// Runs what the flags or the run file say. Returns the exit code; an error is a failure before anything was started.
pub(crate) async fn run(matches: &ArgMatches, session: &Session) -> Result<u8> {
    refuse_kubernetes(matches)?;
    let mut plans = plans(matches, session)?;
    let chosen = preflight::check(&plans, &session.environment)?;
    // Before this process adopts what its children leave behind: the hub outlives the run.
    let hub = provide_hub(&mut plans, matches, session).await?;
    let plans: Result<Vec<(Plan, Ports)>> = plans
        .into_iter()
        .map(|plan| {
            let ports = chosen.pick(&plan.settings)?;
            Ok((plan, ports))
        })
        .collect();
    let run = Arc::new(prepare(matches, session, hub)?);
    watch_signals(&run)?;
    let orphans = Arc::clone(&run.orphans);
    run.tasks.spawn("collecting orphans", async move { orphans.collect_forever().await });
    if let Some(hub) = run.hub.clone() {
        run.tasks.spawn("the hub", hub.keep(Arc::clone(&run)));
    }
    let code = run_all(&run, plans?).await;
    run.orphans.end_all().await;
    let _ = std::fs::remove_dir_all(run.folder.path().join("embedded").join(std::process::id().to_string()));
    Ok(code)
}

fn plans(matches: &ArgMatches, session: &Session) -> Result<Vec<Plan>> {
    let Some(given) = matches.get_one::<String>("run-file").filter(|path| !path.is_empty()) else {
        let settings = flags::settings(matches, &session.environment, &session.console)?;
        if settings.command.is_empty() {
            session.console.warning("No application command found: only the sidecar runs.");
        }
        return Ok(vec![Plan { settings, place: None }]);
    };
    let ignored = flags::ignored_beside_run_file(matches);
    if !ignored.is_empty() {
        session.console.warning(format!(
            "These flags mean nothing beside --run-file, set them in the run file instead: {}",
            ignored.join(", ")
        ));
    }
    let path = run_file::locate(given)?;
    let text = run_file::content(&path)?;
    let (file, document) = run_file::parse(&path, &text)?;
    for complaint in run_file_keys::unknown(&document) {
        session.console.warning(format!("{}: {complaint}", path.display()));
    }
    let (absolute, folder) = run_file::absolute(&path)?;
    let origin = Origin { path: &absolute, folder: &folder, environment: &session.environment };
    let plans = run_file_merge::plans(file, &origin);
    plans.with_context(|| path.display().to_string())
}

/// Gives apps without resources those of the hub, with `--embedded` also in place of a Redis that is not there, and makes sure that the
/// hub runs if an app uses it.
async fn provide_hub(plans: &mut [Plan], matches: &ArgMatches, session: &Session) -> Result<Option<Hub>> {
    let replaces = matches.get_one::<bool>("embedded").copied().unwrap_or_default();
    if !SidecarProgram::choose(&session.environment)?.knows_hub() {
        ensure!(!replaces, "--embedded needs the sidecar of this executable: another one knows no hub");
        return Ok(None);
    }
    let folder = session.folder()?;
    let hub = Hub::of(session, &folder);
    let scratch = folder.path().join("embedded").join(std::process::id().to_string());
    let mut is_used = false;
    for (number, plan) in plans.iter_mut().enumerate() {
        let settings = &mut plan.settings;
        if settings.resources_paths.is_empty() {
            settings.resources_paths.push(hub.write_defaults(&folder)?);
            session.console.info(format!(
                "No resources are given: {} gets the components statestore (state.embedded) and pubsub (pubsub.embedded), in the hub \
                 of this user.",
                settings.app_id
            ));
            is_used = true;
            continue;
        }
        let scratch = scratch.join(number.to_string());
        let treatment = Treatment { hub: &hub, replaces, scratch: &scratch, listens: &embedded::listens };
        let found = embedded::look(&settings.resources_paths, &treatment)?;
        for line in found.told {
            session.console.warning(line);
        }
        settings.resources_paths = found.folders;
        is_used |= found.uses_hub;
    }
    if !is_used {
        return Ok(None);
    }
    hub.start(None).await?;
    Ok(Some(hub))
}

fn prepare(matches: &ArgMatches, session: &Session, hub: Option<Hub>) -> Result<Run> {
    let sidecar = SidecarProgram::choose(&session.environment)?;
    let folder = session.folder()?;
    let names = if sidecar.uses_registry() { Some(names::write_configuration(&folder)?) } else { None };
    let seconds = matches.get_one::<i64>("app-start-timeout").copied().unwrap_or_default();
    let app_limit = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    Ok(Run {
        console: session.console.clone(),
        tasks: Tasks::new(),
        orphans: Arc::new(Orphans::adopt()),
        environment: session.environment.clone(),
        folder,
        sidecar,
        names,
        hub,
        app_limit,
        stop: Shutdown::new(),
        kill: Shutdown::new(),
    })
}

/// The first signal ends everything in order, the second one at once.
fn watch_signals(run: &Arc<Run>) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    let run_of_signals = Arc::clone(run);
    run.tasks.spawn("signals", async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if run_of_signals.stop.is_requested() {
                run_of_signals.kill.request();
            } else {
                run_of_signals.console.info("Shutting down; once more ends everything at once.");
                run_of_signals.stop.request();
            }
        }
    });
    Ok(())
}

/// Starts one pair after the other, and waits for the end of all. When one cannot start, the others are ended; when
/// one ends later, the others go on, as in the target.
async fn run_all(run: &Arc<Run>, plans: Vec<(Plan, Ports)>) -> u8 {
    let alone = plans.iter().all(|(plan, _)| plan.place.is_none());
    let mut failure = None;
    let mut watches = Vec::new();
    for (plan, ports) in plans {
        let id = plan.settings.app_id.clone();
        match Pair::start(run, plan, ports).await {
            Ok(pair) => watches.push(run.tasks.spawn("watching an app", pair.watch())),
            Err(StartError::Interrupted) => break,
            Err(StartError::Failed { message, code }) => {
                let place = if alone { String::new() } else { format!("{id} could not be started: ") };
                run.console.failure(format!("{place}{message}"));
                failure = Some(code);
                run.stop.request();
                break;
            }
        }
    }
    let mut codes = Vec::new();
    for watch in watches {
        codes.push(watch.await.unwrap_or(1));
    }
    let worst = failure.or_else(|| codes.into_iter().find(|code| *code != 0)).unwrap_or_default();
    if alone { worst } else { worst.min(1) }
}

/// The absolute path under which the runs of a run file are recorded; used by `stop`.
pub(crate) fn recorded_path(given: &str) -> Result<std::path::PathBuf> {
    let path = run_file::locate(given)?;
    run_file::absolute(Path::new(&path)).map(|(absolute, _)| absolute)
}
