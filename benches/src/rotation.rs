//! Calls between two sidecars with mTLS while certificates change: no call may fail because of that. And when certificates end
//! without sentry, no call may pass, until sentry is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;

use crate::client::{Call, Http};
use crate::fleet::{Fleet, Pair, Side};
use crate::report::{self, Table};

const CONNECTIONS: u64 = 16;
const SIZE: usize = 1024;
const RENEWED: &str = "dapr_runtime_mtls_workload_cert_rotated_total";
/// How soon calls pass again once sentry is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// What to let happen.
pub(crate) struct Plan {
    /// Calls a second.
    pub(crate) rate: u64,
    /// How often both sidecars get a new certificate before the end.
    pub(crate) rotations: u64,
    /// How long sentry is away in the middle; zero leaves that out.
    pub(crate) away: Duration,
    /// Wait for the certificates to end, instead.
    pub(crate) expire: bool,
}

#[derive(Default)]
struct Counted {
    done: AtomicU64,
    failed: AtomicU64,
    passed_last: AtomicU64,
    first: std::sync::OnceLock<String>,
    over: AtomicBool,
}

/// Runs the case; whether its bars were met.
pub(crate) async fn run(fleet: &Fleet, plan: &Plan) -> anyhow::Result<bool> {
    ensure!(fleet.has_sentry(), "this case needs --sentry");
    let pair = fleet.pair(Side::Ours, Side::Ours, &[]).await?;
    let counted = Arc::new(Counted::default());
    let began = Instant::now();
    let mut running = Vec::new();
    for number in 0..CONNECTIONS {
        let load = load(fleet, &pair, plan.rate, Arc::clone(&counted), (number, began)).await?;
        running.push(fleet.tasks.spawn("rotation", load));
    }
    let met = if plan.expire {
        expire(fleet, &counted, began).await
    } else {
        rotate(fleet, plan, &pair, &counted, began).await
    };
    counted.over.store(true, Ordering::Relaxed);
    for connection in running {
        connection.await?;
    }
    met
}

async fn rotate(fleet: &Fleet, plan: &Plan, pair: &Pair, counted: &Counted, began: Instant) -> anyhow::Result<bool> {
    let anchors = fleet.anchors().await?;
    let both = async || anyhow::Ok(pair.caller.metric(RENEWED).await?.min(pair.callee.metric(RENEWED).await?));
    let mut away = plan.away;
    let mut roots = 1;
    loop {
        let rotations = both().await?;
        if !away.is_zero() && rotations >= plan.rotations / 2 {
            eprintln!("{:.0} s: sentry is gone", began.elapsed().as_secs_f64());
            fleet.end_sentry().await?;
            tokio::time::sleep(away).await;
            fleet.resume_sentry().await?;
            eprintln!("{:.0} s: sentry is back", began.elapsed().as_secs_f64());
            away = Duration::ZERO;
        }
        let now = fleet.anchors().await?;
        roots = roots.max(now.matches("BEGIN CERTIFICATE").count());
        if rotations >= plan.rotations {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(4 * 3600), "only {rotations} rotations in four hours");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (done, failed) = (counted.done.load(Ordering::Relaxed), counted.failed.load(Ordering::Relaxed));
    let mut table =
        Table::new(&["calls", "failed", "rotations", "root replaced", "most roots at once", "seconds", "first error"]);
    table.row([
        done.to_string(),
        failed.to_string(),
        both().await?.to_string(),
        (fleet.anchors().await? != anchors).to_string(),
        roots.to_string(),
        format!("{:.0}", began.elapsed().as_secs_f64()),
        counted.first.get().cloned().unwrap_or_default(),
    ]);
    table.print();
    Ok(report::bar("failed calls while certificates change, at most 0", &failed.to_string(), failed == 0))
}

/// Sentry goes; once calls fail they must go on failing, and pass again soon after sentry is back.
async fn expire(fleet: &Fleet, counted: &Counted, began: Instant) -> anyhow::Result<bool> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(counted.failed.load(Ordering::Relaxed) == 0, "calls fail already: {:?}", counted.first.get());
    fleet.end_sentry().await?;
    while counted.failed.load(Ordering::Relaxed) == 0 {
        ensure!(began.elapsed() < Duration::from_secs(1800), "calls go on passing without sentry");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let closed = began.elapsed();
    eprintln!("{:.1} s: closed: {:?}", closed.as_secs_f64(), counted.first.get());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let settled = counted.passed_last.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(17)).await;
    let leaked = counted.passed_last.load(Ordering::Relaxed) != settled;
    fleet.resume_sentry().await?;
    let back = Instant::now();
    while counted.passed_last.load(Ordering::Relaxed) == settled {
        ensure!(back.elapsed() < Duration::from_secs(120), "calls do not pass again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after = back.elapsed();
    let stayed = report::bar("calls that passed while closed, none", if leaked { "some" } else { "none" }, !leaked);
    let quick = format!("{:.1} s", after.as_secs_f64());
    Ok(report::bar("calls pass again after sentry is back, within 5 s", &quick, after <= BACK_WITHIN) && stayed)
}

async fn load(
    fleet: &Fleet,
    pair: &Pair,
    rate: u64,
    counted: Arc<Counted>,
    (number, began): (u64, Instant),
) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
    let call = Call::post(&pair.path("echo"), "application/octet-stream", Bytes::from("x".repeat(SIZE)));
    let (address, tasks) = (pair.caller.http, fleet.tasks.clone());
    let mut client = Http::connect(address, &tasks).await?;
    let share = Duration::from_secs_f64(CONNECTIONS as f64 / rate.max(1) as f64);
    let first = tokio::time::Instant::now() + share.mul_f64(number as f64 / CONNECTIONS as f64);
    Ok(async move {
        let mut pace = tokio::time::interval_at(first, share);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !counted.over.load(Ordering::Relaxed) {
            pace.tick().await;
            let failure = match client.call(&call).await {
                Ok(answer) if answer.status.is_success() => None,
                Ok(answer) => Some(format!("{} {:?}", answer.status, answer.body)),
                Err(error) => {
                    if let Ok(again) = Http::connect(address, &tasks).await {
                        client = again;
                    }
                    Some(format!("{error:#}"))
                }
            };
            counted.done.fetch_add(1, Ordering::Relaxed);
            let moment = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            match failure {
                None => counted.passed_last.store(moment, Ordering::Relaxed),
                Some(reason) => {
                    counted.failed.fetch_add(1, Ordering::Relaxed);
                    let _ = counted.first.set(format!("after {:.1} s: {reason}", began.elapsed().as_secs_f64()));
                }
            }
        }
    })
}
