//! Ours calls the peer's sidecar and the peer's calls ours, over HTTP and gRPC: no call may fail or come back changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

use crate::app::MARK;
use crate::client::{Answer, Call, Grpc, Http};
use crate::fleet::{Fleet, Side};
use crate::report::{self, Table};
use crate::sidecar::Sidecar;

const CONNECTIONS: u64 = 8;
const SIZE: usize = 1024;
const FOUND_WITHIN: Duration = Duration::from_secs(20);
const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");

/// Runs the case; whether its bar was met.
pub(crate) async fn run(fleet: &Fleet, calls: u64) -> anyhow::Result<bool> {
    let mut table = Table::new(&["calls", "from", "to", "done", "errors", "seconds", "first error"]);
    let mut failed = 0;
    for (from, to) in [(Side::Ours, Side::Peer), (Side::Peer, Side::Ours)] {
        for kind in [Kind::Http, Kind::Grpc] {
            let counted = direction(fleet, kind, (from, to), calls).await?;
            let errors = counted.errors.load(Ordering::Relaxed);
            failed += errors;
            table.row([
                kind.name().to_owned(),
                from.name().to_owned(),
                to.name().to_owned(),
                counted.done.load(Ordering::Relaxed).to_string(),
                errors.to_string(),
                format!("{:.1}", counted.elapsed.as_secs_f64()),
                counted.first.get().cloned().unwrap_or_default(),
            ]);
        }
    }
    table.print();
    Ok(report::bar("mixed pair, errors, at most 0", &failed.to_string(), failed == 0))
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Grpc,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP invoke",
            Self::Grpc => "gRPC proxy",
        }
    }
}

#[derive(Default)]
struct Counted {
    done: AtomicU64,
    errors: AtomicU64,
    first: std::sync::OnceLock<String>,
    elapsed: Duration,
}

async fn direction(fleet: &Fleet, kind: Kind, sides: (Side, Side), calls: u64) -> anyhow::Result<Counted> {
    let app = match kind {
        Kind::Http => fleet.app.http_port(),
        Kind::Grpc => fleet.app.grpc_port(),
    };
    let callee = fleet.start(sides.1, &format!("{}-callee", app.protocol), Some(app), &[]).await?;
    let caller = fleet.start(sides.0, &format!("{}-caller", app.protocol), None, &[]).await?;
    let asked = Instant::now();
    while let Err(error) = Caller::connect(fleet, kind, &caller, &callee).await?.call(0, 0).await {
        ensure!(asked.elapsed() < FOUND_WITHIN, "{} does not find {}: {error:#}", caller.app_id, callee.app_id);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let counted = Arc::new(Counted::default());
    let started = Instant::now();
    let mut running = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut client = Caller::connect(fleet, kind, &caller, &callee).await?;
        let share = calls / CONNECTIONS + u64::from(connection < calls % CONNECTIONS);
        let counted = Arc::clone(&counted);
        running.push(fleet.tasks.spawn("mixed", async move {
            for number in 0..share {
                if let Err(error) = client.call(connection, number).await {
                    counted.errors.fetch_add(1, Ordering::Relaxed);
                    let _ = counted.first.set(format!("{error:#}"));
                }
                counted.done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for connection in running {
        connection.await?;
    }
    let elapsed = started.elapsed();
    let counted = Arc::into_inner(counted).context("a connection is still counting")?;
    Ok(Counted { elapsed, ..counted })
}

/// One connection of the calling app.
struct Caller {
    connection: Connection,
    call: Call,
}

enum Connection {
    Http(Http),
    Grpc(Grpc),
}

impl Caller {
    async fn connect(fleet: &Fleet, kind: Kind, caller: &Sidecar, callee: &Sidecar) -> anyhow::Result<Self> {
        let (connection, mut call) = match kind {
            Kind::Http => {
                let path = format!("/v1.0/invoke/{}/method/echo", callee.app_id);
                let connection = Http::connect(caller.http, &fleet.tasks).await?;
                (Connection::Http(connection), Call::post(&path, "text/x-rig", Bytes::new()))
            }
            Kind::Grpc => {
                let connection = Grpc::connect(caller.grpc, &fleet.tasks).await?;
                (Connection::Grpc(connection), Call::post("/rig.Unknown/Echo", "application/grpc", Bytes::new()))
            }
        };
        if matches!(connection, Connection::Grpc(_)) {
            call.headers.push((APP_ID, HeaderValue::from_str(&callee.app_id)?));
        }
        Ok(Self { connection, call })
    }

    /// One call whose body and mark are its own; an error when anything comes back changed.
    async fn call(&mut self, connection: u64, number: u64) -> anyhow::Result<()> {
        let mark = format!("{connection}-{number}");
        self.call.body = mark.bytes().chain(std::iter::once(b' ')).cycle().take(SIZE).collect();
        self.call.headers.retain(|(name, _)| *name != MARK);
        self.call.headers.push((MARK, HeaderValue::from_str(&mark)?));
        let answer = match &mut self.connection {
            Connection::Http(client) => {
                let answer = client.call(&self.call).await?;
                let kind = answer.headers.get(CONTENT_TYPE);
                ensure!(answer.status == 200, "status {} {:?}", answer.status, answer.body);
                ensure!(kind.is_some_and(|kind| kind == "text/x-rig"), "content type {kind:?}");
                answer
            }
            Connection::Grpc(client) => client.call(&self.call).await?,
        };
        self.check(&answer, &mark)
    }

    fn check(&self, answer: &Answer, mark: &str) -> anyhow::Result<()> {
        ensure!(answer.body == self.call.body, "the body came back changed: {} bytes", answer.body.len());
        let returned = answer.headers.get(MARK);
        ensure!(returned.is_some_and(|returned| returned == mark), "the header came back as {returned:?}");
        Ok(())
    }
}
