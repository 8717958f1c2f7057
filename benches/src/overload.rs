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
use crate::report;

const SIZE: usize = 1024;
const PEAK_CONNECTIONS: usize = 64;
/// Calls that wait for an answer at the same time, at most.
const OVERLOAD_CONNECTIONS: usize = 1024;
const TIMES_PEAK: f64 = 3.0;
const GOODPUT: f64 = 0.8;
const HEALTH_BAR: Duration = Duration::from_millis(100);
const NORMAL_BAR: Duration = Duration::from_secs(2);
/// Latency counts as before when a call after the other is at most so many times as slow.
const AS_BEFORE: f64 = 2.0;
const HEALTH_PAUSE: Duration = Duration::from_millis(20);
const PROBE: Duration = Duration::from_millis(100);

/// Runs the case; whether its bars were met.
pub(crate) async fn run(fleet: &Fleet, duration: Duration) -> anyhow::Result<bool> {
    let mut met = true;
    for side in fleet.sides() {
        let app = AppProcess::start(None).await?;
        let pair = fleet.pair_before(app.http_port(), (side, side), &[]).await?;
        let found = overload(fleet, &pair, duration).await?;
        println!(
            "{}: peak {:.0}/s; offered {:.0}/s, answered well {:.0}/s, failed {}; p99 {}",
            side.name(),
            found.peak,
            found.peak * TIMES_PEAK,
            found.during.rate(),
            found.during.failures,
            report::milliseconds(found.during.percentile(0.99)),
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

async fn overload(fleet: &Fleet, pair: &Pair, duration: Duration) -> anyhow::Result<Found> {
    let call = Call::post(&pair.path("echo"), "application/octet-stream", Bytes::from(vec![b'x'; SIZE]));
    let target = Target { address: pair.caller.http, protocol: Protocol::Http, call };
    let alone = Load { connections: 1, duration: PROBE * 10, rate: 0.0 };
    let before = offer::offer(&target, alone, &fleet.tasks).await?.percentile(0.5);
    let saturated = Load { connections: PEAK_CONNECTIONS, duration, rate: 0.0 };
    let peak = offer::offer(&target, saturated, &fleet.tasks).await?.rate();
    let over = Arc::new(AtomicBool::new(false));
    let watching = fleet.tasks.spawn("health", watch_health(pair.caller.http, fleet.tasks.clone(), Arc::clone(&over)));
    let load = Load { connections: OVERLOAD_CONNECTIONS, duration, rate: peak * TIMES_PEAK };
    let during = offer::offer(&target, load, &fleet.tasks).await?;
    let ended = Instant::now();
    over.store(true, Ordering::Relaxed);
    let health = watching.await?.ok();
    let mut normal_after = None;
    while normal_after.is_none() && ended.elapsed() < NORMAL_BAR * 3 {
        let now = offer::offer(&target, Load { duration: PROBE, ..alone }, &fleet.tasks).await?;
        let as_before = now.failures == 0 && now.percentile(0.5).as_secs_f64() <= before.as_secs_f64() * AS_BEFORE;
        normal_after = as_before.then(|| ended.elapsed());
    }
    Ok(Found { peak, during, health, normal_after })
}

/// The longest answer of health on a connection of its own, until it is over.
async fn watch_health(
    address: std::net::SocketAddr,
    tasks: service::Tasks,
    over: Arc<AtomicBool>,
) -> anyhow::Result<Duration> {
    let mut client = Http::connect(address, &tasks).await?;
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
