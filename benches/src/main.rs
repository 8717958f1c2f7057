//! The measuring rig: the same work done directly, through our sidecars and through a peer's, in one run on one machine.
//! Run by hand (see README.md beside it); never part of the tests. It measures processes from outside and knows nothing
//! of how they are made.

mod affinity;
mod app;
mod client;
mod command_line;
mod compare;
mod events;
mod fleet;
mod helper_process;
mod idle;
mod idle_connections;
mod invoke;
mod load;
mod mixed;
mod offer;
mod overload;
mod process;
mod proxy;
mod report;
mod rotation;
mod sentry;
mod sidecar;
mod statistics;
mod stream;

use std::process::ExitCode;

use affinity::Cores;
use command_line::{Case, Chosen};
use fleet::Fleet;
use service::Tasks;
use tokio::runtime::{Builder, Runtime};

/// As in the executable that is measured, so that the bare proxy is no worse off.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let chosen = command_line::read();
    service::raise_open_file_limit();
    match serve_or_measure(chosen) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("rig: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve_or_measure(chosen: Chosen) -> anyhow::Result<bool> {
    match chosen.case {
        Case::App { broker } => Builder::new_current_thread().enable_all().build()?.block_on(serve_app(broker)),
        Case::Proxy { to } => Builder::new_current_thread().enable_all().build()?.block_on(serve_proxy(to)),
        _ => measure(chosen),
    }
}

/// The app as a process of its own: tells its ports and serves until it is killed.
async fn serve_app(broker: Option<String>) -> anyhow::Result<bool> {
    let tasks = Tasks::new();
    let app = app::App::start(&tasks, broker)?;
    println!("{} {}", app.http_port().port, app.grpc_port().port);
    std::future::pending().await
}

/// The bare proxy as a process of its own, in the same way.
async fn serve_proxy(to: std::net::SocketAddr) -> anyhow::Result<bool> {
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    proxy::serve(listener, to, Tasks::new()).await?;
    Ok(true)
}

/// Whether every bar was met.
fn measure(chosen: Chosen) -> anyhow::Result<bool> {
    let runtime = if chosen.case.is_pinned() { pinned()? } else { two_threads()? };
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
            Case::Compare(plan) => compare::run(&fleet, &plan).await,
            Case::IdleConnections { connections } => idle_connections::run(&fleet, connections).await,
            Case::Overload(plan) => overload::run(&fleet, plan).await,
            Case::App { .. } | Case::Proxy { .. } => Ok(true),
        }
    });
    runtime.shutdown_background();
    met
}

fn two_threads() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// One thread that makes load, on a core of its own; this thread starts what is measured, on the other cores.
fn pinned() -> anyhow::Result<Runtime> {
    let Some(cores) = Cores::split()? else {
        println!("NOT PINNED: this machine has one core, so the load and what is measured share it");
        return two_threads();
    };
    cores.measure_here()?;
    println!("the generator has one core, what is measured has {}", cores.measured());
    let start = move || {
        if let Err(error) = cores.generate_here() {
            eprintln!("rig: {error:#}");
        }
    };
    Ok(Builder::new_multi_thread().worker_threads(1).on_thread_start(start).enable_all().build()?)
}
