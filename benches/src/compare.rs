//! The same load on everything that can carry it, in turn: the app itself, bare proxies, two sidecars of ours and of the peer's. One
//! round measures each way once (A B A B ...), so that a slow minute of the machine hits them alike; medians of the rounds count.

mod bars;
mod case;
mod chart;
mod proof;
mod results;
mod stage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

pub(crate) use self::case::Case;
use self::case::Kind;
use self::results::{Key, Results, Round, Row, Start, load_name};
use self::stage::{Stage, Way};
use crate::client::{Call, Http};
use crate::fleet::{Fleet, Side};
use crate::offer::{self, Load};
use crate::process::Process;
use crate::report;

const WARM: Duration = Duration::from_millis(500);
const PACED_CONNECTIONS: usize = 16;
/// The hundredth of the calls that a p99 is about must be more than one hiccup of the machine.
const FOR_TAIL: Duration = Duration::from_secs(5);
/// After so long nobody wakes by himself any more.
const SETTLE: Duration = Duration::from_secs(12);
const DELIVERED_WITHIN: Duration = Duration::from_secs(30);

/// What is compared.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Which cases.
    pub(crate) cases: Vec<Case>,
    /// Bytes of a body.
    pub(crate) sizes: Vec<usize>,
    /// Connections of the closed loop.
    pub(crate) connections: Vec<usize>,
    /// Calls a second of the open loop; 0 leaves it out.
    pub(crate) rate: u64,
    /// How long one measurement takes.
    pub(crate) duration: Duration,
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// How often starts are timed.
    pub(crate) starts: usize,
    /// Whether the bars are held against it.
    pub(crate) bars: bool,
    /// Where the numbers go.
    pub(crate) json: Option<PathBuf>,
    /// Where the chart goes.
    pub(crate) chart: Option<PathBuf>,
}

/// Runs the comparison; whether everything was proven and, with bars, met.
pub(crate) async fn run(fleet: &Fleet, plan: &Plan) -> anyhow::Result<bool> {
    let mut results = Results::default();
    let mut stage = Stage::set(fleet, &plan.cases).await?;
    for line in std::mem::take(&mut stage.missing) {
        results.tell(line);
    }
    let measured = measure_all(fleet, plan, &stage, &mut results).await;
    if let Err(error) = &measured {
        results.tell(format!("STOPPED: {error:#}"));
        stage.troupes.iter_mut().for_each(|troupe| eprintln!("{}", troupe.examine()));
    }
    results.print();
    let met = !plan.bars || bars::check(&mut results, &format!("{}/s", plan.rate), fleet.has_sentry());
    // Also when something stopped it: what was measured until then counts.
    write(plan, &results)?;
    let proven = measured?;
    for troupe in stage.troupes {
        troupe.end().await?;
    }
    Ok(proven && met)
}

fn write(plan: &Plan, results: &Results) -> anyhow::Result<()> {
    let heading = report::heading();
    if let Some(file) = &plan.json {
        let text = serde_json::to_string_pretty(&results.json(heading.trim()))?;
        std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    if let Some(file) = &plan.chart {
        std::fs::write(file, chart::svg(results, &heading)).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

async fn measure_all(fleet: &Fleet, plan: &Plan, stage: &Stage, results: &mut Results) -> anyhow::Result<bool> {
    starts(fleet, plan, stage, results).await?;
    let mut proven = true;
    for case in &plan.cases {
        proven &= one_case(fleet, plan, (stage, *case), results).await?;
    }
    proven &= proof::behaves(fleet, stage, results).await?;
    Ok(proven)
}

/// Idle memory of the sidecars that stand, and starts of others in turn.
async fn starts(fleet: &Fleet, plan: &Plan, stage: &Stage, results: &mut Results) -> anyhow::Result<()> {
    tokio::time::sleep(SETTLE).await;
    for troupe in &stage.troupes {
        let idle = troupe.caller.process().memory()?.resident as f64;
        results.starts.push(Start { way: troupe.side.name(), ready: Vec::new(), idle });
    }
    for number in 0..plan.starts {
        for (troupe, start) in stage.troupes.iter().zip(&mut results.starts) {
            let role = format!("start-{number}");
            let sidecar = fleet.start(troupe.side, &role, Some(stage.app.http_port()), &[]).await?;
            start.ready.push(sidecar.ready_after.as_secs_f64() * 1e3);
            sidecar.stop().await?;
        }
    }
    for start in results.starts.clone() {
        let ready = crate::statistics::Spread::of(start.ready).map_or_else(String::new, |ready| ready.text(1));
        results.tell(format!("{}: ready after {ready} ms, idle {}", start.way, report::megabytes(start.idle as u64)));
    }
    Ok(())
}

async fn one_case(
    fleet: &Fleet,
    plan: &Plan,
    (stage, case): (&Stage, Case),
    results: &mut Results,
) -> anyhow::Result<bool> {
    if !stage.has(case.backend) {
        return Ok(true);
    }
    let mut before = Vec::new();
    for troupe in &stage.troupes {
        before.push((troupe.side, proof::count(troupe, case).await?, 0_u64));
    }
    let mut all_succeed = true;
    for size in &plan.sizes {
        for load in loads(plan, case) {
            let mut ways = stage.ways(case, *size)?;
            ways.retain(|way| !plan.bars || bars::needs(case, load, way.name));
            let ways = usable(fleet, ways, (case, *size), results).await;
            if ways.is_empty() {
                continue;
            }
            let key = Key { case: case.name(), size: *size, load: load_name(load) };
            let sent = rounds(fleet, (plan, stage, case), (&key, load, ways), results).await;
            for (side, _, counted) in &mut before {
                *counted += sent.by.iter().filter(|(by, _)| by == side).map(|(_, sent)| sent).sum::<u64>();
            }
            all_succeed &= sent.all_succeeded;
            results.print_of(&key);
        }
    }
    let mut proven = all_succeed;
    for (troupe, (_, counted, sent)) in stage.troupes.iter().zip(&before).filter(|(_, (.., sent))| *sent > 0) {
        let after = proof::count_all(troupe, case, (counted, *sent)).await?;
        let what = format!("{} by {}", case.name(), troupe.side.name());
        // What only the peer fails to count is told, and no fault of ours.
        proven &= proof::tell(results, &what, counted, &after, *sent) || troupe.side == Side::Peer;
    }
    Ok(proven)
}

/// What was sent for one case and load.
struct Sent {
    /// To two sidecars of a side, or one where one does the work.
    by: Vec<(Side, u64)>,
    /// Whether every call of every way was answered well.
    all_succeeded: bool,
}

/// All rounds of one case and load, way after way. A way that fails is told and left out from then on; it must not cost the others.
async fn rounds(
    fleet: &Fleet,
    (plan, stage, case): (&Plan, &Stage, Case),
    (key, load, mut ways): (&Key, Load, Vec<Way>),
    results: &mut Results,
) -> Sent {
    let mut sent = Sent { by: Vec::new(), all_succeeded: true };
    let first = results.rows.len();
    results.rows.extend(ways.iter().map(|way| Row { key: key.clone(), way: way.name, rounds: Vec::new() }));
    for _ in 0..plan.rounds {
        let mut failed = Vec::new();
        for way in &ways {
            let (round, count) = match measure(fleet, stage, (case, way), load).await {
                Ok(measured) => measured,
                Err(error) => {
                    results.tell(format!("FAILED {}, {}, {}: {error:#}", key.case, key.load, way.name));
                    failed.push(way.name);
                    continue;
                }
            };
            if let Some(row) = results.rows.iter_mut().skip(first).find(|row| row.way == way.name) {
                row.rounds.push(round);
            }
            sent.by.extend(way.side.filter(|_| !way.name.ends_with("one")).map(|side| (side, count)));
        }
        // What a yardstick or the peer fails is told, and no fault of ours.
        sent.all_succeeded &= !failed.iter().any(|name| name.starts_with("ours"));
        ways.retain(|way| !failed.contains(&way.name));
    }
    sent
}

/// Leaves out, loudly, the ways that cannot make this call at all.
async fn usable(fleet: &Fleet, ways: Vec<Way>, (case, size): (Case, usize), results: &mut Results) -> Vec<Way> {
    let mut usable = Vec::new();
    for way in ways {
        let mut target = way.target.clone();
        let mut tried = Ok(());
        for call in case.preparation(size).into_iter().chain([way.target.call.clone()]) {
            target.call = call;
            tried = tried.and(stage::succeeds(&target, fleet).await);
        }
        match tried {
            Ok(()) => usable.push(way),
            Err(error) => results.tell(format!("SKIPPED {} through {}: {error:#}", case.name(), way.name)),
        }
    }
    usable
}

fn loads(plan: &Plan, case: Case) -> Vec<Load> {
    let closed = plan.connections.iter().map(|connections| Load {
        connections: *connections,
        duration: plan.duration,
        rate: 0.0,
    });
    let duration = if plan.bars && bars::about_tail(case) { plan.duration.max(FOR_TAIL) } else { plan.duration };
    let paced = Load { connections: PACED_CONNECTIONS, duration, rate: plan.rate as f64 };
    // How fast messages arrive shows only when they are published as fast as it goes.
    closed.chain((plan.rate > 0 && case.kind != Kind::Deliver).then_some(paced)).collect()
}

/// One round of one way, and how many calls were sent for it.
async fn measure(fleet: &Fleet, stage: &Stage, (case, way): (Case, &Way), load: Load) -> anyhow::Result<(Round, u64)> {
    let warmed = offer::offer(&way.target, Load { duration: WARM.min(load.duration), ..load }, &fleet.tasks).await?;
    let subscriber = (case.kind == Kind::Deliver).then_some(way.side).flatten();
    let delivered = match subscriber {
        Some(side) => Some((side, settled(fleet, stage, (side, case)).await?)),
        None => None,
    };
    let paid = |process: Process| process.cpu();
    let before: Vec<Duration> = way.processes.iter().map(|(_, process)| paid(*process)).collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut outcome = offer::offer(&way.target, load, &fleet.tasks).await?;
    ensure!(outcome.failures == 0, "{} calls failed: {:?}", outcome.failures, outcome.reason);
    let sent = (warmed.latencies.len() + outcome.latencies.len()) as u64;
    if let Some((side, count)) = delivered {
        let expected = count + outcome.latencies.len() as u64;
        while self::delivered(fleet, stage, (side, case)).await? < expected {
            ensure!(started.elapsed() < load.duration + DELIVERED_WITHIN, "not all {expected} messages were delivered");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        outcome.elapsed = started.elapsed();
    }
    let mut costs = Vec::new();
    for ((role, process), before) in way.processes.iter().zip(before) {
        costs.push((*role, paid(*process)?.saturating_sub(before), process.memory()?.resident));
    }
    Ok((Round::new(&outcome, costs), sent))
}

/// Messages that the subscribed app of a side has got.
async fn delivered(fleet: &Fleet, stage: &Stage, (side, case): (Side, Case)) -> anyhow::Result<u64> {
    let troupe = stage.troupes.iter().find(|troupe| troupe.side == side).context("no such side")?;
    let (_, app, _) =
        troupe.subscribers.iter().find(|(backend, ..)| *backend == case.backend).context("nobody subscribed")?;
    let answer = Http::connect(app.http, &fleet.tasks).await?.call(&Call::get("/count")).await?;
    Ok(std::str::from_utf8(&answer.body)?.parse()?)
}

/// Waits until no more messages of before arrive.
async fn settled(fleet: &Fleet, stage: &Stage, whose: (Side, Case)) -> anyhow::Result<u64> {
    let mut count = delivered(fleet, stage, whose).await?;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = delivered(fleet, stage, whose).await?;
        if now == count {
            return Ok(now);
        }
        count = now;
    }
}
