//! The hub as a whole: what is started in which order, and how it stops. Called by `entry` with options that were checked.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::topics::{Broker, Kept};
use http::Request;
use hyper::service::service_fn;
use ledger::{Ledger, Local};
use service::{Listener, ServeOptions, Shutdown, Tasks, listen};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::commands;
use crate::expirer;
use crate::lock_file::{self, Held};
use crate::options::{Options, Place};
use crate::server::Server;
use crate::stub::Parts;

const TARGET: &str = "dapr.hub";
/// How long requests in flight may take after a stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a hub that runs may take to answer another one.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a hub that does not answer may hold the lock.
const LAST_BREATH: Duration = Duration::from_secs(15);

/// Why the hub cannot run.
#[derive(Debug, PartialEq, Eq)]
pub enum Fatal {
    /// Another hub has the socket.
    AlreadyRuns(String),
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for Fatal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRuns(socket) => write!(formatter, "a hub runs already at {socket}"),
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Fatal {}

fn other(error: impl fmt::Display) -> Fatal {
    Fatal::Other(error.to_string())
}

/// Runs the hub until a stop is requested and everything has ended.
///
/// # Errors
/// [`Fatal`] when a part without which it cannot run does not start.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<(), Fatal> {
    let _held = take_lock(&options.place).await?;
    let folder = options.place.data.join("ledger");
    // The ledger's threads tell this role's log what happens to them.
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let open = move || tracing::dispatcher::with_default(&dispatch, || Local::open(&ledger::Options::of(folder)));
    let opened = tokio::task::spawn_blocking(open).await;
    let ledger: Arc<dyn Ledger> = Arc::new(opened.map_err(other)?.map_err(other)?);
    let status = ledger.status().await.map_err(other)?;
    let data = options.place.data.display();
    tracing::info!(target: TARGET, "The ledger in {data} has {} keys, revision {}", status.keys, status.revision);
    let tasks = Tasks::new();
    let served = serve(&options, &ledger, &shutdown, &tasks).await;
    if served.is_ok() {
        shutdown.requested().await;
    }
    // What was begun before something failed has to end too.
    shutdown.request();
    tasks.wait().await;
    ledger.close().await;
    served
}

/// A hub that was killed may hold the lock for as long as the disk keeps it from ending. Only one that answers is there.
async fn take_lock(place: &Place) -> Result<Held, Fatal> {
    let socket = &place.socket;
    let folder = socket.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        service::runtime_folder::own(folder).map_err(Fatal::Other)?;
    }
    let failed = |error: std::io::Error| other(format!("{}: {error}", socket.display()));
    if let Some(held) = lock_file::take(socket).map_err(failed)? {
        return Ok(held);
    }
    let already_runs = || Fatal::AlreadyRuns(socket.display().to_string());
    if commands::answers(place, ANSWER).await {
        return Err(already_runs());
    }
    let waited_for = socket.clone();
    let waiting = tokio::task::spawn_blocking(move || lock_file::take_when_free(&waited_for));
    match tokio::time::timeout(LAST_BREATH, waiting).await {
        Ok(taken) => taken.map_err(other)?.map_err(failed),
        Err(_) => Err(already_runs()),
    }
}

async fn serve(options: &Options, ledger: &Arc<dyn Ledger>, shutdown: &Shutdown, tasks: &Tasks) -> Result<(), Fatal> {
    let socket = &options.place.socket;
    let listener = listen::bind_unix("the hub (--socket)", socket, Some(0o600)).await.map_err(other)?;
    let clock = Clock::system();
    let clients = Clients::new();
    let now = clock.clone();
    let broker = Broker::open(::topics::Parts {
        store: Arc::new(Kept(Arc::clone(ledger))),
        clock: Arc::new(move || now.now()),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    });
    let parts = Parts {
        ledger: Arc::clone(ledger),
        broker: Arc::new(broker.await.map_err(other)?),
        clients: clients.clone(),
        clock: clock.clone(),
        place: options.place.clone(),
        started: clock.now().0,
        shutdown: shutdown.clone(),
        tasks: tasks.clone(),
    };
    tasks.spawn("expiry", expirer::run(Arc::clone(ledger), clock, shutdown.clone()));
    if let Some(idle) = options.idle {
        tasks.spawn("idle", end_when_idle(clients, idle, shutdown.clone()));
    }
    tracing::info!(target: TARGET, "The hub listens on {}", socket.display());
    accept(listener, Server::new(Arc::new(parts)), shutdown, tasks);
    Ok(())
}

fn accept(listener: Listener, server: Server, shutdown: &Shutdown, tasks: &Tasks) {
    let service = service_fn(move |request: Request<service::Body>| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.handle(request).await) }
    });
    let options = ServeOptions { http1: false, drain: DRAIN, ..ServeOptions::default() };
    tasks.spawn("hub", service::serve(listener, service, options, shutdown.clone(), tasks.clone()));
}

/// Asks for a stop when there was no client for a while.
async fn end_when_idle(clients: Clients, idle: Duration, shutdown: Shutdown) {
    let mut count = clients.count();
    loop {
        let is_idle = *count.borrow_and_update() == 0;
        let patience = async { if is_idle { tokio::time::sleep(idle).await } else { std::future::pending().await } };
        tokio::select! {
            () = shutdown.requested() => return,
            changed = count.changed() => if changed.is_err() { return },
            () = patience => {
                tracing::info!(target: TARGET, "No client for {idle:?}: this hub ends, and is started again when it is needed");
                shutdown.request();
                return;
            }
        }
    }
}
