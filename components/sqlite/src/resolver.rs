//! The `sqlite` resolver: the sidecars of one machine find each other in a file that all of them write to, where
//! multicast does not work. Tables, statements and settings are the target's, so that a fleet may mix both.
//!
//! Like the target it knows no namespaces. All work with the file happens on one thread of its own, which also renews
//! the registration: an instance that is not renewed counts as gone after `updateInterval`.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use component::resolver::{Configuration, Error, Freshness, Instance, ResolveRequest, Resolved, Resolver};
use tokio::sync::oneshot;

mod registry;
mod settings;
mod worker;

use settings::Settings;
use worker::{Job, Worker};

/// How the target names this component in its logs.
const LOG_NAME: &str = "nr (sqlite/v1)";
/// More lookups than this do not wait for the file.
const MAX_WAITING: usize = 256;
/// What may be waited for beside the settings' timeout: a start while others start with the same new file.
const START_TIME: Duration = Duration::from_secs(15);

/// Finds sidecars in a shared SQLite file, and keeps this one's entry there.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Mutex<Option<SyncSender<Job>>>,
    timeout: Duration,
    freshness: Freshness,
}

impl Sqlite {
    /// Opens the registry, creating its tables where they are missing.
    ///
    /// Settings: `connectionString` (alias `url`), `tableName`, `metadataTableName`, `updateInterval`,
    /// `cleanupInterval` (alias `cleanupIntervalInSeconds`), `timeout` (alias `timeoutInSeconds`), `busyTimeout`,
    /// `disableWAL`.
    pub async fn open(configuration: &Configuration) -> Result<Self, Error> {
        let settings = Settings::read(configuration)?;
        let timeout = settings.connection.timeout;
        let freshness = Freshness { refresh_after: Duration::from_secs(1), expire_after: settings.update_interval };
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let (opened, is_open) = oneshot::channel();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread = std::thread::Builder::new().name("sqlite-resolver".to_owned());
        let run = move || {
            tracing::dispatcher::with_default(&dispatch, || match Worker::open(settings) {
                Ok(worker) => {
                    // Who opened it may be gone; then the queue is closed as well and the thread ends.
                    let _ = opened.send(Ok(()));
                    worker.run(&receiver);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            });
        };
        thread.spawn(run).map_err(|error| Error::Unavailable(format!("failed to start a thread: {error}")))?;
        answer_within(START_TIME, is_open, "failed to open the registry").await?;
        Ok(Self { jobs: Mutex::new(Some(sender)), timeout, freshness })
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = jobs.as_ref().map(|jobs| jobs.try_send(job));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => {
                Err(Error::Unavailable("failed to look up address: too many lookups are waiting".to_owned()))
            }
            Some(Err(TrySendError::Disconnected(_))) | None => {
                Err(Error::Unavailable("component is closed".to_owned()))
            }
        }
    }
}

#[async_trait]
impl Resolver for Sqlite {
    async fn register(&self, instance: &Instance) -> Result<(), Error> {
        instance.check()?;
        let (done, answer) = oneshot::channel();
        self.send(Job::Register(instance.clone(), done))?;
        answer_within(self.timeout, answer, "failed to register host").await
    }

    async fn resolve(&self, request: &ResolveRequest) -> Result<Resolved, Error> {
        let (done, answer) = oneshot::channel();
        self.send(Job::Resolve(request.id.clone(), done))?;
        let addresses = answer_within(self.timeout, answer, "failed to look up address").await?;
        if addresses.is_empty() {
            return Err(Error::NotFound("no host found with the given ID".to_owned()));
        }
        Ok(Resolved { addresses, freshness: self.freshness })
    }

    async fn close(&self) -> Result<(), Error> {
        let Some(jobs) = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let (done, answer) = oneshot::channel();
        // A full queue needs no job: without senders the thread withdraws the registration as well, unasked.
        if jobs.try_send(Job::Close(done)).is_err() {
            return Ok(());
        }
        answer_within(self.timeout, answer, "failed to unregister host").await
    }
}

async fn answer_within<T>(
    limit: Duration,
    answer: oneshot::Receiver<Result<T, Error>>,
    action: &str,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Unavailable(format!("{action}: component is closed"))),
        Err(_) => Err(Error::Unavailable(format!("{action}: context deadline exceeded"))),
    }
}

#[cfg(test)]
mod tests;
