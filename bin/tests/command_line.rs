//! The command line and its sidecars as a user sees them: processes, ports, exit codes and what is printed. Each scenario
//! has a runtime folder of its own, and must leave no process and no record behind. They run with the sidecar of this
//! executable, or with another one (`TRILBY_TEST_SIDECAR=<path of the target's daprd>`). The apps are this very test, started
//! again by the name of one test.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests are tests too")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Makes a test of each scenario.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod scenarios {
            $(#[test]
            fn $name() {
                super::World::with_the_chosen_sidecar().play(super::$name);
            })*
        }
    };
}

scenarios! {
    an_app_is_listed_called_and_stopped,
    the_failure_of_the_app_is_returned,
    a_signal_that_ends_the_app_is_returned,
    an_app_that_never_opens_its_port_is_given_up,
    a_taken_port_starts_nothing,
    a_command_that_is_not_found_starts_nothing,
    a_broken_run_file_is_named_with_its_line,
    a_sidecar_that_dies_takes_the_app_with_it,
    descendants_in_a_session_of_their_own_are_ended,
    apps_of_a_run_file_are_stopped_together,
    an_interrupt_ends_sidecar_and_app_in_order,
    a_killed_run_leaves_nothing_running,
    what_runs_nowhere_is_said_to_run_nowhere,
    apps_without_resources_keep_their_state_in_the_hub,
    two_runs_share_what_is_in_the_hub_and_outlive_its_kill,
    a_redis_that_is_not_there_is_replaced_when_asked,
}

/// The test that is the app when `run` starts it; otherwise it has nothing to do.
const APP: &str = "answers_as_an_app_when_started_as_one";

/// Answers each request with the id of the app and the path.
#[test]
fn answers_as_an_app_when_started_as_one() {
    let environment = service::Environment::from_process();
    let (Some(port), Some(id)) = (environment.get("APP_PORT"), environment.get("APP_ID")) else { return };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    for stream in listener.incoming().flatten() {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let Some(first) = lines.next() else { continue };
        let body = format!("{id} {}", first.split(' ').nth(1).unwrap());
        let _ = lines.find(String::is_empty);
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = (&stream).write_all((head + &body).as_bytes());
    }
}

struct World {
    /// `None`: our own.
    sidecar: Option<String>,
    place: tempfile::TempDir,
}

impl World {
    fn with_our_sidecar() -> Self {
        Self { sidecar: None, place: tempfile::tempdir().unwrap() }
    }

    fn with_the_chosen_sidecar() -> Self {
        let sidecar = service::Environment::from_process().get("TRILBY_TEST_SIDECAR").map(str::to_owned);
        Self { sidecar, ..Self::with_our_sidecar() }
    }

    fn play(self, scenario: fn(&Self)) {
        scenario(&self);
        self.finish(&["hub", "stop"]);
        assert_eq!(self.left_running(), Vec::<String>::new(), "something is left running");
        assert_eq!(std::fs::read_dir(self.place.path().join("runtime/runs")).map_or(0, Iterator::count), 0);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trilby"));
        command.args(arguments).stdin(Stdio::null()).current_dir(self.place.path());
        for variable in ["APP_ID", "APP_PORT", "DAPR_HOST_IP", "XDG_RUNTIME_DIR", "TRILBY_SIDECAR", "TRILBY_REGISTRY"] {
            command.env_remove(variable);
        }
        for variable in ["TRILBY_HUB_SOCKET", "TRILBY_DATA_DIR", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        if let Some(sidecar) = &self.sidecar {
            command.env("TRILBY_SIDECAR", sidecar);
        }
        command.env("TRILBY_RUNTIME_DIR", self.place.path().join("runtime")).env("HOME", self.place.path());
        // Should a scenario fail, its hub does not stay.
        command.env("TRILBY_HUB_IDLE_TIMEOUT", "60s");
        command
    }

    fn finish(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The line of one app in the list; other sidecars may run on this machine.
    fn listed(&self, app_id: &str) -> Option<serde_json::Value> {
        let rows: Vec<serde_json::Value> =
            serde_json::from_slice(&self.finish(&["list", "-o", "json"]).stdout).unwrap();
        rows.into_iter().find(|row| row["appId"] == app_id)
    }

    /// The processes that carry the environment of this scenario, by their command lines.
    fn left_running(&self) -> Vec<String> {
        let mark = self.place.path().join("runtime").to_str().unwrap().to_owned();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        let ours = processes.filter(|process| {
            String::from_utf8_lossy(&std::fs::read(process.join("environ")).unwrap_or_default()).contains(&mark)
        });
        let lines = ours.map(|process| std::fs::read_to_string(process.join("cmdline")).unwrap_or_default());
        // The hub outlives a run, as it should.
        lines.filter(|line| !line.contains("\0hub\0serve\0")).collect()
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// An id that no other scenario has: `list` and `stop` see every sidecar of the machine.
    fn id(&self, name: &str) -> String {
        format!("{name}{}", self.place.path().file_name().unwrap().to_str().unwrap().replace('.', "-"))
    }

    /// Waits a moment for what ends without anybody to wait for it.
    fn settled(&self) -> bool {
        (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(30));
            self.left_running().is_empty()
        })
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.place.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// A command that runs. A scenario that fails ends it, and with it what it has started.
struct Running(Child);

impl std::ops::Deref for Running {
    type Target = Child;
    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when it has ended and was waited for, as it should have.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn app() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

/// One app of a run file.
fn entry(id: &str, port: u16) -> String {
    format!("- {{appID: {id}, appDirPath: ., appPort: {port}, command: ['{}', {APP}, --exact]}}\n", app())
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// The body of a request to a port of this machine.
fn request(port: u64, line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Reads until a line contains the text, and keeps reading in the background so that the writer is never held up.
fn read_until(child: &mut Child, text: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(text)), "the output ended without {text}");
    std::thread::spawn(move || lines.for_each(drop));
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn an_app_is_listed_called_and_stopped(world: &World) {
    let orders = world.id("orders");
    let port = free_port().to_string();
    let mut run = world.start(&["run", "-a", &orders, "-p", &port, "--", &app(), APP, "--exact"]);
    read_until(&mut run, "up and running");
    let row = world.listed(&orders).unwrap();
    assert_eq!(row["cliPid"], run.id());
    let answer = world.finish(&["invoke", "-a", &orders, "-m", "hello", "-v", "GET"]);
    assert!(String::from_utf8_lossy(&answer.stdout).starts_with(&format!("{orders} /hello\n")), "{}", error(&answer));
    assert_eq!(code(&world.finish(&["stop", "-a", &orders])), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let api = u16::try_from(row["httpPort"].as_u64().unwrap()).unwrap();
    assert!(TcpStream::connect(("127.0.0.1", api)).is_err());
    assert_eq!(code(&world.finish(&["stop", "-a", &orders])), Some(1));
}

fn the_failure_of_the_app_is_returned(world: &World) {
    assert_eq!(code(&world.finish(&["run", "-a", "a", "--", "sh", "-c", "sleep 0.2; exit 9"])), Some(9));
    assert_eq!(code(&world.finish(&["run", "-a", "a", "--", "true"])), Some(0));
}

fn a_signal_that_ends_the_app_is_returned(world: &World) {
    assert_eq!(code(&world.finish(&["run", "-a", "a", "--", "sh", "-c", "kill -11 $$"])), Some(139));
}

fn an_app_that_never_opens_its_port_is_given_up(world: &World) {
    let port = free_port().to_string();
    let line = ["run", "-a", "a", "-p", &port, "--app-start-timeout", "1", "--", "sleep", "1000"];
    let output = world.finish(&line);
    assert_eq!(code(&output), Some(1));
    assert!(error(&output).contains(&format!("did not open port {port}")), "{}", error(&output));
}

fn a_taken_port_starts_nothing(world: &World) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = world.finish(&["run", "-a", "a", "-H", &port, "--", "true"]);
    assert_eq!(code(&output), Some(1));
    assert!(error(&output).contains(&format!("port {port} (dapr-http-port of a) is already used")));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Starting"));
}

fn a_sidecar_that_dies_takes_the_app_with_it(world: &World) {
    let orders = world.id("orders");
    let mut run = world.start(&["run", "-a", &orders, "--", "sleep", "1000"]);
    read_until(&mut run, "up and running");
    let sidecar = world.listed(&orders).unwrap()["daprdPid"].to_string();
    assert!(Command::new("kill").args(["-9", &sidecar]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let mut text = String::new();
    run.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("was ended by signal SIGKILL"), "{text}");
}

fn descendants_in_a_session_of_their_own_are_ended(world: &World) {
    let note = world.place.path().join("pid");
    let script = format!("setsid sh -c 'echo $$ > {}; exec sleep 1000' & sleep 0.5", note.display());
    assert_eq!(code(&world.finish(&["run", "-a", "a", "--", "sh", "-c", &script])), Some(0));
    let pid = std::fs::read_to_string(note).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} still runs");
}

fn apps_of_a_run_file_are_stopped_together(world: &World) {
    let (orders, bills) = (world.id("orders"), world.id("bills"));
    let apps = entry(&orders, free_port()) + &entry(&bills, free_port());
    world.write("dapr.yaml", &format!("version: 1\nname: shop\napps:\n{apps}"));
    let mut run = world.start(&["run", "-f", "."]);
    read_until(&mut run, &format!("{bills} is up and running"));
    assert!(world.listed(&orders).is_some() && world.listed(&bills).is_some());
    assert_eq!(code(&world.finish(&["stop", "-f", "dapr.yaml"])), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let logs = std::fs::read_dir(world.place.path().join(".dapr/logs")).unwrap().flatten();
    let names: Vec<String> = logs.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    for wanted in
        [format!("{orders}_app_"), format!("{orders}_daprd_"), format!("{bills}_app_"), format!("{bills}_daprd_")]
    {
        assert!(names.iter().any(|name| name.starts_with(&wanted)), "{wanted} is not in {names:?}");
    }
}

fn a_command_that_is_not_found_starts_nothing(world: &World) {
    let output = world.finish(&["run", "-a", "a", "--", "no-such-program"]);
    assert_eq!(code(&output), Some(1));
    assert!(
        error(&output).contains("the command no-such-program of a was not found; install it"),
        "{}",
        error(&output)
    );
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Starting"));
}

fn a_broken_run_file_is_named_with_its_line(world: &World) {
    world.write("bad.yaml", "version: 1\napps:\n- appDirPath: .\n  appPort: many\n");
    let output = world.finish(&["run", "-f", "bad.yaml"]);
    assert_eq!(code(&output), Some(1));
    assert!(error(&output).contains("bad.yaml:4:12: expected a whole number"), "{}", error(&output));
    world.write("bad.yaml", "version: 1\napps: [\n");
    let output = world.finish(&["run", "-f", "bad.yaml"]);
    assert_eq!(code(&output), Some(1));
    assert!(error(&output).contains("bad.yaml:") && error(&output).contains("not valid YAML"), "{}", error(&output));
}

fn an_interrupt_ends_sidecar_and_app_in_order(world: &World) {
    let orders = world.id("orders");
    let (port, api) = (free_port(), free_port());
    let (port, api) = (port.to_string(), api.to_string());
    let mut run = world.start(&["run", "-a", &orders, "-p", &port, "-H", &api, "--", &app(), APP, "--exact"]);
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("up and running")));
    signal(&run, Signal::SIGINT);
    let last: Vec<String> = lines.filter(|line| line.contains("Exited")).collect();
    assert!(last.len() == 2 && last[0].contains("Exited Dapr") && last[1].contains("Exited App"), "{last:?}");
    assert_eq!(run.wait().unwrap().code(), Some(0));
    for port in [port, api] {
        assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "port {port} is still open");
    }
}

fn a_killed_run_leaves_nothing_running(world: &World) {
    let orders = world.id("orders");
    let port = free_port().to_string();
    let mut run = world.start(&["run", "-a", &orders, "-p", &port, "--", &app(), APP, "--exact"]);
    read_until(&mut run, "up and running");
    assert_eq!(world.left_running().len(), 3);
    signal(&run, Signal::SIGKILL);
    run.wait().unwrap();
    assert!(world.settled(), "{:?}", world.left_running());
    assert!(world.listed(&orders).is_none());
}

fn what_runs_nowhere_is_said_to_run_nowhere(world: &World) {
    let output = world.finish(&["invoke", "-a", "nobody", "-m", "orders"]);
    assert_eq!(code(&output), Some(1));
    assert!(error(&output).contains("nobody"), "{}", error(&output));
    assert_eq!(code(&world.finish(&["stop", "-f", "dapr.yaml"])), Some(1));
}

#[test]
fn apps_find_each_other_through_the_registry_and_keep_state() {
    World::with_our_sidecar().play(|world| {
        let (orders, bills) = (world.id("orders"), world.id("bills"));
        let store = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\nspec: {type: state.in-memory, version: v1}\n";
        world.write("resources/store.yaml", store);
        let apps = entry(&orders, free_port()) + &entry(&bills, free_port());
        world.write("dapr.yaml", &format!("version: 1\ncommon: {{resourcesPath: ./resources}}\napps:\n{apps}"));
        let mut run = world.start(&["run", "-f", "."]);
        read_until(&mut run, &format!("{bills} is up and running"));
        let port = world.listed(&bills).unwrap()["httpPort"].as_u64().unwrap();
        let line = format!("POST /v1.0/invoke/{orders}/method/new");
        assert_eq!(request(port, &line, "{}"), format!("{orders} /new"));
        request(port, "POST /v1.0/state/store", r#"[{"key":"count","value":7}]"#);
        assert_eq!(request(port, "GET /v1.0/state/store/count", ""), "7");
        let start = std::time::Instant::now();
        signal(&run, Signal::SIGINT);
        assert_eq!(run.wait().unwrap().code(), Some(0));
        assert!(start.elapsed().as_secs() < 3, "ending took {:?}", start.elapsed());
        let logs = std::fs::read_dir(world.place.path().join(".dapr/logs")).unwrap().flatten();
        let text: String = logs.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect();
        assert!(!text.contains("not used yet"), "{text}");
    });
}

#[test]
fn versions_and_completions_are_printed() {
    World::with_our_sidecar().play(|world| {
        let text = |line: &[&str]| String::from_utf8(world.finish(line).stdout).unwrap();
        assert!(text(&["version"]).contains("Runtime version: "), "{}", text(&["version"]));
        assert!(text(&["version", "-o", "json"]).trim_start().starts_with('{'));
        for shell in ["bash", "zsh", "fish", "powershell"] {
            let script = text(&["completion", shell]);
            assert!(script.contains("trilby") && script.contains("runtime-dir"), "{shell}: {script}");
            assert!(!script.contains("__tied"));
        }
        assert_eq!(code(&world.finish(&["lits"])), Some(255));
    });
}

#[test]
fn certs_check_says_who_holds_which_certificate_and_fails_when_one_has_ended() {
    World::with_our_sidecar().play(|world| {
        std::fs::create_dir(world.place.path().join("issuer")).unwrap();
        let port = free_port().to_string();
        let (health, metrics) = (free_port().to_string(), free_port().to_string());
        let ports = ["--port", &port, "--healthz-port", &health, "--metrics-port", &metrics];
        let line = ["sentry", "--issuer-credentials", "issuer", "--trust-domain", "cluster.local"];
        let mut sentry = world.start(&[&line[..], &ports[..]].concat());
        read_until(&mut sentry, "Running gRPC server on port");
        let address = format!("127.0.0.1:{port}");
        let output = world.finish(&["certs", "check", "--issuer-credentials", "issuer", "--address", &address]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(code(&output), Some(0), "{told} {}", error(&output));
        for part in
            ["HOLDER", "trust anchor", "issuer", "spiffe://cluster.local/ns/default/dapr-sentry", "364d", "good"]
        {
            assert!(told.contains(part), "{part} in {told}");
        }
        let json = world.finish(&["certs", "check", "--issuer-credentials", "issuer", "-o", "json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(rows.iter().filter(|row| row["state"] == "good").count(), 2);
        world.write("old/ca.crt", ENDED);
        let output = world.finish(&["certs", "check", "--issuer-credentials", "old"]);
        assert_eq!(code(&output), Some(1));
        assert!(error(&output).contains("ENDED"), "{}", error(&output));
        assert_eq!(code(&world.finish(&["certs", "check", "--issuer-credentials", "nowhere"])), Some(1));
        kill(Pid::from_raw(i32::try_from(sentry.id()).unwrap()), Signal::SIGINT).unwrap();
        assert!(sentry.wait().unwrap().success());
    });
}

/// A root of one day, made for this test; it has ended.
const ENDED: &str = "-----BEGIN CERTIFICATE-----\n\
MIHdMIGQoAMCAQICAQEwBQYDK2VwMA4xDDAKBgNVBAoMA29sZDAeFw0yMDAxMDEw\n\
MDAwMDBaFw0yMDAxMDIwMDAwMDBaMA4xDDAKBgNVBAoMA29sZDAqMAUGAytlcAMh\n\
AHS0irDDhXlBCfeXylCfj67XUlE46ItzFVAElFLjPbBuoxMwETAPBgNVHRMBAf8E\n\
BTADAQH/MAUGAytlcANBAMPWJ15y2kb0bmf0QzIZkx1CDM084LLW6pRic5Pt9bJd\n\
GTmuCTlKgDuL4F9B8QQr+fpqMVCRcWFJ9npUl8gSRA0=\n\
-----END CERTIFICATE-----\n\
";

/// The API of a sidecar on a port, once `run` says that it is up.
fn started(world: &World, arguments: &[&str]) -> (Running, u16, String) {
    let port = free_port();
    let api = port.to_string();
    let mut run = world.start(&[&["run", "-H", &api], arguments].concat());
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = String::new();
    for line in lines.by_ref() {
        told += &line;
        told += "\n";
        if line.contains("up and running") {
            std::thread::spawn(move || lines.for_each(drop));
            return (run, port, told);
        }
    }
    let mut text = String::new();
    run.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    panic!("it did not start: {told}{text}");
}

fn stop(mut run: Running) {
    signal(&run, Signal::SIGINT);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

fn save(port: u16, store: &str, value: &str) -> String {
    let body = format!(r#"[{{"key":"k","value":{value}}}]"#);
    request(u64::from(port), &format!("POST /v1.0/state/{store}"), &body)
}

fn load(port: u16, store: &str) -> String {
    request(u64::from(port), &format!("GET /v1.0/state/{store}/k"), "")
}

fn hub_process(world: &World) -> i32 {
    let status = world.finish(&["hub", "status", "--json"]);
    let status: serde_json::Value =
        serde_json::from_slice(&status.stdout).unwrap_or_else(|_| panic!("{}", error(&status)));
    i32::try_from(status["pid"].as_i64().unwrap()).unwrap()
}

fn apps_without_resources_keep_their_state_in_the_hub(world: &World) {
    if world.sidecar.is_some() {
        return;
    }
    let orders = world.id("orders");
    let (run, port, told) = started(world, &["-a", &orders]);
    assert!(told.contains("No resources are given") && told.contains("statestore"), "{told}");
    assert_eq!(save(port, "statestore", "5"), "");
    stop(run);
    let (run, port, _) = started(world, &["-a", &orders]);
    assert_eq!(load(port, "statestore"), "5");
    let metadata = request(u64::from(port), "GET /v1.0/metadata", "");
    assert!(metadata.contains("state.embedded") && metadata.contains("ACTOR"), "{metadata}");
    let status = world.finish(&["hub", "status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains(&format!("{orders} (statestore)")) && text.contains("trilby run"), "{text}");
    stop(run);
}

fn two_runs_share_what_is_in_the_hub_and_outlive_its_kill(world: &World) {
    if world.sidecar.is_some() {
        return;
    }
    // No socket is named: the sidecar finds the hub of its run.
    let store = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: shared}\nspec:\n  type: state.embedded\n  \
                 version: v1\n  metadata: [{name: keyPrefix, value: none}]\n";
    world.write("resources/store.yaml", store);
    let (orders, bills) = (world.id("orders"), world.id("bills"));
    let (one, first, _) = started(world, &["-a", &orders, "--resources-path", "resources"]);
    let (other, second, _) = started(world, &["-a", &bills, "--resources-path", "resources"]);
    assert_eq!(save(first, "shared", "1"), "");
    assert_eq!(load(second, "shared"), "1");
    let before = hub_process(world);
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    assert_eq!(load(second, "shared"), "1");
    assert_eq!(save(second, "shared", "2"), "");
    assert_eq!(load(first, "shared"), "2");
    assert_ne!(hub_process(world), before);
    stop(one);
    // The run that has started the hub again does not take it along.
    assert_eq!(load(second, "shared"), "2");
    stop(other);
    assert!(hub_process(world) > 0);
}

fn a_redis_that_is_not_there_is_replaced_when_asked(world: &World) {
    if world.sidecar.is_some() {
        return;
    }
    let address = format!("localhost:{}", free_port());
    let component = |kind: &str, name: &str| {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\nspec:\n  type: {kind}.redis\n  version: v1\n  \
             metadata: [{{name: redisHost, value: '{address}'}}]\n"
        )
    };
    world.write("resources/state.yaml", &component("state", "store"));
    world.write("resources/lock.yaml", &component("lock", "locks"));
    let orders = world.id("orders");
    let (run, port, _) = started(world, &["-a", &orders, "--resources-path", "resources", "--embedded"]);
    assert_eq!(save(port, "store", "7"), "");
    assert_eq!(load(port, "store"), "7");
    let metadata = request(u64::from(port), "GET /v1.0/metadata", "");
    assert!(metadata.contains("state.embedded") && !metadata.contains("redis"), "{metadata}");
    stop(run);
    assert!(std::fs::read_dir(world.place.path().join("runtime/embedded")).unwrap().next().is_none());
}
