//! From a builder to a running sidecar: files, ports, arguments, and the wait until it is ready.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::process::Process;
use super::{App, Ended, Ports, Registry, Sidecar, SidecarBuilder};
use crate::authority::Authority;
use crate::client::{Call, Place};
use crate::ports::Reserved;
use crate::program::Program;

/// How long a sidecar may take until it is ready; long, for machines that build something else meanwhile.
const READY: Duration = Duration::from_secs(30);

/// How a sidecar says that another process was quicker to take a port.
const PORT_TAKEN: [&str; 2] = ["address already in use", "another process already uses it"];

impl SidecarBuilder {
    /// The app it stands beside.
    #[must_use]
    pub fn app(mut self, app: &App) -> Self {
        self.app = Some((app.port(), app.protocol()));
        self
    }

    /// An app that is not started here: its port on 127.0.0.1 and its protocol.
    #[must_use]
    pub fn app_at(mut self, port: u16, protocol: &'static str) -> Self {
        self.app = Some((port, protocol));
        self
    }

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

    /// Adds a resource file with these documents.
    #[must_use]
    pub fn resource(self, yaml: &str) -> Self {
        let name = format!("resource-{}.yaml", self.resources.len());
        self.resource_file(&name, yaml)
    }

    /// Adds a resource file of this name.
    #[must_use]
    pub fn resource_file(mut self, name: &str, yaml: &str) -> Self {
        self.resources.push((name.to_owned(), yaml.to_owned()));
        self
    }

    /// Adds the in-memory state store `name`.
    #[must_use]
    pub fn memory_store(self, name: &str) -> Self {
        self.resource(&format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: state.in-memory\n  version: v1\n"
        ))
    }

    /// Adds a Configuration whose `spec` is this YAML (not indented).
    #[must_use]
    pub fn configuration(mut self, spec: &str) -> Self {
        self.configurations.push(document(spec));
        self
    }

    /// Adds a configuration file with these very bytes.
    #[must_use]
    pub fn configuration_file(mut self, text: &str) -> Self {
        self.configurations.push(text.to_owned());
        self
    }

    /// Lives in this namespace.
    #[must_use]
    pub fn namespace(self, namespace: &str) -> Self {
        self.variable("NAMESPACE", namespace)
    }

    /// Has a certificate of this authority, and wants one of everybody it deals with.
    #[must_use]
    pub fn certified_by(self, authority: &Authority) -> Self {
        self.flag("--enable-mtls=true")
            .flag(format!("--sentry-address={}", authority.address()))
            .flag("--control-plane-trust-domain=localhost")
            .flag("--control-plane-namespace=default")
            .variable("DAPR_TRUST_ANCHORS", &authority.anchors())
    }

    /// Finds others in this registry instead of the test's own.
    #[must_use]
    pub fn registry(mut self, registry: &Registry) -> Self {
        self.registry = Some(registry.file());
        self
    }

    /// Finds others by multicast, as the executable does when told nothing.
    #[must_use]
    pub fn multicast(mut self) -> Self {
        self.registry = None;
        self
    }

    /// Serves its APIs at this address instead of 127.0.0.1.
    #[must_use]
    pub fn listening_at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Serves its APIs at unix domain sockets instead of ports.
    #[must_use]
    pub fn on_unix_sockets(mut self) -> Self {
        self.ports = Ports::UnixSockets;
        self
    }

    /// Opens the public port too.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Runs this program instead of the one under test.
    #[must_use]
    pub fn program(mut self, program: &Program) -> Self {
        self.program = program.clone();
        self
    }

    /// Starts it and waits until it is ready; panics with its output if it ends instead.
    pub async fn start(self) -> Sidecar {
        for _ in 0..2 {
            match self.attempt().await {
                Ok(sidecar) => return sidecar,
                Err(ended) if PORT_TAKEN.iter().any(|words| ended.output.contains(words)) => {}
                Err(ended) => panic!("{} ended at its start ({:?}):\n{}", self.id, ended.code, ended.output),
            }
        }
        panic!("{} found its ports taken again and again", self.id)
    }

    /// Starts it, expecting that it gives up.
    pub async fn start_failing(self) -> Ended {
        match self.attempt().await {
            Ok(sidecar) => panic!("{} became ready:\n{}", self.id, sidecar.logs().join("\n")),
            Err(ended) => ended,
        }
    }

    /// Starts it without waiting until it is ready.
    #[must_use]
    pub fn launch(&self) -> Sidecar {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports: [Reserved; 6] = std::array::from_fn(|_| Reserved::new());
        let [http_port, grpc_port, internal_port, metrics_port, public_port, profile_port] =
            std::array::from_fn(|index| ports[index].number());
        let mut command = self.program.command();
        command.env_clear().env("PATH", std::env::temp_dir()).env("DAPR_HOST_IP", "127.0.0.1");
        command.current_dir(folder.path());
        let mut argument = |name: &str, value: &str| {
            // What a test gives wins over what is chosen here.
            let given = format!("--{name}=");
            if !self.flags.iter().any(|flag| flag.starts_with(&given)) {
                command.arg(format!("--{name}={value}"));
            }
        };
        argument("app-id", &self.id);
        if let Some((port, protocol)) = self.app {
            argument("app-port", &port.to_string());
            argument("app-protocol", protocol);
        }
        argument("dapr-http-port", &http_port.to_string());
        argument("dapr-grpc-port", &grpc_port.to_string());
        argument("dapr-internal-grpc-port", &internal_port.to_string());
        argument("metrics-port", &metrics_port.to_string());
        argument("profile-port", &profile_port.to_string());
        argument("dapr-listen-addresses", &self.listen);
        argument("log-level", "info");
        if self.public {
            argument("dapr-public-port", &public_port.to_string());
        }
        if self.ports == Ports::UnixSockets {
            argument("unix-domain-socket", &folder.path().to_string_lossy());
        }
        for path in self.write_configurations(&folder) {
            command.arg(format!("--config={}", path.display()));
        }
        if !self.resources.is_empty() {
            command.arg(format!("--resources-path={}", self.write_resources(&folder).display()));
        }
        command.args(&self.flags).envs(self.variables.iter().map(|(name, value)| (name, value)));
        drop(ports);
        let mut sidecar = Sidecar {
            id: self.id.clone(),
            process: Process::start(command),
            place: Place::Port(http_port),
            http_port,
            grpc_port,
            internal_port,
            metrics_port,
            public_port: self.public.then_some(public_port),
            folder,
        };
        if self.ports == Ports::UnixSockets {
            sidecar.place = Place::Socket(sidecar.socket("http"));
        }
        sidecar
    }

    async fn attempt(&self) -> Result<Sidecar, Ended> {
        let mut sidecar = self.launch();
        let began = Instant::now();
        let place = match self.listen.as_str() {
            "[::1]" | "::1" => None,
            _ => Some(sidecar.place.clone()),
        };
        loop {
            if let Some(code) = sidecar.process.ended() {
                return Err(Ended { code, output: sidecar.process.output() });
            }
            let ready = match &place {
                Some(place) => {
                    let answer = Call::new(place.clone(), "GET", "/v1.0/healthz").try_send().await;
                    answer.is_ok_and(|answer| answer.status == 204)
                }
                None => sidecar.logs().iter().any(|line| line.contains("dapr initialized. Status: Running")),
            };
            if ready {
                return Ok(sidecar);
            }
            assert!(began.elapsed() < READY, "{} is not ready:\n{}", self.id, sidecar.logs().join("\n"));
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    fn write_configurations(&self, folder: &tempfile::TempDir) -> Vec<PathBuf> {
        let mut texts = self.configurations.clone();
        if let Some(file) = &self.registry {
            let resolver = format!(
                "nameResolution:\n  component: sqlite\n  version: v1\n  configuration:\n    connectionString: {:?}\n",
                file.to_string_lossy()
            );
            texts.insert(0, document(&resolver));
        }
        let mut paths = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let path = folder.path().join(format!("configuration-{index}.yaml"));
            std::fs::write(&path, text).expect("the folder can be written");
            paths.push(path);
        }
        paths
    }

    fn write_resources(&self, folder: &tempfile::TempDir) -> PathBuf {
        let resources = folder.path().join("resources");
        std::fs::create_dir(&resources).expect("the folder can be written");
        for (name, yaml) in &self.resources {
            std::fs::write(resources.join(name), yaml).expect("the folder can be written");
        }
        resources
    }
}

fn document(spec: &str) -> String {
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: testkit\nspec:\n{indented}")
}
