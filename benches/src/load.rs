//! Closed-loop load: a number of connections, each with one call after the other, as fast as they are answered or at a
//! pace. Called by `invoke`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use service::Tasks;

use crate::client::{Call, Http};

/// How to load.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) duration: Duration,
    /// Calls a second of all connections together; 0 is as fast as answers come.
    pub(crate) rate: u64,
}

/// What came of it.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    sorted: Vec<Duration>,
    elapsed: Duration,
}

impl Outcome {
    /// The latency that this part of all calls stays below.
    pub(crate) fn percentile(&self, part: f64) -> Duration {
        let index = (self.sorted.len() as f64 * part) as usize;
        self.sorted.get(index.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.sorted.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.sorted.len()
    }
}

/// Repeats one call.
///
/// # Errors
/// When a call fails: a measurement with errors measures something else.
pub(crate) async fn repeat(address: SocketAddr, call: &Call, load: Load, tasks: &Tasks) -> anyhow::Result<Outcome> {
    let mut clients = Vec::new();
    for _ in 0..load.connections {
        clients.push(Http::connect(address, tasks).await?);
    }
    let started = Instant::now();
    let running: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(number, client)| tasks.spawn("load", one_connection(client, call.clone(), load, number)))
        .collect();
    let mut sorted = Vec::new();
    for connection in running {
        sorted.extend(connection.await??);
    }
    let elapsed = started.elapsed();
    sorted.sort_unstable();
    Ok(Outcome { sorted, elapsed })
}

async fn one_connection(mut client: Http, call: Call, load: Load, number: usize) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let started = Instant::now();
    let mut pace = (load.rate > 0).then(|| {
        let share = Duration::from_secs_f64(load.connections as f64 / load.rate as f64);
        let offset = share.mul_f64(number as f64 / load.connections as f64);
        tokio::time::interval_at(tokio::time::Instant::now() + offset, share)
    });
    loop {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let asked = Instant::now();
        if asked.duration_since(started) >= load.duration {
            return Ok(latencies);
        }
        let answer = client.call(&call).await?;
        ensure!(answer.status.is_success(), "a call failed: {} {:?}", answer.status, answer.body);
        latencies.push(asked.elapsed());
    }
}
