//! The measuring rig: the same work done directly, through our sidecars and through a peer's, in one run on one machine.
//! Run by hand (see README.md beside it); never part of the tests. It measures processes from outside and knows nothing
//! of how they are made.

mod app;
mod client;
mod command_line;
mod events;
mod fleet;
mod idle;
mod invoke;
mod load;
mod mixed;
mod process;
mod report;
mod rotation;
mod sentry;
mod sidecar;
mod stream;

use std::process::ExitCode;

use command_line::{Case, Chosen};
use fleet::Fleet;
use service::Tasks;

fn main() -> ExitCode {
    let chosen = command_line::read();
    service::raise_open_file_limit();
    match measure(chosen) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("rig: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every bar was met.
fn measure(chosen: Chosen) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let met = runtime.block_on(async {
        let fleet = Fleet::new(chosen.ours, chosen.peer, chosen.authority, Tasks::new()).await?;
        println!("{}", report::heading());
        match chosen.case {
            Case::Rotation(plan) => rotation::run(&fleet, &plan).await,
            Case::Mixed { calls } => mixed::run(&fleet, calls).await,
            Case::Stream { gibibytes } => stream::run(&fleet, gibibytes).await,
            Case::Events { streams, duration } => events::run(&fleet, streams, duration).await,
            Case::Idle { duration, starts } => idle::run(&fleet, duration, starts).await,
            Case::Invoke(plan) => invoke::run(&fleet, &plan).await,
        }
    });
    runtime.shutdown_background();
    met
}
