//! The executables under test and the app behind their sidecars. Called by every case to start what it needs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use service::Tasks;

use crate::app::App;
use crate::client::{Call, Http};
use crate::sidecar::{AppPort, Plan, Sidecar};

const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// Whose executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Ours.
    Ours,
    /// The one to compare with.
    Peer,
}

impl Side {
    /// As tables write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
        }
    }
}

/// What can be started.
pub(crate) struct Fleet {
    ours: PathBuf,
    peer: Option<PathBuf>,
    /// The app under test.
    pub(crate) app: App,
    /// Runs what runs beside.
    pub(crate) tasks: Tasks,
}

/// A sidecar that calls and one that is called.
pub(crate) struct Pair {
    /// The app calls this one.
    pub(crate) caller: Sidecar,
    /// This one calls the app.
    pub(crate) callee: Sidecar,
}

impl Fleet {
    /// Checks the executables and starts the app. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When an executable is missing.
    pub(crate) fn new(ours: PathBuf, peer: Option<PathBuf>, tasks: Tasks) -> anyhow::Result<Self> {
        for program in std::iter::once(&ours).chain(&peer) {
            ensure!(program.is_file(), "there is no executable {:?}; name it with --ours or --peer", program);
        }
        Ok(Self { ours, peer, app: App::start(&tasks)?, tasks })
    }

    /// The sides that were named.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let peer = self.peer.as_ref().map(|_| Side::Peer);
        std::iter::once(Side::Ours).chain(peer).collect()
    }

    fn program(&self, side: Side) -> anyhow::Result<&Path> {
        match side {
            Side::Ours => Ok(&self.ours),
            Side::Peer => self.peer.as_deref().context("this case needs --peer"),
        }
    }

    /// Starts one sidecar; its id is unique among the runs on this machine.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start(
        &self,
        side: Side,
        role: &str,
        app: Option<AppPort>,
        flags: &[&str],
    ) -> anyhow::Result<Sidecar> {
        let app_id = format!("rig-{}-{}-{role}", std::process::id(), side.name());
        Sidecar::start(&Plan { program: self.program(side)?, app_id: &app_id, app, flags }).await
    }

    /// Starts a caller and a callee before the HTTP app, and waits until they find each other.
    ///
    /// # Errors
    /// When one does not start or the caller does not find the callee.
    pub(crate) async fn pair(&self, caller: Side, callee: Side, flags: &[&str]) -> anyhow::Result<Pair> {
        let callee = self.start(callee, "callee", Some(self.app.http_port()), flags).await?;
        let caller = self.start(caller, "caller", None, flags).await?;
        let pair = Pair { caller, callee };
        self.found(&pair).await?;
        Ok(pair)
    }

    async fn found(&self, pair: &Pair) -> anyhow::Result<()> {
        let started = Instant::now();
        let call = Call::get(&pair.path("hello"));
        loop {
            let mut client = Http::connect(pair.caller.http, &self.tasks).await?;
            match client.call(&call).await {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) if started.elapsed() > FOUND_WITHIN => {
                    bail!("{} does not find {}: {:?}", pair.caller.app_id, pair.callee.app_id, answer.body)
                }
                Err(error) if started.elapsed() > FOUND_WITHIN => return Err(error),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

impl Pair {
    /// The path that invokes a method of the callee's app.
    pub(crate) fn path(&self, method: &str) -> String {
        format!("/v1.0/invoke/{}/method/{method}", self.callee.app_id)
    }
}
