//! The executables under test and the app behind their sidecars. Called by every case to start what it needs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use service::Tasks;
use tokio::sync::Mutex;

use crate::app::App;
use crate::client::{Call, Http};
use crate::command_line::Authority;
use crate::sentry::Sentry;
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
    sentry: Option<Mutex<Sentry>>,
    /// The app under test.
    pub(crate) app: App,
    /// Runs what runs beside.
    pub(crate) tasks: Tasks,
}

/// What only some sidecars are started with.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras<'a> {
    /// More flags.
    pub(crate) flags: &'a [&'a str],
    /// More resources, a YAML document each.
    pub(crate) resources: &'a [String],
    /// More variables.
    pub(crate) variables: &'a [(&'static str, String)],
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
    pub(crate) async fn new(
        ours: PathBuf,
        peer: Option<PathBuf>,
        authority: Option<Authority>,
        tasks: Tasks,
    ) -> anyhow::Result<Self> {
        let sentry = authority.as_ref().map(|authority| &authority.program);
        for program in std::iter::once(&ours).chain(&peer).chain(sentry) {
            ensure!(program.is_file(), "there is no executable {program:?}; name it with --ours, --peer or --sentry");
        }
        let sentry = match authority {
            Some(Authority { program, life, flags }) => Some(Mutex::new(Sentry::start(&program, life, &flags).await?)),
            None => None,
        };
        Ok(Self { ours, peer, sentry, app: App::start(&tasks, None)?, tasks })
    }

    /// Whether sidecars run with mTLS.
    pub(crate) fn has_sentry(&self) -> bool {
        self.sentry.is_some()
    }

    /// Kills sentry.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn end_sentry(&self) -> anyhow::Result<()> {
        self.sentry.as_ref().context("there is no sentry")?.lock().await.kill().await
    }

    /// Starts sentry again.
    ///
    /// # Errors
    /// When there is none, or it does not become ready.
    pub(crate) async fn resume_sentry(&self) -> anyhow::Result<()> {
        self.sentry.as_ref().context("there is no sentry")?.lock().await.resume().await
    }

    /// The trust anchors of this moment.
    ///
    /// # Errors
    /// When there is no sentry.
    pub(crate) async fn anchors(&self) -> anyhow::Result<String> {
        self.sentry.as_ref().context("there is no sentry")?.lock().await.anchors()
    }

    /// The sides that were named.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let peer = self.peer.as_ref().map(|_| Side::Peer);
        std::iter::once(Side::Ours).chain(peer).collect()
    }

    /// The executable of a side.
    ///
    /// # Errors
    /// When none was named.
    pub(crate) fn program(&self, side: Side) -> anyhow::Result<&Path> {
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
        self.start_with(side, role, app, &Extras { flags, ..Extras::default() }).await
    }

    /// Starts one sidecar with what only some need.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start_with(
        &self,
        side: Side,
        role: &str,
        app: Option<AppPort>,
        extras: &Extras<'_>,
    ) -> anyhow::Result<Sidecar> {
        let app_id = format!("rig-{}-{}-{role}", std::process::id(), side.name());
        let mut all: Vec<String> = extras.flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut anchors = None;
        if let Some(sentry) = &self.sentry {
            let sentry = sentry.lock().await;
            all.extend(sentry.sidecar_flags());
            anchors = Some(sentry.anchors()?);
        }
        let anchors = anchors.as_deref();
        let (resources, variables) = (extras.resources, extras.variables);
        let program = self.program(side)?;
        Sidecar::start(&Plan { program, app_id: &app_id, app, flags: &all, anchors, resources, variables }).await
    }

    /// Starts a caller and a callee before the HTTP app, and waits until they find each other.
    ///
    /// # Errors
    /// When one does not start or the caller does not find the callee.
    pub(crate) async fn pair(&self, caller: Side, callee: Side, flags: &[&str]) -> anyhow::Result<Pair> {
        self.pair_before(self.app.http_port(), (caller, callee), flags).await
    }

    /// The same before another HTTP app.
    ///
    /// # Errors
    /// As [`Fleet::pair`].
    pub(crate) async fn pair_before(
        &self,
        app: AppPort,
        (caller, callee): (Side, Side),
        flags: &[&str],
    ) -> anyhow::Result<Pair> {
        let callee = self.start(callee, "callee", Some(app), flags).await?;
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
