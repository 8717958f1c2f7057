//! From the command line to an exit code: what the executable calls for the role `hub` and its commands.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use service::release::OWN_VERSION;
use service::{Environment, Reason, Shutdown};
use telemetry::logs::{LogOptions, LogOutput, subscriber};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;

use crate::options::flags::FLAGS;
use crate::options::{self, LogSettings, Options};
use crate::{Fatal, commands, run};

const TARGET: &str = "dapr.hub";
/// How long a stop may take; what is bounded inside ends before.
const LONGEST_STOP: Duration = Duration::from_secs(15);
/// The exit code of a hub that found another one.
pub(crate) const ALREADY_RUNS: u8 = 3;

/// Runs the role or one of its commands with these arguments (without the program's name) until it ends.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::from_process();
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let asked = match options::parse(&arguments, &environment) {
        Ok(asked) => asked,
        Err(None) => {
            print!("{}{}", commands::HELP, FLAGS.help());
            return ExitCode::SUCCESS;
        }
        Err(Some(reason)) => {
            eprintln!("{reason}");
            return ExitCode::from(2);
        }
    };
    match asked.words.first().map(String::as_str) {
        None | Some("serve") if asked.words.len() < 2 => serve(asked.options),
        _ => commands::run(&asked),
    }
}

fn log(settings: &LogSettings) -> Result<Dispatch, std::io::Error> {
    let output = settings.file.as_deref().map(LogOutput::append_to).transpose()?;
    Ok(subscriber(LogOptions {
        level: settings.level,
        json: settings.json,
        app_id: String::new(),
        instance: service::host_name(),
        version: OWN_VERSION.to_owned(),
        output: output.unwrap_or(LogOutput::Stdout),
    }))
}

fn serve(options: Options) -> ExitCode {
    if options.detached {
        // Fails for the leader of a process group, which is then no part of the terminal's jobs anyway.
        let _ = nix::unistd::setsid();
    }
    service::raise_open_file_limit();
    let dispatch = match log(&options.log) {
        Ok(dispatch) => dispatch,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(supervise(options).with_subscriber(dispatch)),
        Err(error) => {
            eprintln!("the operating system gives no threads or events: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the role until it stops, and tells how it ended.
async fn supervise(options: Options) -> ExitCode {
    tracing::info!(target: TARGET, "Starting the hub -- version {OWN_VERSION} -- process {}", std::process::id());
    let shutdown = Shutdown::new();
    if let Err(error) = service::signals::stop_on_signals(shutdown.clone()) {
        return fail(&format!("cannot listen to signals: {error}"));
    }
    let late = async {
        shutdown.requested().await;
        tokio::time::sleep(LONGEST_STOP).await;
    };
    let ended = tokio::select! {
        ended = run::run(options, shutdown.clone()) => ended,
        () = late => return fail("a part of the hub did not stop in time"),
    };
    match (ended, shutdown.reason()) {
        (Err(fatal @ Fatal::AlreadyRuns(_)), _) => {
            tracing::info!(target: TARGET, "{fatal}");
            ExitCode::from(ALREADY_RUNS)
        }
        (Err(fatal), _) => fail(&fatal.to_string()),
        (Ok(()), Some(Reason::Fatal(reason))) => fail(&reason),
        (Ok(()), _) => {
            tracing::info!(target: TARGET, "The hub has ended");
            ExitCode::SUCCESS
        }
    }
}

fn fail(reason: &str) -> ExitCode {
    tracing::error!(target: TARGET, fatal = true, "{reason}");
    ExitCode::FAILURE
}
