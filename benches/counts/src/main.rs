//! Makes a number of calls of one kind through whole sidecars, all on one thread, and ends. `cargo xtask counts` runs it under
//! callgrind twice, with few calls and with many: the difference is what one call costs. Nothing here measures time.

mod client;
mod parties;
mod path;

use std::process::ExitCode;

use anyhow::Context as _;
use service::Tasks;
use tracing::instrument::WithSubscriber as _;

use path::Path;

/// What the executable allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => {
            Path::ALL.iter().for_each(|path| println!("{}", path.name()));
            Ok(())
        }
        [name, calls] => drive(name, calls),
        _ => Err(anyhow::anyhow!("usage: counts list | counts PATH CALLS")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn drive(name: &str, calls: &str) -> anyhow::Result<()> {
    let path = Path::ALL.into_iter().find(|path| path.name() == name).context("there is no such path; see `list`")?;
    let calls: u64 = calls.parse().context("CALLS is a number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dispatch = telemetry::logs::subscriber(telemetry::logs::LogOptions {
        level: telemetry::logs::LogLevel::Warn,
        json: false,
        app_id: "counts".to_owned(),
        instance: String::new(),
        version: String::new(),
        output: telemetry::logs::LogOutput::Stdout,
    });
    let made = runtime.block_on(
        async {
            let tasks = Tasks::new();
            let parties = parties::Parties::start(&tasks).await?;
            path.drive(&parties, calls, &tasks).await
        }
        .with_subscriber(dispatch),
    );
    runtime.shutdown_background();
    made
}
