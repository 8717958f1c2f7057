//! Makes a number of calls of one kind through whole sidecars, all on one thread, and ends. `cargo xtask counts` runs it under
//! callgrind, which counts only what happens inside [`counted_calls`]. Nothing here measures time.

mod app;
mod client;
mod parties;
mod path;
/// The very proxy that the rig measures.
#[path = "../../src/proxy.rs"]
mod proxy;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use anyhow::Context as _;
use service::Tasks;
use tokio::runtime::Runtime;
use tracing::instrument::WithSubscriber as _;

use client::Caller;
use parties::Parties;
use path::Path;

/// Calls before those that are counted: connections, buffers and tables have their size then.
const WARM: u64 = 100;

/// What the executable allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Calls<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

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
    let tasks = Tasks::new();
    let started = async {
        let parties = Parties::start(path, &tasks).await?;
        let mut caller = Caller::connect(&path.call(&parties)?, &tasks).await?;
        caller.repeat(WARM).await?;
        anyhow::Ok((parties, caller))
    };
    let (_parties, mut caller) = runtime.block_on(started.with_subscriber(dispatch.clone()))?;
    let made = counted_calls(&runtime, Box::pin(caller.repeat(calls).with_subscriber(dispatch)));
    runtime.shutdown_background();
    made
}

/// Callgrind is told this name: only what this thread does in here is counted, so that neither what the start costs nor the threads
/// beside are in the numbers.
#[inline(never)]
fn counted_calls(runtime: &Runtime, calls: Calls<'_>) -> anyhow::Result<()> {
    runtime.block_on(calls)
}
