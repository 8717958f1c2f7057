//! Load from one pinned core: closed loop (each connection calls again when it is answered) and open loop (calls are due at a
//! pace, whether earlier ones are answered or not, and their latency counts from the moment they were due: a server that
//! stands still is not excused from the calls that would have come meanwhile). Called by `compare` and `overload`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use service::Tasks;

use crate::client::{Call, Client, Protocol};
use crate::statistics::percentile;

/// Connections that open at the same time.
const OPENING: usize = 32;

/// What to call.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where.
    pub(crate) address: SocketAddr,
    /// How.
    pub(crate) protocol: Protocol,
    /// The call that is repeated.
    pub(crate) call: Call,
}

/// How hard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Connections at the same time, each with one call.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) duration: Duration,
    /// Calls a second of the open loop; 0 is the closed loop.
    pub(crate) rate: f64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Of all calls that were answered well, shortest first.
    pub(crate) latencies: Vec<Duration>,
    /// Calls that failed.
    pub(crate) failures: u64,
    /// Why the first one did.
    pub(crate) reason: Option<String>,
    /// From the first call to the last answer.
    pub(crate) elapsed: Duration,
    /// How late calls of the open loop were made although a connection was free, least first: what the generator itself adds.
    pub(crate) late: Vec<Duration>,
}

impl Outcome {
    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that this part of the calls does not exceed.
    pub(crate) fn percentile(&self, part: f64) -> Duration {
        percentile(&self.latencies, part)
    }
}

/// When calls are due.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    rate: f64,
    duration: Duration,
}

impl Schedule {
    /// How long after the start a call is due; `None` when it is not part of this load.
    fn due(&self, number: u64) -> Option<Duration> {
        let due = Duration::from_secs_f64(number as f64 / self.rate);
        (due < self.duration).then_some(due)
    }
}

/// Offers the load and waits for the answers. Calls that are due and find no free connection wait, and their waiting counts;
/// those that still wait when the time is over are not made.
///
/// # Errors
/// When a connection cannot be opened.
pub(crate) async fn offer(target: &Target, load: Load, tasks: &Tasks) -> anyhow::Result<Outcome> {
    let clients = connect(target, load.connections, tasks).await?;
    let offered = Arc::new(Offered { target: target.clone(), load, started: Instant::now(), next: AtomicU64::new(0) });
    let running: Vec<_> = clients
        .into_iter()
        .map(|client| tasks.spawn("load", Arc::clone(&offered).one_connection(client, tasks.clone())))
        .collect();
    let mut outcome = Outcome::default();
    for connection in running {
        let part = connection.await?;
        outcome.latencies.extend(part.latencies);
        outcome.failures += part.failures;
        outcome.reason = outcome.reason.or(part.reason);
        outcome.late.extend(part.late);
    }
    outcome.elapsed = offered.started.elapsed();
    outcome.latencies.sort_unstable();
    outcome.late.sort_unstable();
    Ok(outcome)
}

/// Opens connections, not all at once: the queue of a listener is short.
///
/// # Errors
/// When one cannot be opened.
pub(crate) async fn connect(target: &Target, connections: usize, tasks: &Tasks) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(connections);
    while clients.len() < connections {
        let opening: Vec<_> = (0..OPENING.min(connections - clients.len()))
            .map(|_| {
                let (protocol, address, beside) = (target.protocol, target.address, tasks.clone());
                tasks.spawn("connect", async move { Client::connect(protocol, address, &beside).await })
            })
            .collect();
        for client in opening {
            clients.push(client.await?.context("opening a connection for the load")?);
        }
    }
    Ok(clients)
}

struct Offered {
    target: Target,
    load: Load,
    started: Instant,
    /// The number of the next call that is due.
    next: AtomicU64,
}

impl Offered {
    async fn one_connection(self: Arc<Self>, mut client: Client, tasks: Tasks) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(intended) = self.turn(&mut outcome.late).await {
            match client.call(&self.target.call).await {
                Ok(_) => outcome.latencies.push(intended.elapsed()),
                Err(error) => {
                    outcome.failures += 1;
                    outcome.reason.get_or_insert_with(|| format!("{error:#}"));
                    match Client::connect(self.target.protocol, self.target.address, &tasks).await {
                        Ok(fresh) => client = fresh,
                        Err(_) => break,
                    }
                }
            }
        }
        outcome
    }

    /// Waits until a call is due; from when its latency counts. `None` when the load is over. How much too late it waited is noted.
    async fn turn(&self, late: &mut Vec<Duration>) -> Option<Instant> {
        let over = || self.started.elapsed() >= self.load.duration;
        if self.load.rate <= 0.0 {
            return (!over()).then(Instant::now);
        }
        let schedule = Schedule { rate: self.load.rate, duration: self.load.duration };
        let due = self.started + schedule.due(self.next.fetch_add(1, Ordering::Relaxed))?;
        // The timer of the runtime wakes a millisecond late; the last bit is waited for on the core that this has to itself.
        const SPIN: Duration = Duration::from_millis(2);
        let left = due.saturating_duration_since(Instant::now());
        if left > SPIN {
            tokio::time::sleep(left - SPIN).await;
        }
        if !left.is_zero() {
            while Instant::now() < due {
                tokio::task::yield_now().await;
            }
            late.push(due.elapsed());
        }
        (!over()).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_at_the_pace_and_only_within_the_time() {
        let schedule = Schedule { rate: 1000.0, duration: Duration::from_secs(2) };
        assert_eq!(schedule.due(0), Some(Duration::ZERO));
        assert_eq!(schedule.due(1), Some(Duration::from_millis(1)));
        assert_eq!(schedule.due(1999), Some(Duration::from_millis(1999)));
        assert_eq!(schedule.due(2000), None);
    }

    #[tokio::test]
    async fn what_waited_for_a_stalled_server_counts_from_when_it_was_due() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        tasks.spawn("server", async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut stalled = false;
            let mut buffer = [0; 1024];
            while stream.read(&mut buffer).await.unwrap() > 0 {
                if !std::mem::replace(&mut stalled, true) {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
        let target = Target { address, protocol: Protocol::Http, call: Call::get("/") };
        let load = Load { connections: 1, duration: Duration::from_millis(600), rate: 100.0 };
        let outcome = offer(&target, load, &tasks).await.unwrap();
        assert_eq!(outcome.failures, 0, "{:?}", outcome.reason);
        // One call stood still; a closed loop would have seen only that one. Some 30 came due meanwhile.
        let late = outcome.latencies.iter().filter(|latency| **latency > Duration::from_millis(50)).count();
        assert!(late >= 15, "only {late} of {} were late", outcome.latencies.len());
        assert!(outcome.percentile(1.0) >= Duration::from_millis(300));
        // What came due meanwhile found no free connection: that is the server's doing, not the generator's.
        assert!(!outcome.late.is_empty() && outcome.late.len() + 15 <= outcome.latencies.len());
    }

    #[tokio::test]
    async fn a_refused_call_is_a_failure_and_no_latency() {
        let tasks = Tasks::new();
        let app = crate::app::App::start(&tasks, None).unwrap();
        let target = Target { address: app.address(), protocol: Protocol::Http, call: Call::get("/nothing-is-here") };
        let load = Load { connections: 2, duration: Duration::from_millis(50), rate: 0.0 };
        let outcome = offer(&target, load, &tasks).await.unwrap();
        assert!(outcome.failures > 0 && outcome.latencies.is_empty());
        assert!(outcome.reason.unwrap().contains("404"));
    }
}
