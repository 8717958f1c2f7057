//! Messages through real processes under faults: a publishing sidecar, subscribing sidecars with an app, and a broker, all
//! of which can be ended and started again in the middle. What happens goes into a history for [`crate::loss`]. Runs on
//! any executables; tests say which, and what is to be promised.

mod app;
mod broker;
mod fleet;
mod log;
mod publishers;
mod sidecar;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::Program;

pub use app::Manners;
pub use broker::{Broker, Kind};
pub use log::Log;

use crate::loss::{History, Promise, Summary, check};
use crate::random::Random;
use crate::schedule::{Plan, Step, steps};
use fleet::Fleet;
use publishers::Publishers;

/// The topic whose messages are tried until the app has handled them.
pub const ORDERS: &str = "orders";
/// The topic with a dead-letter topic.
pub const PARCELS: &str = "parcels";

/// How long nothing may happen before what has not come is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// How long something may still come again when all is done.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// One run.
pub struct Run {
    /// For messages.
    pub name: &'static str,
    /// Where messages wait.
    pub broker: Kind,
    /// Who publishes.
    pub publisher: Program,
    /// Who subscribes, all of them as one consumer.
    pub subscribers: Vec<Program>,
    /// How the app behaves.
    pub manners: Manners,
    /// What is done to them.
    pub plan: Plan,
}

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub history: History,
    /// How long each process needed to be ready again, at most.
    pub slowest_start: Duration,
    /// How long a process needed to end when it was asked to, at most.
    pub slowest_end: Duration,
    /// Where logs and history are, if something is wrong.
    pub folder: PathBuf,
}

impl Run {
    /// A run of the program under test, both as publisher and as subscriber.
    #[must_use]
    pub fn of_program_under_test(name: &'static str, broker: Kind, plan: Plan) -> Self {
        let program = Program::under_test();
        let (publisher, subscribers) = (program.clone(), vec![program.clone()]);
        Self { name, broker, publisher, subscribers, manners: Manners::default(), plan }
    }

    /// Runs it; `None`, loudly, where the broker is not installed.
    ///
    /// # Panics
    /// When a process cannot be started or does not get ready.
    pub async fn go(self, random: &mut Random) -> Option<Outcome> {
        let folder = tempfile::Builder::new().prefix("trilby-traffic-").tempdir().expect("a folder can be made");
        let folder = folder.keep();
        let log = Log::default();
        let mut fleet = Fleet::start(&self, &folder, &log).await?;
        let schedule = steps(self.plan, random);
        let publishers = Publishers::begin(&self, &fleet, &log);
        log.open_until(schedule.first().map_or(u64::MAX, |step| step.acknowledged + 1));
        for (index, step) in schedule.iter().enumerate() {
            log.until_acknowledged(step.acknowledged).await;
            log.open_until(schedule.get(index + 1).map_or(u64::MAX, |next| next.acknowledged + 1));
            fleet.inflict(step, &log).await;
        }
        publishers.end().await;
        settle(&log).await;
        let (slowest_start, slowest_end) = (fleet.slowest_start, fleet.slowest_end);
        fleet.stop().await;
        Some(Outcome { history: log.history(), slowest_start, slowest_end, folder })
    }
}

/// Waits until every acknowledged message is handled, or nothing happens any more.
async fn settle(log: &Log) {
    let mut last = (log.length(), Instant::now());
    while log.missing() > 0 && last.1.elapsed() < SILENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if log.length() != last.0 {
            last = (log.length(), Instant::now());
        }
    }
    tokio::time::sleep(AFTERWARDS).await;
}

impl Outcome {
    /// Holds the run against a promise.
    ///
    /// # Errors
    /// What is wrong, and where more is to be read.
    pub fn judge(&self, promise: &Promise) -> Result<Summary, String> {
        match check(&self.history, promise) {
            Ok(summary) => {
                let _ = std::fs::remove_dir_all(&self.folder);
                Ok(summary)
            }
            Err(wrong) => {
                let told: Vec<String> =
                    self.history.events.iter().map(|(at, event)| format!("{at} {event:?}")).collect();
                let faults: Vec<String> = self.history.faults.iter().map(|fault| format!("{fault:?}")).collect();
                let text = format!("{}\n\n{}\n\n{}\n", wrong.join("\n"), faults.join("\n"), told.join("\n"));
                let _ = std::fs::write(self.folder.join("history"), text);
                let first = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
                Err(format!("{} things are wrong (all of it in {}):\n{first}", wrong.len(), self.folder.display()))
            }
        }
    }
}

/// What a step does, for messages.
fn describe(step: &Step) -> String {
    format!("{:?} {:?} at {}", step.part, step.end, step.acknowledged)
}
