//! Speed and CPU of small calls: HTTP invoke directly, through two of ours and two of the peer's; state in memory.
//! The ways of one row are measured one after the other, so that a slow minute of the machine hits them alike.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;

use crate::client::Call;
use crate::command_line::InvokePlan;
use crate::fleet::{Fleet, Pair, Side};
use crate::load::{self, Load};
use crate::process::Process;
use crate::report::{self, Table, megabytes, microseconds, milliseconds};

const SIZE: usize = 1024;
const WARM: Duration = Duration::from_millis(500);
const PACED_CONNECTIONS: usize = 16;

/// Runs the case. It has no bar of its own.
pub(crate) async fn run(fleet: &Fleet, plan: &InvokePlan) -> anyhow::Result<bool> {
    let mut pairs = Vec::new();
    for side in fleet.sides() {
        pairs.push((side, fleet.pair(side, side, &[]).await?));
    }
    let met = compare(fleet, plan, &pairs).await;
    if met.is_err() {
        for (_, pair) in &mut pairs {
            eprintln!("{}\n{}", pair.caller.examine(), pair.callee.examine());
        }
    }
    met
}

async fn compare(fleet: &Fleet, plan: &InvokePlan, pairs: &[(Side, Pair)]) -> anyhow::Result<bool> {
    let columns =
        ["what", "load", "way", "calls/s", "p50", "p99", "CPU caller", "CPU callee", "RSS caller", "RSS callee"];
    let mut table = Table::new(&columns);
    let mut ratios = Table::new(&["what", "load", "p50 ours/peer", "p99", "calls/s", "CPU caller", "CPU callee"]);
    for what in What::ALL.into_iter().take(if plan.state { 3 } else { 1 }) {
        for load in loads(plan) {
            let mut found = Vec::new();
            for way in ways(fleet, what, pairs) {
                let name = || format!("{}, {}, {}", what.name(), describe(load), way.name);
                let measured = median(fleet, &way, load, plan.rounds).await.with_context(name)?;
                eprintln!("{}: {:.0}/s", name(), measured.rate);
                measured.row(&mut table, what, &describe(load), way.name);
                found.push((way.side, measured));
            }
            let of = |side| found.iter().find(|(found, _)| *found == Some(side)).map(|(_, measured)| measured);
            if let (Some(ours), Some(peer)) = (of(Side::Ours), of(Side::Peer)) {
                ours.ratio(peer, &mut ratios, what, &describe(load));
            }
        }
    }
    table.print();
    ratios.print();
    Ok(true)
}

fn loads(plan: &InvokePlan) -> Vec<Load> {
    let saturated =
        plan.connections.iter().map(|connections| Load { connections: *connections, duration: plan.duration, rate: 0 });
    let paced = Load { connections: PACED_CONNECTIONS, duration: plan.duration, rate: plan.rate };
    saturated.chain((plan.rate > 0).then_some(paced)).collect()
}

fn describe(load: Load) -> String {
    let pace = if load.rate > 0 { format!(", {}/s", load.rate) } else { String::new() };
    format!("{} conn{pace}", load.connections)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Invoke,
    Set,
    Get,
}

impl What {
    /// All, invocation first.
    const ALL: [Self; 3] = [Self::Invoke, Self::Set, Self::Get];

    fn name(self) -> &'static str {
        match self {
            Self::Invoke => "HTTP invoke 1 KB",
            Self::Set => "state set 1 KB",
            Self::Get => "state get 1 KB",
        }
    }

    fn call(self, pair: Option<&Pair>) -> Call {
        let value = "x".repeat(SIZE);
        match self {
            Self::Invoke => {
                let path = pair.map_or_else(|| "/echo".to_owned(), |pair| pair.path("echo"));
                Call::post(&path, "application/octet-stream", Bytes::from(value))
            }
            Self::Set => {
                let entries = serde_json::json!([{ "key": "k", "value": value }]);
                Call::post("/v1.0/state/store", "application/json", Bytes::from(entries.to_string()))
            }
            Self::Get => Call::get("/v1.0/state/store/k"),
        }
    }
}

/// Where a call goes and whose CPU it takes.
struct Way {
    side: Option<Side>,
    name: &'static str,
    address: SocketAddr,
    call: Call,
    caller: Option<Process>,
    callee: Option<Process>,
}

fn ways(fleet: &Fleet, what: What, pairs: &[(Side, Pair)]) -> Vec<Way> {
    let direct = (what == What::Invoke).then(|| Way {
        side: None,
        name: "direct",
        address: fleet.app.address(),
        call: what.call(None),
        caller: None,
        callee: None,
    });
    let through = pairs.iter().map(|(side, pair)| Way {
        side: Some(*side),
        name: side.name(),
        address: pair.caller.http,
        call: what.call(Some(pair)),
        caller: Some(pair.caller.process()),
        callee: (what == What::Invoke).then(|| pair.callee.process()),
    });
    direct.into_iter().chain(through).collect()
}

/// The numbers of one way under one load.
struct Measured {
    rate: f64,
    middle: Duration,
    tail: Duration,
    caller: Option<Cost>,
    callee: Option<Cost>,
}

/// What one sidecar paid.
struct Cost {
    each_call: Duration,
    resident: u64,
}

/// Of several rounds the one with the median rate.
async fn median(fleet: &Fleet, way: &Way, load: Load, rounds: usize) -> anyhow::Result<Measured> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.push(measure(fleet, way, load).await?);
    }
    all.sort_by(|left, right| left.rate.total_cmp(&right.rate));
    Ok(all.swap_remove(rounds / 2))
}

async fn measure(fleet: &Fleet, way: &Way, load: Load) -> anyhow::Result<Measured> {
    load::repeat(way.address, &way.call, Load { duration: WARM, ..load }, &fleet.tasks).await?;
    let cpu = |process: Option<Process>| process.map(Process::cpu).transpose();
    let before = (cpu(way.caller)?, cpu(way.callee)?);
    let outcome = load::repeat(way.address, &way.call, load, &fleet.tasks).await?;
    let calls = u32::try_from(outcome.calls()).unwrap_or(u32::MAX).max(1);
    let cost = |process: Option<Process>, before: Option<Duration>| {
        let Some((process, before)) = process.zip(before) else { return anyhow::Ok(None) };
        let each_call = process.cpu()?.saturating_sub(before) / calls;
        Ok(Some(Cost { each_call, resident: process.memory()?.resident }))
    };
    Ok(Measured {
        rate: outcome.rate(),
        middle: outcome.percentile(0.5),
        tail: outcome.percentile(0.99),
        caller: cost(way.caller, before.0)?,
        callee: cost(way.callee, before.1)?,
    })
}

impl Measured {
    fn row(&self, table: &mut Table, what: What, load: &str, way: &str) {
        let cpu = |cost: &Option<Cost>| cost.as_ref().map_or_else(String::new, |cost| microseconds(cost.each_call));
        let memory = |cost: &Option<Cost>| cost.as_ref().map_or_else(String::new, |cost| megabytes(cost.resident));
        table.row([
            what.name().to_owned(),
            load.to_owned(),
            way.to_owned(),
            format!("{:.0}", self.rate),
            milliseconds(self.middle),
            milliseconds(self.tail),
            cpu(&self.caller),
            cpu(&self.callee),
            memory(&self.caller),
            memory(&self.callee),
        ]);
    }

    fn ratio(&self, peer: &Self, table: &mut Table, what: What, load: &str) {
        let seconds = |cost: &Option<Cost>| cost.as_ref().map(|cost| cost.each_call.as_secs_f64());
        let cost = |ours: &Option<Cost>, peer: &Option<Cost>| {
            seconds(ours).map_or_else(String::new, |ours| report::ratio(ours, seconds(peer)))
        };
        table.row([
            what.name().to_owned(),
            load.to_owned(),
            report::ratio(self.middle.as_secs_f64(), Some(peer.middle.as_secs_f64())),
            report::ratio(self.tail.as_secs_f64(), Some(peer.tail.as_secs_f64())),
            report::ratio(self.rate, Some(peer.rate)),
            cost(&self.caller, &peer.caller),
            cost(&self.callee, &peer.callee),
        ]);
    }
}
