//! Sidecars: the executable under test with ports, files and variables of its own.

pub(crate) mod process;
mod starting;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wire::runtime::dapr_client::DaprClient;

use crate::app::App;
use crate::channel::Channel;
use crate::client::{Call, Place};
use crate::program::Program;
use crate::raw::RawHttp1;
use process::{Memory, Process};

/// Where sidecars find each other without multicast: a file that the `sqlite` resolver of each of them uses.
#[derive(Debug)]
pub struct Registry {
    folder: TempDir,
}

impl Registry {
    /// A registry with nobody in it.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("names.db")
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

thread_local! {
    /// Each test has a thread of its own, so that equal app ids of two tests never meet.
    static OF_THIS_TEST: Registry = Registry::new();
}

/// An app id that no other test uses, for what is shared between tests.
#[must_use]
pub fn unique(name: &str) -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("{name}-{:x}", RandomState::new().hash_one(name) & 0xff_ffff)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    Tcp,
    UnixSockets,
}

/// A sidecar to be.
pub struct SidecarBuilder {
    pub(crate) id: String,
    pub(crate) program: Program,
    pub(crate) app: Option<(u16, &'static str)>,
    pub(crate) flags: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) resources: Vec<(String, String)>,
    pub(crate) configurations: Vec<String>,
    pub(crate) registry: Option<PathBuf>,
    pub(crate) listen: String,
    pub(crate) ports: Ports,
    pub(crate) public: bool,
}

/// A sidecar that did not stay up.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Everything it printed.
    pub output: String,
}

/// A running sidecar; dropping it stops it as a service manager would, and leaves no process.
pub struct Sidecar {
    pub(crate) id: String,
    pub(crate) process: Process,
    pub(crate) place: Place,
    pub(crate) http_port: u16,
    pub(crate) grpc_port: u16,
    pub(crate) internal_port: u16,
    pub(crate) metrics_port: u16,
    pub(crate) public_port: Option<u16>,
    pub(crate) folder: TempDir,
}

impl Sidecar {
    /// A sidecar with this app id. It finds the other sidecars of the same test.
    #[must_use]
    pub fn named(id: &str) -> SidecarBuilder {
        SidecarBuilder {
            id: id.to_owned(),
            program: Program::under_test().clone(),
            app: None,
            flags: Vec::new(),
            variables: Vec::new(),
            resources: Vec::new(),
            configurations: Vec::new(),
            registry: Some(OF_THIS_TEST.with(Registry::file)),
            listen: "127.0.0.1".to_owned(),
            ports: Ports::Tcp,
            public: false,
        }
    }

    /// Its app id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The port of its HTTP API.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The port of its gRPC API.
    #[must_use]
    pub fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    /// The port for other sidecars.
    #[must_use]
    pub fn internal_port(&self) -> u16 {
        self.internal_port
    }

    /// The port of health and metadata without a token, if [`SidecarBuilder::public`] was asked for.
    #[must_use]
    pub fn public_port(&self) -> u16 {
        self.public_port.expect("the public port was asked for")
    }

    /// Any request to its HTTP API.
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Call {
        Call::new(self.place.clone(), method, path)
    }

    /// A GET request to its HTTP API.
    #[must_use]
    pub fn get(&self, path: &str) -> Call {
        self.request("GET", path)
    }

    /// A POST request to its HTTP API.
    #[must_use]
    pub fn post(&self, path: &str) -> Call {
        self.request("POST", path)
    }

    /// A POST that invokes `method` of `app`.
    #[must_use]
    pub fn invoke(&self, app: &str, method: &str) -> Call {
        self.post(&format!("/v1.0/invoke/{app}/method/{method}"))
    }

    /// The text of its metrics.
    pub async fn metrics(&self) -> String {
        Call::to(self.metrics_port, "GET", "/metrics").send().await.text()
    }

    /// A connection to its gRPC API.
    pub async fn channel(&self) -> Channel {
        match &self.place {
            Place::Port(_) => Channel::connect(self.grpc_port).await,
            Place::Socket(_) => Channel::connect_unix(&self.socket("grpc")).await,
        }
    }

    /// A client of its gRPC API.
    pub async fn dapr(&self) -> DaprClient<Channel> {
        DaprClient::new(self.channel().await).max_decoding_message_size(usize::MAX)
    }

    /// A byte-by-byte connection to its HTTP API.
    pub async fn raw(&self) -> RawHttp1 {
        RawHttp1::connect(self.http_port).await
    }

    /// The path of its `http` or `grpc` socket.
    #[must_use]
    pub fn socket(&self, kind: &str) -> PathBuf {
        self.folder.path().join(format!("dapr-{}-{kind}.socket", self.id))
    }

    /// Its folder; the file `name` of its resources stands in `resources`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The lines it has printed.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Waits until it has printed a line with `text`, and returns that line.
    pub async fn logged(&self, text: &str) -> String {
        self.process.logged(text).await
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Its memory now.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.process.memory()
    }

    /// How often it gave up the processor of its own will, over all threads.
    #[must_use]
    pub fn context_switches(&self) -> u64 {
        self.process.context_switches()
    }

    /// Asks it to stop, and returns at once.
    pub fn terminate(&self) {
        self.process.signal(nix::sys::signal::Signal::SIGTERM);
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) -> Ended {
        self.terminate();
        self.ended().await
    }

    /// Waits for its end; panics if it does not come.
    pub async fn ended(mut self) -> Ended {
        self.process.until_ended().await
    }
}
