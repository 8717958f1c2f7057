//! From the command line to an exit code: what the executable calls for the role `daprd`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use service::release::{OWN_VERSION, TARGET_COMMIT, TARGET_VERSION};
use service::{Environment, Shutdown};
use telemetry::logs::{LogOptions, LogOutput, subscriber};
use tokio::runtime::Builder;
use tracing::instrument::WithSubscriber as _;

use crate::options::{self, Command, Options, Site};
use crate::run;

/// Runs the role with these arguments (without the program's name) until it ends.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::from_process();
    let arguments = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    let command = match options::parse(arguments, &environment, &Site::of_process()) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("Failed to parse flags: {error}");
            return ExitCode::from(error.exit_code());
        }
    };
    match command {
        Command::Help(text) => print(&text),
        Command::Version => print(&format!("{TARGET_VERSION}\n")),
        Command::BuildInfo => print(&format!(
            "Version: {TARGET_VERSION}\nGit Commit: {TARGET_COMMIT}\nGit Version: trilby {OWN_VERSION}\n"
        )),
        Command::Wait(port) => on_runtime(wait_until_outbound_ready(port)),
        Command::Run(options) => start(*options, environment),
    }
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn on_runtime(future: impl Future<Output = ExitCode>) -> ExitCode {
    // With one core there is nobody to share the work with, and no thread but this one is needed for it.
    let is_alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if is_alone { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    match builder.enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => {
            eprintln!("the operating system gives no threads or events: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: Options, environment: Environment) -> ExitCode {
    for line in &options.deprecations {
        eprintln!("{line}");
    }
    service::raise_open_file_limit();
    let output = match options.log.file.as_deref().map(LogOutput::append_to).transpose() {
        Ok(output) => output.unwrap_or(LogOutput::Stdout),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let dispatch = subscriber(LogOptions {
        level: options.log.level,
        json: options.log.json,
        app_id: options.app_id.clone(),
        instance: service::host_name(),
        version: TARGET_VERSION.to_owned(),
        output,
    });
    on_runtime(supervise(options, environment).with_subscriber(dispatch))
}

/// Runs the role until it stops, and tells how it ended.
async fn supervise(options: Options, environment: Environment) -> ExitCode {
    let level = options.log.level;
    let longest = options.block_shutdown.unwrap_or_default().saturating_add(options.graceful_shutdown);
    tracing::info!(target: "dapr.runtime", "Starting Dapr Runtime -- version {TARGET_VERSION} -- commit {TARGET_COMMIT}");
    tracing::info!(target: "dapr.runtime", "Trilby {OWN_VERSION} stands in for it");
    tracing::info!(target: "dapr.runtime", "Log level set to: {}", level.as_str());
    let shutdown = Shutdown::new();
    if let Err(error) = service::signals::stop_on_signals(shutdown.clone()) {
        tracing::error!(target: "dapr.runtime", fatal = true, "cannot listen to signals: {error}");
        return ExitCode::FAILURE;
    }
    let forced = Arc::new((AtomicBool::new(false), tokio::sync::Notify::new()));
    let force = Arc::clone(&forced);
    let running = run::run(
        options,
        environment,
        shutdown.clone(),
        Arc::new(move || {
            force.0.store(true, Ordering::Release);
            force.1.notify_one();
        }),
    );
    let late = async {
        shutdown.requested().await;
        // What is bounded inside ends before this; a part that does not must not keep the process.
        tokio::time::sleep(longest.saturating_add(Duration::from_secs(1))).await;
    };
    let ended = tokio::select! {
        ended = running => ended,
        () = late => {
            tracing::error!(target: "dapr.runtime", fatal = true, "Graceful shutdown timeout exceeded, forcing shutdown");
            return ExitCode::FAILURE;
        }
        () = forced.1.notified() => return ExitCode::FAILURE,
    };
    match ended {
        Ok(()) => {
            tracing::info!(target: "dapr.runtime", "Daprd shutdown gracefully");
            ExitCode::SUCCESS
        }
        Err(fatal) => {
            tracing::error!(target: "dapr.runtime", fatal = true, "Fatal error from runtime: {fatal}");
            ExitCode::FAILURE
        }
    }
}

/// `--wait`: succeeds once the sidecar on this port can be used by its app; gives up after a minute, as the target does.
async fn wait_until_outbound_ready(port: u16) -> ExitCode {
    const LIMIT: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(500);
    println!("Waiting for Dapr to be outbound ready at http://127.0.0.1:{port}/v1.0/healthz/outbound...");
    let ready = async {
        while !is_outbound_ready(port).await.unwrap_or_default() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    if tokio::time::timeout(LIMIT, ready).await.is_ok() {
        println!("Dapr is outbound ready!");
        return ExitCode::SUCCESS;
    }
    eprintln!("timeout waiting for Dapr to become outbound ready");
    ExitCode::FAILURE
}

async fn is_outbound_ready(port: u16) -> Result<bool, service::BoxError> {
    const LONGEST_ANSWER: u64 = 64 << 10;
    let stream = service::dial::Dialer::plain().connect("127.0.0.1", port, false).await?;
    let request = http::Request::get("/v1.0/healthz/outbound").header(http::header::HOST, "127.0.0.1");
    let answer = service::call_once(stream, request.body(service::body::empty())?, LONGEST_ANSWER).await?;
    Ok(answer.status().is_success())
}
