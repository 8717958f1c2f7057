//! The signals of a process: the first SIGINT or SIGTERM asks for a stop, the second ends the process at once.
//! Called once by the executable, never by a role: many roles can live in one process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Reason, Shutdown, Tasks};

/// Turns SIGINT and SIGTERM into a request to stop. A second one exits the process with code 1 without waiting.
/// Must be called inside a tokio runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_on_signals(shutdown: Shutdown) -> io::Result<()> {
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    // A tracker of its own: this task stays for the second signal while the role's tasks are awaited.
    Tasks::new().spawn("signals", watch(interrupt, terminate, shutdown));
    Ok(())
}

async fn watch(mut interrupt: Signal, mut terminate: Signal, shutdown: Shutdown) {
    let (name, word) = next(&mut interrupt, &mut terminate).await;
    tracing::info!(target: "dapr.signals", "Received signal '{word}'; beginning shutdown");
    shutdown.request_because(Reason::Signal(name));
    let (_, word) = next(&mut interrupt, &mut terminate).await;
    tracing::error!(target: "dapr.signals", "Received signal '{word}' during shutdown; exiting immediately");
    std::process::exit(1);
}

/// The name of the next signal, and the word the target's logs have for it.
async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> (&'static str, &'static str) {
    tokio::select! {
        _ = interrupt.recv() => ("SIGINT", "interrupt"),
        _ = terminate.recv() => ("SIGTERM", "terminated"),
    }
}
