//! The command line with a real sidecar: the target's own, named by `TRILBY_REFERENCE_DAPRD`. Without that variable the
//! scenarios are skipped, and say so. This executable plays three parts: the test, the command line (first argument
//! `as-cli`), and an app (`as-app`), so that nothing else has to be built or installed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test, though without the harness that says so")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};

type Scenario = (&'static str, fn(&World));

const SCENARIOS: [Scenario; 8] = [
    ("an_app_is_listed_called_and_stopped", an_app_is_listed_called_and_stopped),
    ("the_failure_of_the_app_is_returned", the_failure_of_the_app_is_returned),
    ("a_signal_that_ends_the_app_is_returned", a_signal_that_ends_the_app_is_returned),
    ("an_app_that_never_opens_its_port_is_given_up", an_app_that_never_opens_its_port_is_given_up),
    ("a_taken_port_starts_nothing", a_taken_port_starts_nothing),
    ("a_sidecar_that_dies_takes_the_app_with_it", a_sidecar_that_dies_takes_the_app_with_it),
    ("descendants_in_a_session_of_their_own_are_ended", descendants_in_a_session_of_their_own_are_ended),
    ("apps_of_a_run_file_are_stopped_together", apps_of_a_run_file_are_stopped_together),
];

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("as-cli") => return trilby_cli::main("trilby", arguments.split_off(1)),
        Some("as-app") => return app(),
        Some("__tied") => return trilby_cli::main("trilby", arguments),
        Some("--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    let environment = service::Environment::from_process();
    let Some(sidecar) = environment.get("TRILBY_REFERENCE_DAPRD") else {
        eprintln!("SKIPPED: {} scenarios need TRILBY_REFERENCE_DAPRD=<path of the target's daprd>", SCENARIOS.len());
        return ExitCode::SUCCESS;
    };
    let filter = arguments.first().and_then(|first| first.to_str()).filter(|first| !first.starts_with('-'));
    for (name, scenario) in SCENARIOS.into_iter().filter(|(name, _)| filter.is_none_or(|part| name.contains(part))) {
        let world = World { sidecar: sidecar.to_owned(), place: tempfile::tempdir().unwrap() };
        scenario(&world);
        assert_eq!(world.left_running(), Vec::<String>::new(), "{name} left something running");
        assert_eq!(std::fs::read_dir(world.place.path().join("runtime/runs")).map_or(0, Iterator::count), 0);
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// An HTTP app that answers each request with its id and path.
fn app() -> ExitCode {
    let environment = service::Environment::from_process();
    let port: u16 = environment.get("APP_PORT").unwrap().parse().unwrap();
    let id = environment.get("APP_ID").unwrap();
    for stream in TcpListener::bind(("127.0.0.1", port)).unwrap().incoming().flatten() {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let Some(first) = lines.next() else { continue };
        let body = format!("{id} {}", first.split(' ').nth(1).unwrap());
        let _ = lines.find(String::is_empty);
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = (&stream).write_all((head + &body).as_bytes());
    }
    ExitCode::SUCCESS
}

struct World {
    sidecar: String,
    place: tempfile::TempDir,
}

impl World {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("as-cli").args(arguments).stdin(Stdio::null());
        command.env("TRILBY_SIDECAR", &self.sidecar).env("TRILBY_RUNTIME_DIR", self.place.path().join("runtime"));
        command.env("HOME", self.place.path()).current_dir(self.place.path());
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
        ours.map(|process| std::fs::read_to_string(process.join("cmdline")).unwrap_or_default()).collect()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn app(&self) -> String {
        std::env::current_exe().unwrap().to_str().unwrap().to_owned()
    }
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
    let port = free_port().to_string();
    let mut run = world.start(&["run", "-a", "orders", "-p", &port, "--", &world.app(), "as-app"]);
    read_until(&mut run, "up and running");
    let row = world.listed("orders").unwrap();
    assert_eq!(row["cliPid"], run.id());
    let answer = world.finish(&["invoke", "-a", "orders", "-m", "hello", "-v", "GET"]);
    assert!(String::from_utf8_lossy(&answer.stdout).starts_with("orders /hello\n"), "{}", error(&answer));
    assert_eq!(code(&world.finish(&["stop", "-a", "orders"])), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let api = u16::try_from(row["httpPort"].as_u64().unwrap()).unwrap();
    assert!(TcpStream::connect(("127.0.0.1", api)).is_err());
    assert_eq!(code(&world.finish(&["stop", "-a", "orders"])), Some(1));
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
    let mut run = world.start(&["run", "-a", "short-lived", "--", "sleep", "1000"]);
    read_until(&mut run, "up and running");
    let sidecar = world.listed("short-lived").unwrap()["daprdPid"].to_string();
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
    let (app, first, second) = (world.app(), free_port(), free_port());
    let one = |id: &str, port: u16| {
        format!("- {{appID: {id}, appDirPath: ., appPort: {port}, command: ['{app}', as-app]}}\n")
    };
    let text = format!("version: 1\nname: shop\napps:\n{}{}", one("orders", first), one("bills", second));
    std::fs::write(world.place.path().join("dapr.yaml"), text).unwrap();
    let mut run = world.start(&["run", "-f", "."]);
    read_until(&mut run, "bills is up and running");
    assert!(world.listed("orders").is_some() && world.listed("bills").is_some());
    assert_eq!(code(&world.finish(&["stop", "-f", "dapr.yaml"])), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let logs = std::fs::read_dir(world.place.path().join(".dapr/logs")).unwrap().flatten();
    let names: Vec<String> = logs.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    for wanted in ["orders_app_", "orders_daprd_", "bills_app_", "bills_daprd_"] {
        assert!(names.iter().any(|name| name.starts_with(wanted)), "{wanted} is not in {names:?}");
    }
}
