//! The certificate authority of a run: any sentry executable, on a folder of its own, that can be ended and started again.
//! Called through `fleet`; with one, every sidecar runs with mTLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::sidecar::{answers, free_ports};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A sentry, running or not.
pub(crate) struct Sentry {
    program: PathBuf,
    flags: Vec<String>,
    folder: TempDir,
    address: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
    child: Option<Child>,
}

impl Sentry {
    /// Starts one that certifies for `life`; it makes its own root.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn start(program: &Path, life: Duration, flags: &[String]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("issuer"))?;
        let configuration = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: sentry}}\nspec:\n  mtls:\n    enabled: true\n    \
             workloadCertTTL: {}s\n    allowedClockSkew: 1m\n",
            life.as_secs()
        );
        std::fs::write(folder.path().join("configuration.yaml"), configuration)?;
        let [address, health, metrics] = free_ports()?;
        let (program, flags) = (program.to_owned(), flags.to_vec());
        let mut sentry = Self { program, flags, folder, address, health, metrics, child: None };
        sentry.resume().await?;
        Ok(sentry)
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) async fn resume(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = Command::new(&self.program);
        command.arg("--issuer-credentials").arg(folder.join("issuer"));
        command.arg("--config").arg(folder.join("configuration.yaml"));
        for (flag, address) in [("port", self.address), ("healthz-port", self.health), ("metrics-port", self.metrics)] {
            command.arg(format!("--{flag}")).arg(address.port().to_string());
        }
        command.args(["--listen-address", "127.0.0.1", "--trust-domain", "cluster.local"]).args(&self.flags);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {}", self.program.display()))?;
        let started = Instant::now();
        while !answers(self.health, "/healthz", b"HTTP/1.1 200").await {
            if child.try_wait()?.is_some() || started.elapsed() > READY_WITHIN {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("{} did not become ready; its log:\n{log}", self.program.display());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.child = Some(child);
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        match self.child.take() {
            Some(mut child) => Ok(child.kill().await?),
            None => Ok(()),
        }
    }

    /// The flags with which a sidecar is certified here.
    pub(crate) fn sidecar_flags(&self) -> Vec<String> {
        ["--enable-mtls", "--control-plane-trust-domain", "cluster.local", "--control-plane-namespace", "default"]
            .map(str::to_owned)
            .into_iter()
            .chain(["--sentry-address".to_owned(), self.address.to_string()])
            .collect()
    }

    /// The trust anchors of this moment, PEM.
    ///
    /// # Errors
    /// When the file is gone.
    pub(crate) fn anchors(&self) -> anyhow::Result<String> {
        let file = self.folder.path().join("issuer/ca.crt");
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    }
}
