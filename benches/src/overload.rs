//! More calls than two sidecars can make: what still gets through, whether health is answered meanwhile, and how soon all is as before.
//! Bar 5 of the comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::client::{Call, Http, Protocol};
use crate::fleet::{Fleet, Pair};
use crate::helper_process::AppProcess;
use crate::offer::{self, Load, Outcome, Target};
use crate::process::Process;
use crate::report;

const SIZE: usize = 1024;
const PEAK_CONNECTIONS: usize = 64;
const TIMES_PEAK: f64 = 3.0;
const GOODPUT: f64 = 0.8;
const HEALTH_BAR: Duration = Duration::from_millis(100);
const NORMAL_BAR: Duration = Duration::from_secs(2);
/// Latency counts as before when a call after the other is at most so many times as slow.
const AS_BEFORE: f64 = 2.0;
const HEALTH_PAUSE: Duration = Duration::from_millis(20);
const PROBE: Duration = Duration::from_millis(100);

/// How to overload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How long the peak, and then the overload, takes.
    pub(crate) duration: Duration,
    /// Calls that wait for an answer at the same time, at most.
    pub(crate) connections: usize,
}

/// Runs the case; whether its bars were met.
pub(crate) async fn run(fleet: &Fleet, plan: Plan) -> anyhow::Result<bool> {
    let mut met = true;
    for side in fleet.sides() {
        let app = AppProcess::start(None).await?;
        let pair = fleet.pair_before(app.http_port(), (side, side), &[]).await?;
        let processes = [pair.caller.process(), pair.callee.process(), app.process()];
        let found = overload(fleet, (&pair, &processes), plan).await?;
        println!(
            "{}: peak {:.0}/s with {PEAK_CONNECTIONS} connections; offered {:.0}/s, answered well {:.0}/s, failed {}; p99 {}",
            side.name(),
            found.peak,
            found.peak * TIMES_PEAK,
            found.during.rate(),
            found.during.failures,
            report::milliseconds(found.during.percentile(0.99)),
        );
        let [at_peak, during] = found.cpu.map(|each| each.map(|cost| format!("{cost:.1}")).join(" + "));
        println!(
            "{}: CPU a call of caller + callee + app: at the peak {at_peak} us, overloaded {during} us",
            side.name()
        );
        if let Some(reason) = &found.during.reason {
            println!("{}: the first that failed: {reason}", side.name());
        }
        let bars = found.bars();
        if side == crate::fleet::Side::Ours {
            met = bars;
        }
    }
    Ok(met)
}

struct Found {
    peak: f64,
    /// CPU microseconds for each good answer of caller, callee and app, at the peak and overloaded: what is not goodput any more was
    /// either paid for more dearly, or not to be had on this machine.
    cpu: [[f64; 3]; 2],
    during: Outcome,
    /// The longest that health took; `None` when it was not answered.
    health: Option<Duration>,
    normal_after: Option<Duration>,
}

impl Found {
    fn bars(&self) -> bool {
        let goodput = self.during.rate() / self.peak.max(f64::EPSILON);
        let goodput =
            report::bar("bar 5: goodput, at least 0.8 of the peak", &format!("{goodput:.2}"), goodput >= GOODPUT);
        let told = |time: Option<Duration>| time.map_or_else(|| "never".to_owned(), report::milliseconds);
        let health = self.health.is_some_and(|longest| longest <= HEALTH_BAR);
        let health = report::bar("bar 5: health answered within 100 ms", &told(self.health), health);
        let normal = self.normal_after.is_some_and(|after| after <= NORMAL_BAR);
        let normal = report::bar("bar 5: back to normal within 2 s", &told(self.normal_after), normal);
        goodput && health && normal
    }
}

async fn overload(
    fleet: &Fleet,
    (pair, processes): (&Pair, &[Process; 3]),
    Plan { duration, connections }: Plan,
) -> anyhow::Result<Found> {
    let call = Call::post(&pair.path("echo"), "application/octet-stream", Bytes::from(vec![b'x'; SIZE]));
    let target = Target { address: pair.caller.http, protocol: Protocol::Http, call };
    let alone = Load { connections: 1, duration: PROBE * 10, rate: 0.0 };
    let before = offer::offer(&target, alone, &fleet.tasks).await?.percentile(0.5);
    let saturated = Load { connections: PEAK_CONNECTIONS, duration, rate: 0.0 };
    let start = paid(processes)?;
    let at_peak = offer::offer(&target, saturated, &fleet.tasks).await?;
    let (peak, middle) = (at_peak.rate(), paid(processes)?);
    let over = Arc::new(AtomicBool::new(false));
    let (address, until) = (pair.caller.http, Arc::clone(&over));
    // On a thread of its own, or the time that its turn takes among the calls would be counted too.
    let watching = tokio::task::spawn_blocking(move || {
        let alone = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        alone.block_on(watch_health(address, until))
    });
    let load = Load { connections, duration, rate: peak * TIMES_PEAK };
    let during = offer::offer(&target, load, &fleet.tasks).await?;
    let (ended, end) = (Instant::now(), paid(processes)?);
    over.store(true, Ordering::Relaxed);
    let health = watching.await?.ok();
    let mut normal_after = None;
    while normal_after.is_none() && ended.elapsed() < NORMAL_BAR * 3 {
        let now = offer::offer(&target, Load { duration: PROBE, ..alone }, &fleet.tasks).await?;
        let as_before = now.failures == 0 && now.percentile(0.5).as_secs_f64() <= before.as_secs_f64() * AS_BEFORE;
        normal_after = as_before.then(|| ended.elapsed());
    }
    let cpu = [for_each(&start, &middle, &at_peak), for_each(&middle, &end, &during)];
    Ok(Found { peak, cpu, during, health, normal_after })
}

fn paid(processes: &[Process; 3]) -> anyhow::Result<[Duration; 3]> {
    let [caller, callee, app] = processes;
    Ok([caller.cpu()?, callee.cpu()?, app.cpu()?])
}

/// What each process paid between two readings for each good answer, microseconds.
fn for_each(before: &[Duration; 3], after: &[Duration; 3], outcome: &Outcome) -> [f64; 3] {
    let mut costs = [0.0; 3];
    for (cost, (before, after)) in costs.iter_mut().zip(before.iter().zip(after)) {
        *cost = after.saturating_sub(*before).as_secs_f64() * 1e6 / outcome.latencies.len().max(1) as f64;
    }
    costs
}

/// The longest answer of health on a connection of its own, until it is over.
async fn watch_health(address: std::net::SocketAddr, over: Arc<AtomicBool>) -> anyhow::Result<Duration> {
    let mut client = Http::connect(address, &service::Tasks::new()).await?;
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = client.call(&Call::get("/v1.0/healthz")).await?;
        anyhow::ensure!(answer.status.is_success(), "health was answered {}", answer.status);
        longest = longest.max(asked.elapsed());
        tokio::time::sleep(HEALTH_PAUSE).await;
    }
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_told_for_each_good_answer() {
        let outcome = Outcome { latencies: vec![Duration::ZERO; 4], ..Outcome::default() };
        let before = [1, 2, 3].map(Duration::from_micros);
        let after = [9, 2, 7].map(Duration::from_micros);
        assert_eq!(for_each(&before, &after, &outcome), [2.0, 0.0, 1.0]);
    }

    #[test]
    fn every_bar_counts_by_itself() {
        let during =
            Outcome { latencies: vec![Duration::ZERO; 80], elapsed: Duration::from_secs(1), ..Outcome::default() };
        let found = |health, after| Found {
            peak: 100.0,
            cpu: [[0.0; 3]; 2],
            during: during.clone(),
            health: Some(Duration::from_millis(health)),
            normal_after: Some(Duration::from_millis(after)),
        };
        assert!(found(100, 2000).bars());
        assert!(!found(101, 2000).bars() && !found(100, 2001).bars());
        assert!(!Found { peak: 101.0, ..found(1, 1) }.bars());
        assert!(!Found { health: None, ..found(1, 1) }.bars());
    }
}
