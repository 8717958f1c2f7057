//! From the command line to an exit code: what the executable calls for the role `sentry`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use service::release::{OWN_VERSION, TARGET_COMMIT, TARGET_VERSION};
use service::{Environment, Reason, Shutdown};
use telemetry::LogLevel;
use telemetry::logs::{LogOptions, LogOutput, subscriber};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;

use crate::options::{self, Command, LogSettings, Options, OptionsError};
use crate::run;

const TARGET: &str = "dapr.sentry";
/// How long a stop may take; what is bounded inside ends before.
const LONGEST_STOP: Duration = Duration::from_secs(15);

/// Runs the role with these arguments (without the program's name) until it ends.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::from_process();
    let arguments = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    match options::parse(arguments, &environment) {
        Ok(Command::Help(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => start(*options, environment),
        Err(OptionsError::Unreadable(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
        Err(invalid) => {
            // As the target does, before it knows how it is to log.
            let settings = LogSettings { level: LogLevel::Info, json: false, file: None };
            let Ok(dispatch) = log(&settings) else { return ExitCode::FAILURE };
            tracing::dispatcher::with_default(&dispatch, || fail(&invalid.to_string()))
        }
    }
}

fn log(settings: &LogSettings) -> Result<Dispatch, std::io::Error> {
    let output = settings.file.as_deref().map(LogOutput::append_to).transpose()?;
    Ok(subscriber(LogOptions {
        level: settings.level,
        json: settings.json,
        app_id: String::new(),
        instance: service::host_name(),
        version: TARGET_VERSION.to_owned(),
        output: output.unwrap_or(LogOutput::Stdout),
    }))
}

fn start(options: Options, environment: Environment) -> ExitCode {
    service::raise_open_file_limit();
    let dispatch = match log(&options.log) {
        Ok(dispatch) => dispatch,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(supervise(options, environment).with_subscriber(dispatch)),
        Err(error) => {
            eprintln!("the operating system gives no threads or events: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the role until it stops, and tells how it ended.
async fn supervise(options: Options, environment: Environment) -> ExitCode {
    tracing::info!(
        target: TARGET,
        "Starting Dapr Sentry certificate authority -- version {TARGET_VERSION} -- commit {TARGET_COMMIT}"
    );
    tracing::info!(target: TARGET, "Trilby {OWN_VERSION} stands in for it");
    tracing::info!(target: TARGET, "Log level set to: {}", options.log.level.as_str());
    let shutdown = Shutdown::new();
    if let Err(error) = service::signals::stop_on_signals(shutdown.clone()) {
        return fail(&format!("cannot listen to signals: {error}"));
    }
    let late = async {
        shutdown.requested().await;
        tokio::time::sleep(LONGEST_STOP).await;
    };
    let ended = tokio::select! {
        ended = run::run(options, environment, shutdown.clone()) => ended,
        () = late => return fail("a part of sentry did not stop in time"),
    };
    match (ended, shutdown.reason()) {
        (Err(fatal), _) => fail(&fatal.to_string()),
        (Ok(()), Some(Reason::Fatal(reason))) => fail(&reason),
        (Ok(()), _) => {
            tracing::info!(target: TARGET, "Sentry shut down gracefully");
            ExitCode::SUCCESS
        }
    }
}

fn fail(reason: &str) -> ExitCode {
    tracing::error!(target: TARGET, fatal = true, "{reason}");
    ExitCode::FAILURE
}
