//! The thread that owns the registry's file: it answers lookups one after the other, and between them renews the
//! registration and deletes old entries when their time has come. It sleeps until one of these is due.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use component::resolver::{Error, Instance};
use tokio::sync::oneshot;

use super::LOG_NAME;
use super::registry::{Entry, OpenError, Registry, Renewal};
use super::settings::Settings;
use crate::connection::is_busy;

/// How long a start waits for others that start with the same new file.
const OPEN_TIME: Duration = Duration::from_secs(10);
/// The pause before something that failed because the file was in use is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Where an answer goes. Who asked may have given up, which is no concern of this thread.
type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Enter this instance and keep it there.
    Register(Instance, Answer<()>),
    /// Find the addresses of an app.
    Resolve(String, Answer<Vec<String>>),
    /// Withdraw the registration and end.
    Close(Answer<()>),
}

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Worker {
    registry: Registry,
    settings: Settings,
    entry: Option<Entry>,
    next_renewal: Instant,
    next_cleanup: Instant,
}

impl Worker {
    /// Opens the registry. Others may be creating it at this moment, so a busy file is tried again.
    pub(super) fn open(settings: Settings) -> Result<Self, Error> {
        report_place(&settings)?;
        let started = Instant::now();
        let registry = loop {
            match Registry::open(&settings) {
                Ok(registry) => break registry,
                Err(OpenError::Settings(error)) => return Err(error),
                Err(OpenError::Busy(_)) if started.elapsed() < OPEN_TIME => std::thread::sleep(RETRY_PAUSE),
                Err(OpenError::Busy(message) | OpenError::Broken(message)) => return Err(Error::Unavailable(message)),
            }
        };
        let now = Instant::now();
        let next_cleanup = now + settings.cleanup_interval;
        Ok(Self { registry, settings, entry: None, next_renewal: now, next_cleanup })
    }

    /// Works until it is told to close or nobody can ask any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match self.next(jobs) {
                Ok(Job::Register(instance, answer)) => {
                    let _ = answer.send(self.register(&instance));
                }
                Ok(Job::Resolve(app_id, answer)) if !answer.is_closed() => {
                    let found = self.registry.addresses(&app_id);
                    let found = found.map_err(|error| unavailable("failed to look up address", &error));
                    let _ = answer.send(found);
                }
                Ok(Job::Resolve(..)) => {}
                Ok(Job::Close(answer)) => {
                    let _ = answer.send(self.withdraw());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.withdraw();
                    return;
                }
            }
            self.do_what_is_due();
        }
    }

    /// The next job, or a timeout when something else is due.
    fn next(&self, jobs: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        let renewal = self.entry.as_ref().map(|_| self.next_renewal);
        let cleanup = self.cleans_up().then_some(self.next_cleanup);
        match renewal.into_iter().chain(cleanup).min() {
            Some(due) => jobs.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn cleans_up(&self) -> bool {
        self.settings.cleanup_interval > Duration::ZERO
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        if self.entry.is_some() && now >= self.next_renewal {
            self.renew();
            self.next_renewal = Instant::now() + self.settings.renewal_interval();
        }
        if self.cleans_up() && now >= self.next_cleanup {
            self.clean_up();
            self.next_cleanup = now + self.settings.cleanup_interval;
        }
    }

    fn register(&mut self, instance: &Instance) -> Result<(), Error> {
        let entry = Entry::new(instance);
        self.retrying(|registry| registry.register(&entry))
            .map_err(|error| unavailable("failed to register host", &error))?;
        if let Some(former) = self.entry.replace(entry) {
            let _ = self.registry.remove(&former);
        }
        self.next_renewal = Instant::now() + self.settings.renewal_interval();
        Ok(())
    }

    fn renew(&self) {
        let Some(entry) = &self.entry else { return };
        match self.retrying(|registry| registry.renew(entry)) {
            Ok(Renewal::Renewed) => {}
            Ok(Renewal::Restored) => {
                tracing::warn!(target: "dapr.contrib", component = LOG_NAME,
                    "The host registration of {} was gone and has been restored", entry.address());
            }
            Ok(Renewal::Taken) => {
                tracing::error!(target: "dapr.contrib", component = LOG_NAME,
                    "Host registration lost: another process has registered {}", entry.address());
            }
            Err(error) => {
                tracing::error!(target: "dapr.contrib", component = LOG_NAME,
                    "Failed to update host registration: {error}");
            }
        }
    }

    fn clean_up(&self) {
        match self.registry.clean_up() {
            Ok(Some(deleted)) => {
                tracing::info!(target: "dapr.contrib", component = LOG_NAME, "Removed {deleted} expired rows");
            }
            Ok(None) => {
                tracing::debug!(target: "dapr.contrib", component = LOG_NAME,
                    "Last cleanup was performed too recently");
            }
            Err(error) => {
                tracing::error!(target: "dapr.contrib", component = LOG_NAME, "Error removing expired data: {error}");
            }
        }
    }

    fn withdraw(&mut self) -> Result<(), Error> {
        let Some(entry) = self.entry.take() else { return Ok(()) };
        match self.retrying(|registry| registry.remove(&entry)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Unavailable("failed to unregister host: no row deleted".to_owned())),
            Err(error) => Err(unavailable("failed to unregister host", &error)),
        }
    }

    /// Tries again while the file is in use, for as long as the settings allow.
    fn retrying<T>(&self, mut work: impl FnMut(&Registry) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let started = Instant::now();
        loop {
            match work(&self.registry) {
                Err(error) if is_busy(&error) && started.elapsed() < self.settings.connection.timeout => {
                    std::thread::sleep(RETRY_PAUSE);
                }
                result => return result,
            }
        }
    }
}

fn report_place(settings: &Settings) -> Result<(), Error> {
    let location = settings.connection.location()?;
    for remark in &location.remarks {
        tracing::warn!(target: "dapr.contrib", component = LOG_NAME, "{remark}");
    }
    if location.in_memory {
        tracing::warn!(target: "dapr.contrib", component = LOG_NAME,
            "Configuring name resolution with an in-memory SQLite database. Service invocation across different apps will not work.");
    } else {
        tracing::info!(target: "dapr.contrib", component = LOG_NAME,
            "Configuring SQLite name resolution with path {}", location.path());
    }
    Ok(())
}

fn unavailable(action: &str, error: &rusqlite::Error) -> Error {
    Error::Unavailable(format!("{action}: {error}"))
}
