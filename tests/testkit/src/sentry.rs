//! Certificate authorities: the executable under test as sentry, with a folder, ports and a Configuration of its own, and a
//! client that asks it for certificates.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use identity::{Anchors, Expected, TrustAnchors};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls_pki_types::CertificateDer;
use security::{SpiffeId, certificate};
use tempfile::TempDir;
use tonic::Status;
use wire::sentry::ca_client::CaClient;
use wire::sentry::{SignCertificateRequest, SignCertificateResponse};

use crate::channel::Channel;
use crate::client::Call;
use crate::ports::Reserved;
use crate::program::Program;
use crate::sidecar::Ended;
use crate::sidecar::process::Process;

/// How long it may take until it is ready; long, for machines that build something else meanwhile.
const READY: Duration = Duration::from_secs(30);

/// A sentry to be.
#[derive(Default)]
pub struct SentryBuilder {
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    configuration: String,
    files: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

/// A running sentry; dropping it stops it as a service manager would, and leaves no process.
pub struct Sentry {
    process: Process,
    port: u16,
    healthz_port: u16,
    metrics_port: u16,
    oidc_port: u16,
    folder: PathBuf,
    _temporary: TempDir,
}

/// A request to sign, whose form a test can change.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is sent.
    pub request: SignCertificateRequest,
}

/// What sentry answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The whole answer.
    pub response: SignCertificateResponse,
}

impl Asked {
    /// A request of an app in the namespace `default`, with a key made for it.
    #[must_use]
    pub fn by(app_id: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key can be made");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&key).expect("a request can be made");
        Self::with(app_id, &request.pem().expect("a request can be written"))
    }

    /// A request of an app in the namespace `default`, with this signing request.
    #[must_use]
    pub fn with(app_id: &str, signing_request: &str) -> Self {
        let request = SignCertificateRequest {
            id: app_id.to_owned(),
            namespace: "default".to_owned(),
            certificate_signing_request: signing_request.as_bytes().to_vec().into(),
            ..SignCertificateRequest::default()
        };
        Self { request }
    }

    /// Changes what is sent.
    #[must_use]
    pub fn but(mut self, change: impl FnOnce(&mut SignCertificateRequest)) -> Self {
        change(&mut self.request);
        self
    }
}

impl Answered {
    /// The certificates, leaf first.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        certificate::from_pem(&self.response.workload_certificate).expect("the answer holds certificates")
    }

    /// The trust anchors, PEM.
    #[must_use]
    pub fn anchors(&self) -> String {
        let texts =
            self.response.trust_chain_certificates.iter().map(|text| String::from_utf8_lossy(text).into_owned());
        texts.collect()
    }
}

impl SentryBuilder {
    /// Adds one command line argument, as `--name=value`.
    #[must_use]
    pub fn flag(mut self, argument: impl Into<String>) -> Self {
        self.flags.push(argument.into());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The content of `spec.mtls` of its Configuration, as YAML in one line.
    #[must_use]
    pub fn mtls(mut self, yaml: &str) -> Self {
        self.configuration = format!("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec:\n  mtls: {yaml}\n");
        self
    }

    /// Puts a file into its folder before it starts.
    #[must_use]
    pub fn file(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.push((name.to_owned(), text.into()));
        self
    }

    /// Uses a folder that is there already, instead of a new one.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Starts it and waits until it is ready; panics with its output if it ends instead.
    pub async fn start(self) -> Sentry {
        match self.attempt().await {
            Ok(sentry) => sentry,
            Err(ended) => panic!("sentry ended at its start ({:?}):\n{}", ended.code, ended.output),
        }
    }

    /// Starts it, expecting that it gives up.
    pub async fn start_failing(self) -> Ended {
        match self.attempt().await {
            Ok(sentry) => panic!("sentry became ready:\n{}", sentry.process.lines().join("\n")),
            Err(ended) => ended,
        }
    }

    /// Starts it without waiting until it is ready.
    #[must_use]
    pub fn launch(&self) -> Sentry {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let folder = self.folder.clone().unwrap_or_else(|| temporary.path().join("credentials"));
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for (name, text) in &self.files {
            std::fs::write(folder.join(name), text).expect("the folder can be written");
        }
        let configuration = temporary.path().join("config.yaml");
        std::fs::write(&configuration, &self.configuration).expect("the folder can be written");
        let ports: [Reserved; 4] = std::array::from_fn(|_| Reserved::new());
        let [port, healthz_port, metrics_port, oidc_port] = std::array::from_fn(|index| ports[index].number());
        let mut command = Program::under_test().command_as("sentry");
        command.env_clear().current_dir(temporary.path());
        for (name, value) in [
            ("port", port.to_string()),
            ("healthz-port", healthz_port.to_string()),
            ("metrics-port", metrics_port.to_string()),
            ("oidc-server-listen-port", oidc_port.to_string()),
            ("listen-address", "127.0.0.1".to_owned()),
            ("healthz-listen-address", "127.0.0.1".to_owned()),
            ("metrics-listen-address", "127.0.0.1".to_owned()),
            ("oidc-server-listen-address", "127.0.0.1".to_owned()),
            ("issuer-credentials", folder.display().to_string()),
            ("config", configuration.display().to_string()),
        ] {
            command.arg(format!("--{name}={value}"));
        }
        command.args(&self.flags).envs(self.variables.iter().map(|(name, value)| (name, value)));
        drop(ports);
        let process = Process::start(command);
        Sentry { process, port, healthz_port, metrics_port, oidc_port, folder, _temporary: temporary }
    }

    async fn attempt(&self) -> Result<Sentry, Ended> {
        let mut sentry = self.launch();
        let began = Instant::now();
        loop {
            if sentry.process.ended().is_some() {
                return Err(sentry.process.until_ended().await);
            }
            if sentry.healthz().await == Some(200) {
                return Ok(sentry);
            }
            assert!(began.elapsed() < READY, "sentry is not ready:\n{}", sentry.process.lines().join("\n"));
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
}

impl Sentry {
    /// A sentry that makes its own bundle and takes everybody's word.
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "tests read `Sentry::new().start()`")]
    pub fn new() -> SentryBuilder {
        SentryBuilder::default()
    }

    /// The port of its service.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of discovery, if it is served.
    #[must_use]
    pub fn oidc_port(&self) -> u16 {
        self.oidc_port
    }

    /// The folder of its bundle.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A text of its bundle.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces a text of its bundle as an operator would, by a file that is complete before it has its name.
    pub fn put(&self, name: &str, text: &str) {
        let new = self.folder.join(format!("{name}.new"));
        std::fs::write(&new, text).expect("the folder can be written");
        std::fs::rename(new, self.folder.join(name)).expect("a file can be renamed");
    }

    /// What `/healthz` answers; `None` when nobody listens.
    pub async fn healthz(&self) -> Option<u16> {
        Call::to(self.healthz_port, "GET", "/healthz").try_send().await.ok().map(|answer| answer.status)
    }

    /// The text of its metrics.
    pub async fn metrics(&self) -> String {
        Call::to(self.metrics_port, "GET", "/metrics").send().await.text()
    }

    /// A client that trusts these anchors and expects sentry to prove this id.
    ///
    /// # Errors
    /// What went wrong with the handshake.
    pub async fn client_trusting(&self, anchors: &str, id: &str) -> std::io::Result<CaClient<Channel>> {
        let anchors = Anchors::new(TrustAnchors::from_pem(anchors.as_bytes()).expect("they are certificates"));
        let expected = Expected::Id(SpiffeId::parse(id).expect("it is an id"));
        let config = identity::client_config(None, &anchors, expected).expect("there are defaults");
        Ok(CaClient::new(Channel::connect_tls(self.port, config).await?))
    }

    /// A client that trusts the anchors in its folder.
    pub async fn client(&self) -> CaClient<Channel> {
        let client = self.client_trusting(&self.text("ca.crt"), "spiffe://localhost/ns/default/dapr-sentry").await;
        client.unwrap_or_else(|error| panic!("sentry does not prove who it is: {error}"))
    }

    /// Asks for a certificate, over a connection of its own.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn sign(&self, asked: &Asked) -> Result<Answered, Status> {
        let response = self.client().await.sign_certificate(asked.request.clone()).await?.into_inner();
        Ok(Answered { response })
    }

    /// Waits until it has printed a line with `text`, and returns that line.
    pub async fn logged(&self, text: &str) -> String {
        self.process.logged(text).await
    }

    /// The lines it has printed.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Ends it without giving it time for anything.
    pub async fn kill(mut self) -> Ended {
        self.process.signal(nix::sys::signal::Signal::SIGKILL);
        self.process.until_ended().await
    }

    /// Interrupts it, as Ctrl+C does, and waits for its end.
    pub async fn interrupt(mut self) -> Ended {
        self.process.signal(nix::sys::signal::Signal::SIGINT);
        self.process.until_ended().await
    }
}
