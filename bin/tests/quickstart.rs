//! The three apps of the quickstart as they are shipped, with the hub between them: whichever of them is killed, every order
//! that was accepted is shipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How many orders each test sends.
const ORDERS: usize = 40;
/// How long all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// One user of this machine, with a hub of their own.
struct Place {
    folder: tempfile::TempDir,
    /// One for each app, the same at every start.
    ports: [u16; 2],
}

/// A `trilby run` of one app, and what that app prints.
struct Run {
    child: Child,
    lines: Receiver<String>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let component =
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: NAME}\nspec: {type: TYPE, version: v1}\n";
        std::fs::create_dir(folder.path().join("resources")).unwrap();
        for (name, kind) in [("pubsub", "pubsub.embedded"), ("statestore", "state.embedded")] {
            let text = component.replace("NAME", name).replace("TYPE", kind);
            std::fs::write(folder.path().join("resources").join(name).with_extension("yaml"), text).unwrap();
        }
        let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        Self { folder, ports: held.map(|listener| listener.local_addr().unwrap().port()) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trilby"));
        command.args(arguments).stdin(Stdio::null()).current_dir(self.folder.path());
        for variable in ["APP_ID", "APP_PORT", "DAPR_HOST_IP", "XDG_RUNTIME_DIR", "TRILBY_SIDECAR", "TRILBY_REGISTRY"] {
            command.env_remove(variable);
        }
        for variable in ["TRILBY_HUB_SOCKET", "TRILBY_DATA_DIR", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        command.env("TRILBY_RUNTIME_DIR", self.folder.path().join("runtime")).env("HOME", self.folder.path());
        command.env("TRILBY_HUB_IDLE_TIMEOUT", "60s");
        command.env("CHECKOUT_ORDERS", ORDERS.to_string()).env("CHECKOUT_PAUSE_MS", "50");
        command
    }

    fn run(&self, app: &str) -> Run {
        let port = match app {
            "orders" => Some(self.ports[0].to_string()),
            "shipping" => Some(self.ports[1].to_string()),
            _ => None,
        };
        let program = program(app);
        let mut arguments = vec!["run", "--app-id", app, "--resources-path", "resources", "--log-level", "warn"];
        arguments.extend(port.iter().flat_map(|port| ["--app-port", port]));
        arguments.extend(["--", program.to_str().unwrap()]);
        let mut child = self.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        // Ends with the output.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                println!("{line}");
                let _ = sender.send(line);
            }
        });
        Run { child, lines }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.command(&["hub", "stop"]).output();
    }
}

impl Run {
    /// Waits for a line with the text.
    fn says(&self, text: &str) {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        panic!("{text:?} was not said");
    }

    /// Takes the numbers of the orders that were shipped since the last look, as long as new ones come or `wanted` are missing.
    fn shipped(&self, into: &mut BTreeSet<usize>, wanted: usize) {
        let started = Instant::now();
        while into.len() < wanted && started.elapsed() < PATIENCE {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { return };
            let Some((_, order)) = line.split_once("shipped {\"orderId\":") else { continue };
            into.insert(order.trim_end_matches('}').parse().unwrap());
        }
    }

    /// Kills the app with signal 9, and waits until its run has ended.
    fn kill_app(mut self, app: &str) {
        let program = program(app);
        let whole = |path: PathBuf| std::fs::read_link(path.join("exe")).ok();
        let apps = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let own = self.child.id().to_string();
        let ids: Vec<String> = apps
            .filter(|process| whole(process.clone()).is_some_and(|exe| exe == program))
            .filter(|process| parent(process) == Some(own.clone()))
            .map(|process| process.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1, "{app} runs as {ids:?}");
        assert!(Command::new("kill").arg("-9").args(&ids).status().unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Fails when it has ended, as it may have.
        let _ = Command::new("kill").arg(self.child.id().to_string()).output();
        let _ = self.child.wait();
    }
}

fn parent(process: &Path) -> Option<String> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|id| id.trim().to_owned())
}

/// An app of the quickstart: it stands beside the executable under test.
fn program(app: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_trilby")).with_file_name(app);
    assert!(
        program.is_file(),
        "{} is not there: build it with `cargo build --package trilby-quickstart`",
        program.display()
    );
    program.canonicalize().unwrap()
}

/// Kills `victim` when five orders are shipped, starts it again, and holds what is shipped against what was accepted.
fn everything_is_shipped_when_killed(victim: &str) {
    let place = Place::new();
    let mut shipping = place.run("shipping");
    shipping.says("You're up and running");
    let mut orders = place.run("orders");
    orders.says("You're up and running");
    let checkout = place.run("checkout");
    let mut shipped = BTreeSet::new();
    shipping.shipped(&mut shipped, 5);
    if victim == "shipping" {
        shipping.kill_app("shipping");
        // Orders are accepted while nobody ships them.
        for _ in 0..5 {
            checkout.says("accepted by the app orders");
        }
        shipping = place.run("shipping");
    } else {
        orders.kill_app("orders");
        orders = place.run("orders");
    }
    checkout.says("Done.");
    shipping.shipped(&mut shipped, ORDERS);
    assert_eq!(shipped, (1..=ORDERS).collect());
    drop(orders);
}

#[test]
fn an_order_is_shipped_although_the_app_that_ships_was_killed() {
    everything_is_shipped_when_killed("shipping");
}

#[test]
fn an_order_is_shipped_although_the_app_that_accepts_was_killed() {
    everything_is_shipped_when_killed("orders");
}
