//! The log files of a pair and where its output goes: to the console, to files in `.dapr/logs` of the app's folder, or
//! both, as the run file says. Used by `pair`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::console::Console;
use crate::output::{Destination, Prefix};
use crate::plan::{LogDestination, Plan};

/// How much of the end of a log is shown when a sidecar fails.
const TAIL_LINES: usize = 3;

/// The open log files of one pair.
#[derive(Default)]
pub(crate) struct Logs {
    sidecar: Option<LogFile>,
    app: Option<LogFile>,
}

struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    fn create(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the log folder {}", folder.display()))?;
        let file = File::create(&path).with_context(|| format!("cannot write the log {}", path.display()))?;
        Ok(Self { path, file: Arc::new(Mutex::new(file)) })
    }
}

impl Logs {
    /// Makes the files that a plan asks for; an app that runs alone has none.
    pub(crate) fn open(plan: &Plan) -> Result<Self> {
        let Some(place) = &plan.place else { return Ok(Self::default()) };
        let folder = place.directory.join(".dapr/logs");
        let time = jiff::Zoned::now().strftime("%Y%m%d%H%M%S").to_string();
        let id = &plan.settings.app_id;
        let create = |wanted: LogDestination, kind: &str| match wanted.in_file() {
            true => LogFile::create(&folder, &format!("{id}_{kind}_{time}.log")).map(Some),
            false => Ok(None),
        };
        let app = if plan.settings.command.is_empty() { None } else { create(place.app_log, "app")? };
        Ok(Self { sidecar: create(place.sidecar_log, "daprd")?, app })
    }

    /// Where the lines of the app go.
    pub(crate) fn app(&self, console: &Console, plan: &Plan) -> Destination {
        let prefix = match &plan.place {
            None => Some(Prefix::of_single_app()),
            Some(place) if place.app_log.on_console() => Some(Prefix::of_app(&plan.settings.app_id, place.position)),
            Some(_) => None,
        };
        destination(console, prefix, self.app.as_ref())
    }

    /// Where the lines of the sidecar go when they go through us.
    pub(crate) fn sidecar(&self, console: &Console, plan: &Plan) -> Destination {
        let on_console = plan.place.as_ref().filter(|place| place.sidecar_log.on_console());
        let prefix = on_console.map(|place| Prefix::of_sidecar(&plan.settings.app_id, place.position));
        destination(console, prefix, self.sidecar.as_ref())
    }

    /// Connects the output of the sidecar: the sidecar of an only app writes to our own output, one whose lines go to a
    /// file alone writes there itself, and the others write to pipes.
    pub(crate) fn connect_sidecar(&self, command: &mut Command, plan: &Plan) -> Result<()> {
        let Some(place) = &plan.place else { return Ok(()) };
        let direct = self.sidecar.as_ref().filter(|_| !place.sidecar_log.on_console());
        let Some(file) = direct.and_then(|log| log.file.lock().ok()) else {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            return Ok(());
        };
        let (out, err) = (file.try_clone(), file.try_clone());
        command.stdout(out.context("cannot share the log file")?).stderr(err.context("cannot share the log file")?);
        Ok(())
    }

    /// The paths of the app's and of the sidecar's log; empty where there is none.
    pub(crate) fn paths(&self) -> (String, String) {
        let path = |log: Option<&LogFile>| log.map(|log| log.path.to_string_lossy().into_owned()).unwrap_or_default();
        (path(self.app.as_ref()), path(self.sidecar.as_ref()))
    }

    /// Where the logs are, in a few words.
    pub(crate) fn summary(&self) -> String {
        let folder = [&self.app, &self.sidecar].into_iter().flatten().find_map(|log| log.path.parent());
        folder.map_or_else(|| "on this console".to_owned(), |folder| folder.display().to_string())
    }

    /// Where to read why a sidecar ended, with the last lines of its log when they are not on the console.
    pub(crate) fn sidecar_hint(&self) -> String {
        let Some(log) = &self.sidecar else { return "its log above says why".to_owned() };
        let text = std::fs::read_to_string(&log.path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n    ");
        format!("its log {} ends with:\n    {tail}", log.path.display())
    }
}

fn destination(console: &Console, prefix: Option<Prefix>, log: Option<&LogFile>) -> Destination {
    Destination { console: prefix.map(|prefix| (console.clone(), prefix)), file: log.map(|log| Arc::clone(&log.file)) }
}
