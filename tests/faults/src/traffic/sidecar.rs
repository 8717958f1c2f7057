//! One sidecar of a run: started, ended and started again on the same ports.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{Call, Program};

use crate::process::Process;
use crate::schedule::End;

/// How long a start may take.
const READY: Duration = Duration::from_secs(60);
/// How long it may take to end when asked to.
const ENDS: Duration = Duration::from_secs(30);

pub(super) struct Sidecar {
    program: Program,
    app_id: &'static str,
    app_port: Option<u16>,
    pub(super) http_port: u16,
    pub(super) grpc_port: u16,
    others: [u16; 2],
    resources: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl Sidecar {
    pub(super) fn new(
        program: &Program,
        app_id: &'static str,
        app_port: Option<u16>,
        folder: &std::path::Path,
    ) -> Self {
        let port = testkit::free_port;
        let http_port = port();
        Self {
            program: program.clone(),
            app_id,
            app_port,
            http_port,
            grpc_port: port(),
            others: [port(), port()],
            resources: folder.join("resources"),
            log: folder.join(format!("{app_id}-{http_port}.log")),
            process: None,
        }
    }

    pub(super) fn launch(&mut self) {
        let mut command = self.program.to_command();
        let [internal, metrics] = self.others;
        command.arg(format!("--app-id={}", self.app_id));
        command.arg(format!("--resources-path={}", self.resources.display()));
        command.arg(format!("--dapr-http-port={}", self.http_port)).arg(format!("--dapr-grpc-port={}", self.grpc_port));
        command.arg(format!("--dapr-internal-grpc-port={internal}")).arg(format!("--metrics-port={metrics}"));
        command.arg("--dapr-listen-addresses=127.0.0.1").env("DAPR_HOST_IP", "127.0.0.1");
        if let Some(port) = self.app_port {
            command.arg(format!("--app-port={port}"));
        }
        self.process = Some(Process::start(command, &self.log));
    }

    /// Waits until it serves; how long that took.
    pub(super) async fn ready(&mut self) -> Duration {
        let began = Instant::now();
        loop {
            let process = self.process.as_mut().expect("it was started");
            assert!(process.is_running(), "{} ended by itself: {}", self.app_id, self.log.display());
            let answer = Call::to(self.http_port, "GET", "/v1.0/healthz").try_send().await;
            if answer.is_ok_and(|answer| answer.status == 204) {
                return began.elapsed();
            }
            assert!(began.elapsed() < READY, "{} is not ready after {READY:?}: {}", self.app_id, self.log.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it; how long that took.
    pub(super) async fn end(&mut self, end: End) -> Duration {
        let Some(process) = self.process.take() else { return Duration::ZERO };
        let (log, began) = (self.log.clone(), Instant::now());
        let ending = tokio::task::spawn_blocking(move || match end {
            End::Killed => process.kill(),
            End::Asked => assert!(process.ends_within(ENDS), "it did not end in {ENDS:?}: {}", log.display()),
        });
        ending.await.expect("it ends");
        began.elapsed()
    }
}
