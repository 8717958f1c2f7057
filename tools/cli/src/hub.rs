//! The hub beside `run`: started when an app needs it, started again when it was lost, left alone when the user has stopped it.
//! `run` calls it. It is started by the command `hub start` of this executable, which lets one hub live whoever asks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hubclient::{Client, Options, SOCKET_VARIABLE, Spawner, socket_in};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::folder::{Folder, write_file};
use crate::orphans::Orphans;
use crate::pair::Run;
use crate::session::Session;

/// How long a call waits for a hub that was just started.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first and the longest wait before a hub that cannot be started is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The hub of this user, as a run knows it.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    socket: PathBuf,
}

impl Hub {
    /// The hub that belongs to the runtime folder, unless `TRILBY_HUB_SOCKET` names another. It need not run.
    pub(crate) fn of(session: &Session, folder: &Folder) -> Self {
        let named = session.environment.get(SOCKET_VARIABLE).filter(|path| !path.is_empty());
        Self { socket: named.map_or_else(|| socket_in(folder.path()), PathBuf::from) }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes sure that it runs. The children that this starts are told to `orphans`, if there are any yet.
    pub(crate) async fn start(&self, orphans: Option<&Orphans>) -> Result<()> {
        let own = std::env::current_exe().context("cannot find the executable of the hub")?;
        let mut command = Command::new(own);
        command.args(["hub", "start", "--socket"]).arg(&self.socket);
        // A group of its own: an interrupt at the terminal ends the run, and not a start that others wait for.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().context("cannot start the hub")?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        if let Some(orphans) = orphans {
            orphans.started(pid);
        }
        let output = child.wait_with_output().await.context("cannot start the hub")?;
        if let Some(orphans) = orphans {
            orphans.collected(pid);
        }
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Keeps it running as long as the run lasts.
    pub(crate) async fn keep(self, run: Arc<Run>) {
        let tasks = run.tasks.clone();
        let client = Client::new(Options {
            sockets: vec![self.socket.clone()],
            name: Some("trilby run".to_owned()),
            patience: PATIENCE,
            spawner: Spawner::new(move |name, work| drop(tasks.spawn(name, work))),
        });
        tokio::select! {
            () = run.stop.requested() => {}
            () = self.watch(&client, &run) => {}
        }
        client.close().await;
    }

    async fn watch(&self, client: &Client, run: &Run) {
        let mut wait = FIRST_WAIT;
        loop {
            match client.disconnected().await {
                Ok(true) => {
                    run.console.warning(
                        "The hub was stopped: what the apps keep in it cannot be reached until `trilby hub start`.",
                    );
                    return;
                }
                Ok(false) => run.console.warning("The hub was lost; it is started again."),
                Err(error) => run.console.warning(format!("{error}; it is started again.")),
            }
            while let Err(error) = self.start(Some(&run.orphans)).await {
                run.console.failure(format!("{error:#}"));
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            wait = FIRST_WAIT;
        }
    }

    /// Writes the resources of an app that is given none, and returns their folder.
    pub(crate) fn write_defaults(&self, folder: &Folder) -> Result<PathBuf> {
        let path = folder.path().join("defaults");
        make(&path)?;
        let actors = json!({ "name": "actorStateStore", "value": "true" });
        for (name, component_type, own) in
            [("statestore", "state.embedded", Some(actors)), ("pubsub", "pubsub.embedded", None)]
        {
            let socket = json!({ "name": "socket", "value": self.socket_text()? });
            let metadata: Vec<Value> = [socket].into_iter().chain(own).collect();
            let component = json!({
                "apiVersion": "dapr.io/v1alpha1",
                "kind": "Component",
                "metadata": { "name": name },
                "spec": { "type": component_type, "version": "v1", "metadata": metadata },
            });
            write_file(&path.join(format!("{name}.yaml")), component.to_string().as_bytes())?;
        }
        Ok(path)
    }

    /// Its socket as text.
    pub(crate) fn socket_text(&self) -> Result<&str> {
        self.socket.to_str().with_context(|| format!("the path {} is no text", self.socket.display()))
    }
}

/// Makes a folder for us alone.
pub(crate) fn make(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    if let Err(error) = made {
        bail!("cannot make the folder {}: {error}", path.display());
    }
    Ok(())
}
