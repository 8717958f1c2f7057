//! One app and its sidecar, from start to end: the sidecar first, then the app, both watched until one of them ends or
//! the run is stopped; then the sidecar and after it the app are ended, as the target does. `run` owns the pairs.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use service::{Environment, Shutdown, Tasks};
use tokio::process::Command;

use crate::api::Api;
use crate::console::Console;
use crate::folder::Folder;
use crate::group::{Ending, Group, Pipes};
use crate::hub::Hub;
use crate::launch::{Surroundings, app_environment, sidecar_arguments, sidecar_environment};
use crate::logs::Logs;
use crate::orphans::Orphans;
use crate::output::{Destination, forward};
use crate::plan::Plan;
use crate::ports::Ports;
use crate::preflight;
use crate::process::ProcessId;
use crate::readiness::{listens, wait_until};
use crate::record::{Record, RecordFile};
use crate::sidecar_program::SidecarProgram;
use crate::tied;
use crate::verdict::{StartError, code_after_stop, code_of};

/// How long a sidecar may take to finish what it has begun; its own limit is five seconds by default.
const SIDECAR_GRACE: Duration = Duration::from_secs(8);
/// How long an app and what it started may take to end.
const APP_GRACE: Duration = Duration::from_secs(5);
/// How long a sidecar may take to be up before the user is warned.
const SIDECAR_LIMIT: Duration = Duration::from_secs(60);
/// How long the last lines of a process may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What all pairs of a run share.
pub(crate) struct Run {
    pub(crate) console: Console,
    pub(crate) tasks: Tasks,
    pub(crate) orphans: Arc<Orphans>,
    pub(crate) environment: Environment,
    pub(crate) folder: Folder,
    pub(crate) sidecar: SidecarProgram,
    /// The Configuration with the registry of names.
    pub(crate) names: Option<std::path::PathBuf>,
    /// The hub, when an app uses it.
    pub(crate) hub: Option<Hub>,
    /// How long an app may take to open its port; `None` for ever.
    pub(crate) app_limit: Option<Duration>,
    /// End everything in order.
    pub(crate) stop: Shutdown,
    /// End everything at once.
    pub(crate) kill: Shutdown,
}

/// A sidecar that runs, and its app when it has one.
pub(crate) struct Pair {
    run: Arc<Run>,
    plan: Plan,
    ports: Ports,
    api: Api,
    logs: Logs,
    sidecar: Option<Group>,
    app: Option<Group>,
    record: Option<RecordFile>,
    output: Vec<tokio::task::JoinHandle<()>>,
}

impl Pair {
    /// Starts the sidecar and the app and waits until both are up. On an error nothing is left running.
    pub(crate) async fn start(run: &Arc<Run>, plan: Plan, ports: Ports) -> Result<Self, StartError> {
        let settings = &plan.settings;
        let api = Api::new(&settings.api_host(), ports.http, settings.socket("http"), &run.environment);
        let logs = Logs::open(&plan)?;
        let run = Arc::clone(run);
        let (sidecar, app, record, output) = (None, None, None, Vec::new());
        let mut pair = Self { run, plan, ports, api, logs, sidecar, app, record, output };
        let stop = pair.run.stop.clone();
        let started = tokio::select! {
            started = pair.bring_up() => started,
            () = stop.requested() => Err(StartError::Interrupted),
        };
        match started {
            Ok(()) => Ok(pair),
            Err(error) => {
                pair.end().await;
                Err(error)
            }
        }
    }

    /// Waits for the end of the pair and returns its exit code. When one of the two ends, the other one is ended.
    pub(crate) async fn watch(mut self) -> u8 {
        let stop = self.run.stop.clone();
        let code = tokio::select! {
            biased;
            () = stop.requested() => None,
            ending = ended(self.app.as_ref()) => Some(self.app_ended(ending)),
            ending = ended(self.sidecar.as_ref()) => Some(self.sidecar_ended(ending)),
        };
        self.end().await;
        code.unwrap_or_else(|| {
            let ending = self.app.as_ref().and_then(Group::ending);
            ending.map(code_after_stop).unwrap_or_default()
        })
    }

    async fn bring_up(&mut self) -> Result<(), StartError> {
        self.start_sidecar()?;
        let settings = &self.plan.settings;
        if settings.app_port <= 0 || settings.command.is_empty() {
            self.await_sidecar().await?;
        }
        if settings.command.is_empty() {
            self.tell_sidecar().await;
            self.run.console.success("You're up and running! Dapr logs will appear here.");
            return Ok(());
        }
        self.start_app()?;
        if self.plan.settings.app_port > 0 {
            self.await_app().await?;
            self.await_sidecar().await?;
        }
        self.tell_sidecar().await;
        let id = &self.plan.settings.app_id;
        match &self.plan.place {
            None => self.run.console.success("You're up and running! Both Dapr and your app logs will appear here."),
            Some(_) => self.run.console.success(format!("{id} is up and running. Logs: {}", self.logs.summary())),
        }
        Ok(())
    }

    fn start_sidecar(&mut self) -> Result<(), StartError> {
        let settings = &self.plan.settings;
        let surroundings = Surroundings {
            ports: &self.ports,
            names: self.run.names.as_deref(),
            log_as_json: self.run.console.json(),
            usual_services: self.run.sidecar.uses_services(),
            environment: &self.run.environment,
        };
        let mut command = self.run.sidecar.tied_command();
        command.args(sidecar_arguments(settings, &surroundings)).envs(sidecar_environment(&self.run.environment));
        if let Some(hub) = &self.run.hub {
            command.env(hubclient::SOCKET_VARIABLE, hub.socket());
        }
        command.stdin(Stdio::null());
        self.run.console.info(format!(
            "Starting Dapr with id {}. HTTP {}. gRPC {}.",
            settings.app_id,
            place(settings.socket("http"), self.ports.http),
            place(settings.socket("grpc"), self.ports.grpc)
        ));
        let destination = self.logs.sidecar(&self.run.console, &self.plan);
        self.logs.connect_sidecar(&mut command, &self.plan)?;
        self.ports.release();
        let sidecar = self.launch(command, destination);
        let path = self.run.sidecar.path().display();
        let sidecar = sidecar.with_context(|| format!("cannot start the sidecar {path}"))?;
        let record = self.describe(sidecar.id().clone());
        self.sidecar = Some(sidecar);
        self.record = Some(RecordFile::write(&self.run.folder, record)?);
        Ok(())
    }

    fn start_app(&mut self) -> Result<(), StartError> {
        let settings = &self.plan.settings;
        let (name, arguments) = settings.command.split_first().context("there is no command")?;
        let mut command = tied::command(&preflight::find(&self.plan, name, &self.run.environment)?, name.as_ref());
        command.args(arguments).envs(app_environment(settings, &self.ports));
        command.stdin(app_input(&self.plan)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let destination = self.logs.app(&self.run.console, &self.plan);
        let app = self.launch(command, destination);
        let app = app.with_context(|| format!("cannot start the command of {}", self.plan.settings.app_id))?;
        let id = app.id().clone();
        self.app = Some(app);
        if let Some(record) = &mut self.record {
            record.update(|record| record.app = Some(id))?;
        }
        Ok(())
    }

    /// Starts a process of the pair in the app's folder and carries its output.
    fn launch(&mut self, mut command: Command, destination: Destination) -> std::io::Result<Group> {
        if let Some(place) = &self.plan.place {
            command.current_dir(&place.directory);
        }
        let (group, pipes) = Group::start(&mut command, &self.run.tasks, &self.run.orphans)?;
        let Pipes { out, err } = pipes;
        if let Some(out) = out {
            self.output.push(self.run.tasks.spawn("standard output", forward(out, destination.clone())));
        }
        if let Some(err) = err {
            self.output.push(self.run.tasks.spawn("standard error", forward(err, destination)));
        }
        Ok(group)
    }

    /// Waits until the app listens. Fails when it or the sidecar ends before, or takes too long.
    async fn await_app(&self) -> Result<(), StartError> {
        let settings = &self.plan.settings;
        let (id, host) = (&settings.app_id, settings.app_channel_address.as_str());
        let port = u16::try_from(settings.app_port).unwrap_or_default();
        let awaited = format!("{id} should open port {port} on {host}");
        let limit = self.run.app_limit;
        tokio::select! {
            there = wait_until(|| listens(host, port), limit, &awaited, &self.run.console) => {
                if there {
                    return Ok(());
                }
                let seconds = limit.unwrap_or_default().as_secs();
                Err(StartError::failed(format!(
                    "{id} did not open port {port} on {host} within {seconds} s; make it listen there, correct \
                     the app port, or allow more time with --app-start-timeout"
                )))
            }
            ending = ended(self.app.as_ref()) => {
                let message = format!("{id} {ending} before it opened port {port}; see its output");
                Err(StartError::Failed { message, code: code_of(ending).max(1) })
            }
            ending = ended(self.sidecar.as_ref()) => Err(self.sidecar_failed(ending)),
        }
    }

    /// Waits until the sidecar is up. Only a sidecar that ends is an error; one that is slow is only told, as in the
    /// target.
    async fn await_sidecar(&self) -> Result<(), StartError> {
        let awaited = format!("the sidecar of {} should be up", self.plan.settings.app_id);
        tokio::select! {
            there = wait_until(|| self.api.is_up(), Some(SIDECAR_LIMIT), &awaited, &self.run.console) => {
                if !there {
                    self.run.console.warning(format!("The sidecar does not answer on {}.", self.api.place()));
                }
                Ok(())
            }
            ending = ended(self.sidecar.as_ref()) => Err(self.sidecar_failed(ending)),
            ending = ended(self.app.as_ref()) => {
                let message = format!("{} {ending} at once; see its output", self.plan.settings.app_id);
                Err(StartError::Failed { message, code: code_of(ending) })
            }
        }
    }

    fn sidecar_failed(&self, ending: Ending) -> StartError {
        let id = &self.plan.settings.app_id;
        StartError::failed(format!("the sidecar of {id} {ending} at start; {}", self.logs.sidecar_hint()))
    }

    /// Gives the sidecar the metadata by which the target's command line knows its processes.
    async fn tell_sidecar(&self) {
        let Some(record) = self.record.as_ref().map(RecordFile::record) else { return };
        let app = record.app.as_ref().map(|app| app.pid.to_string()).unwrap_or_default();
        let values = [
            ("cliPID", record.cli.pid.to_string()),
            ("appPID", app),
            ("appCommand", record.command.clone()),
            ("runTemplatePath", record.run_template_path.clone()),
            ("runTemplateName", record.run_template_name.clone()),
            ("appLogPath", record.app_log_path.clone()),
            ("daprdLogPath", record.sidecar_log_path.clone()),
        ];
        for (key, value) in values.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Err(error) = self.api.put_metadata(key, &value).await {
                self.run.console.warning(format!("Could not update sidecar metadata for {key}: {error:#}"));
                return;
            }
        }
    }

    fn describe(&self, sidecar: ProcessId) -> Record {
        let settings = &self.plan.settings;
        let mut record = Record::new(&settings.app_id, sidecar);
        record.cli = ProcessId::current();
        record.host = settings.api_host();
        record.http_port = self.ports.http;
        record.grpc_port = self.ports.grpc;
        record.app_port = u16::try_from(settings.app_port).unwrap_or_default();
        record.unix_domain_socket.clone_from(&settings.unix_domain_socket);
        record.command = settings.command.join(" ");
        record.max_body_size.clone_from(&settings.max_body_size);
        record.read_buffer_size.clone_from(&settings.read_buffer_size);
        if let Some(place) = &self.plan.place {
            record.run_template_path = place.template_path.to_string_lossy().into_owned();
            record.run_template_name.clone_from(&place.template_name);
        }
        (record.app_log_path, record.sidecar_log_path) = self.logs.paths();
        record
    }

    fn app_ended(&self, ending: Ending) -> u8 {
        let id = &self.plan.settings.app_id;
        if ending.is_success() {
            self.run.console.success(self.named("Exited App successfully"));
        } else {
            self.run.console.failure(format!("The app {id} {ending}."));
        }
        code_of(ending)
    }

    fn sidecar_ended(&self, ending: Ending) -> u8 {
        if ending.is_success() {
            self.run.console.success(self.named("Exited Dapr successfully"));
            return 0;
        }
        let id = &self.plan.settings.app_id;
        self.run.console.failure(format!("The sidecar of {id} {ending}; {}", self.logs.sidecar_hint()));
        1
    }

    /// Ends what still runs, sidecar first: it can finish what it has begun with the app.
    async fn end(&mut self) {
        let kill = self.run.kill.clone();
        if let Some(sidecar) = &self.sidecar {
            let ended_before = sidecar.ending().is_some();
            sidecar.stop(SIDECAR_GRACE, &kill).await;
            if !ended_before {
                self.run.console.success(self.named("Exited Dapr successfully"));
            }
        }
        if let Some(app) = &self.app {
            let ended_before = app.ending().is_some();
            app.stop(APP_GRACE, &kill).await;
            if !ended_before {
                self.run.console.success(self.named("Exited App successfully"));
            }
        }
        let lines = std::mem::take(&mut self.output);
        let all = async {
            for line in lines {
                let _ = line.await;
            }
        };
        let _ = tokio::time::timeout(LAST_LINES, all).await;
        for protocol in ["http", "grpc"] {
            if let Some(socket) = self.plan.settings.socket(protocol) {
                let _ = std::fs::remove_file(socket);
            }
        }
        self.record = None;
    }

    fn named(&self, text: &str) -> String {
        match &self.plan.place {
            None => text.to_owned(),
            Some(_) => format!("{text} ({})", self.plan.settings.app_id),
        }
    }
}

/// Waits for the end of a process, for ever when there is none.
async fn ended(group: Option<&Group>) -> Ending {
    match group {
        Some(group) => group.ended().await,
        None => std::future::pending().await,
    }
}

fn place(socket: Option<std::path::PathBuf>, port: u16) -> String {
    socket.map_or_else(|| format!("Port: {port}"), |socket| format!("Socket: {}", socket.display()))
}

/// The only app of a run reads what is piped into it. It never gets the terminal: a process group in the background
/// that reads from one is stopped by the system.
fn app_input(plan: &Plan) -> Stdio {
    use std::io::IsTerminal;
    if plan.place.is_some() || std::io::stdin().is_terminal() { Stdio::null() } else { Stdio::inherit() }
}
