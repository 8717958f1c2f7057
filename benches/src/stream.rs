//! One body of a gibibyte up and one down through two sidecars: it must stream, so neither may hold much of it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use http_body_util::BodyExt as _;

use crate::app;
use crate::client::{Call, Http};
use crate::fleet::{Fleet, Pair, Side};
use crate::process::Process;
use crate::report::{self, Table, megabytes};

const GIBIBYTE: u64 = 1 << 30;
/// Growth of the peak over idle, KiB.
const BAR: u64 = 32 * 1024;

/// Runs the case; whether its bar was met.
pub(crate) async fn run(fleet: &Fleet, gibibytes: u64) -> anyhow::Result<bool> {
    let bytes = gibibytes * GIBIBYTE;
    let flag = format!("--max-body-size={}Gi", gibibytes + 1);
    let mut table = Table::new(&["sidecars", "way", "sidecar", "idle", "peak", "growth", "after", "MB/s"]);
    let mut met = true;
    for side in fleet.sides() {
        let mut ways = Vec::new();
        for way in [Way::Up, Way::Down] {
            let pair = fleet.pair(side, side, &[&flag]).await?;
            let before = Watched::pair(&pair)?;
            let elapsed = pass(fleet, &pair, way, bytes).await?;
            let speed = format!("{:.0}", bytes as f64 / 1e6 / elapsed.as_secs_f64());
            for watched in before {
                let (peak, after) = watched.now()?;
                let growth = peak.saturating_sub(watched.idle);
                let row = [side.name(), way.name(), watched.role].map(str::to_owned);
                let [side_name, way_name, role] = row;
                let numbers = [watched.idle, peak, growth, after].map(megabytes);
                let [idle, peak, grown, after] = numbers;
                table.row([side_name, way_name, role, idle, peak, grown, after, speed.clone()]);
                ways.push((format!("{} {}", way.name(), watched.role), growth));
            }
        }
        if side == Side::Ours {
            table.print();
            for (name, growth) in ways {
                met &= report::bar(&format!("{name}, growth below 32 MB"), &megabytes(growth), growth < BAR);
            }
        }
    }
    println!();
    table.print();
    Ok(met)
}

#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

struct Watched {
    role: &'static str,
    process: Process,
    idle: u64,
}

impl Watched {
    fn pair(pair: &Pair) -> anyhow::Result<[Self; 2]> {
        Ok([Self::start("caller", pair.caller.process())?, Self::start("callee", pair.callee.process())?])
    }

    fn start(role: &'static str, process: Process) -> anyhow::Result<Self> {
        process.forget_peak()?;
        Ok(Self { role, process, idle: process.memory()?.resident })
    }

    /// The peak since the start, and what is resident now.
    fn now(&self) -> anyhow::Result<(u64, u64)> {
        let memory = self.process.memory()?;
        Ok((memory.peak, memory.resident))
    }
}

async fn pass(fleet: &Fleet, pair: &Pair, way: Way, bytes: u64) -> anyhow::Result<Duration> {
    let mut client = Http::connect(pair.caller.http, &fleet.tasks).await?;
    let before = fleet.app.received();
    let started = Instant::now();
    match way {
        Way::Up => {
            let call = Call::post(&pair.path("sink"), "application/octet-stream", bytes::Bytes::new());
            let response = client.send(&call, app::source(bytes)).await?;
            let status = response.status();
            let answer = response.into_body().collect().await?.to_bytes();
            ensure!(status == 200 && answer == bytes.to_string(), "the upload ended with {status} {answer:?}");
            ensure!(fleet.app.received() - before == bytes, "the app received another size");
        }
        Way::Down => {
            let call = Call::get(&pair.path(&format!("source?bytes={bytes}")));
            let response = client.send(&call, service::body::empty()).await?;
            ensure!(response.status() == 200, "the download was answered {}", response.status());
            let mut body = response.into_body();
            let mut received = 0;
            while let Some(frame) = body.frame().await {
                received += frame?.data_ref().map_or(0, |data| data.len() as u64);
            }
            ensure!(received == bytes, "the download ended after {received} bytes");
        }
    }
    Ok(started.elapsed())
}
