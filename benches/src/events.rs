//! Many event streams that stay open and say little: what one costs in each sidecar, and that all stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use http::HeaderValue;
use http::header::ACCEPT;
use http_body_util::BodyExt as _;

use crate::client::{Call, Http};
use crate::fleet::{Fleet, Pair, Side};
use crate::process::Process;
use crate::report::{self, Table, megabytes};

/// Milliseconds between two events of one stream.
const PAUSE: u64 = 10_000;
/// Memory of one stream in one sidecar, KiB.
const BAR: f64 = 50.0;
const OPENING: usize = 16;

/// Runs the case; whether its bar was met.
pub(crate) async fn run(fleet: &Fleet, streams: usize, duration: Duration) -> anyhow::Result<bool> {
    let columns = ["sidecars", "sidecar", "before", "most", "each stream", "alive", "events", "CPU of the minute"];
    let mut table = Table::new(&columns);
    let mut met = true;
    for side in fleet.sides() {
        let pair = fleet.pair(side, side, &[]).await?;
        let mut watched = Watched::pair(&pair)?;
        let seen = Arc::new(Seen::default());
        open(fleet, &pair, streams, &seen).await?;
        let opened = [pair.caller.process().cpu()?, pair.callee.process().cpu()?];
        let end = Instant::now() + duration;
        while Instant::now() < end {
            for one in &mut watched {
                one.look()?;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let alive = seen.alive.load(Ordering::Relaxed);
        let events = seen.events.load(Ordering::Relaxed);
        for (one, before) in watched.iter().zip(opened) {
            let cpu = one.process.cpu()?.saturating_sub(before);
            table.row([
                side.name().to_owned(),
                one.role.to_owned(),
                megabytes(one.idle),
                megabytes(one.most),
                format!("{:.1} KB", one.each(streams)),
                format!("{alive}/{streams}"),
                events.to_string(),
                report::milliseconds(cpu),
            ]);
        }
        if side == Side::Ours {
            let expected = streams as u64 * (duration.as_millis() as u64 / PAUSE);
            met &= report::bar("streams alive at the end, all", &format!("{alive}/{streams}"), alive == streams);
            met &= report::bar("events received", &format!("{events} of at least {expected}"), events >= expected);
            for one in &watched {
                let each = one.each(streams);
                let name = format!("{}, each stream, below 50 KB", one.role);
                met &= report::bar(&name, &format!("{each:.1} KB"), each < BAR);
            }
            println!();
        }
    }
    table.print();
    Ok(met)
}

#[derive(Default)]
struct Seen {
    alive: AtomicUsize,
    events: AtomicU64,
}

struct Watched {
    role: &'static str,
    process: Process,
    idle: u64,
    most: u64,
}

impl Watched {
    fn pair(pair: &Pair) -> anyhow::Result<[Self; 2]> {
        let start = |role, process: Process| {
            let idle = process.memory()?.resident;
            anyhow::Ok(Self { role, process, idle, most: idle })
        };
        Ok([start("caller", pair.caller.process())?, start("callee", pair.callee.process())?])
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.most = self.most.max(self.process.memory()?.resident);
        Ok(())
    }

    /// KiB of one stream.
    fn each(&self, streams: usize) -> f64 {
        self.most.saturating_sub(self.idle) as f64 / streams as f64
    }
}

async fn open(fleet: &Fleet, pair: &Pair, streams: usize, seen: &Arc<Seen>) -> anyhow::Result<()> {
    let slots = Arc::new(tokio::sync::Semaphore::new(OPENING));
    let mut call = Call::get(&pair.path(&format!("events?every={PAUSE}")));
    call.headers.push((ACCEPT, HeaderValue::from_static("text/event-stream")));
    let mut opening = Vec::new();
    for _ in 0..streams {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let mut client = Http::connect(pair.caller.http, &fleet.tasks).await?;
        let (call, seen, tasks) = (call.clone(), Arc::clone(seen), fleet.tasks.clone());
        opening.push(fleet.tasks.spawn("opening", async move {
            let response = client.send(&call, service::body::empty()).await?;
            ensure!(response.status() == 200, "a stream was answered {}", response.status());
            seen.alive.fetch_add(1, Ordering::Relaxed);
            tasks.spawn("stream", async move {
                let mut body = response.into_body();
                while let Some(Ok(_)) = body.frame().await {
                    seen.events.fetch_add(1, Ordering::Relaxed);
                }
                seen.alive.fetch_sub(1, Ordering::Relaxed);
                drop(client);
            });
            drop(slot);
            Ok(())
        }));
    }
    for one in opening {
        one.await??;
    }
    Ok(())
}
