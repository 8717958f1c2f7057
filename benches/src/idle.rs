//! A sidecar nobody uses: its memory, how often it wakes, how soon it is ready.

use std::time::Duration;

use crate::fleet::{Fleet, Side};
use crate::process::Memory;
use crate::report::{self, Table, megabytes};
use crate::sidecar::Sidecar;

const MEMORY_BAR: u64 = 11 * 1024;
const READY_BAR: Duration = Duration::from_millis(30);
/// Voluntary context switches of all threads, a minute.
const SWITCHES_BAR: f64 = 60.0;
const SETTLE: Duration = Duration::from_secs(3);

/// Runs the case; whether its bars were met.
pub(crate) async fn run(fleet: &Fleet, duration: Duration, starts: usize) -> anyhow::Result<bool> {
    let mut watched = Vec::new();
    for side in fleet.sides() {
        let mut times = Vec::new();
        for number in 0..starts {
            let sidecar = fleet.start(side, &format!("idle-{number}"), Some(fleet.app.http_port()), &[]).await?;
            times.push(sidecar.ready_after);
            sidecar.stop().await?;
        }
        times.sort_unstable();
        let sidecar = fleet.start(side, "idle", Some(fleet.app.http_port()), &[]).await?;
        watched.push((side, times, sidecar));
    }
    tokio::time::sleep(SETTLE).await;
    let mut before = Vec::new();
    for (_, _, sidecar) in &watched {
        before.push((sidecar.process().voluntary_switches()?, sidecar.process().cpu()?));
    }
    tokio::time::sleep(duration).await;
    let columns = ["sidecar", "ready p50", "ready max", "resident", "Pss", "heap", "switches", "CPU", "threads"];
    let mut table = Table::new(&columns);
    let mut met = true;
    for ((side, times, sidecar), (switches, cpu)) in watched.iter().zip(before) {
        let process = sidecar.process();
        let memory = process.memory()?;
        let switches = process.voluntary_switches()?.saturating_sub(switches);
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        table.row([
            side.name().to_owned(),
            report::milliseconds(median),
            report::milliseconds(times.last().copied().unwrap_or_default()),
            megabytes(memory.resident),
            megabytes(memory.proportional),
            megabytes(memory.anonymous),
            switches.to_string(),
            report::milliseconds(process.cpu()?.saturating_sub(cpu)),
            process.threads()?.to_string(),
        ]);
        if *side == Side::Ours {
            met = bars(&memory, median, switches as f64 * 60.0 / duration.as_secs_f64());
        }
    }
    println!();
    table.print();
    stop(watched).await?;
    Ok(met)
}

fn bars(memory: &Memory, ready: Duration, switches: f64) -> bool {
    let resident = report::bar("resident, at most 11 MB", &megabytes(memory.resident), memory.resident <= MEMORY_BAR);
    let ready = report::bar("ready, at most 30 ms", &report::milliseconds(ready), ready <= READY_BAR);
    let name = "voluntary context switches a minute, at most 60";
    let switches = report::bar(name, &format!("{switches:.0}"), switches <= SWITCHES_BAR);
    resident && ready && switches
}

async fn stop(watched: Vec<(Side, Vec<Duration>, Sidecar)>) -> anyhow::Result<()> {
    for (_, _, sidecar) in watched {
        sidecar.stop().await?;
    }
    Ok(())
}
