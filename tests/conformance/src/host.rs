//! The process a backend is told it lives in: a clock that can be moved, a tracker for its tasks. Makes components the way
//! the loader does, through the registry of `components/all`, so that settings are tested too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use component::{Clock, Error, Host, Properties, Registration, Setup, Tasks, Variables};
use tokio_util::task::TaskTracker;

/// The time of day, and how far it was moved.
#[derive(Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves the time of day forward.
    pub fn advance(&self, by: Duration) {
        let milliseconds = u64::try_from(by.as_millis()).expect("a test does not move time by ages");
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Now.
    pub fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn handle(&self) -> Clock {
        let own = self.clone();
        Clock::from_fn(move || own.now())
    }
}

/// The process of one check.
#[derive(Clone, Default)]
pub struct Apparatus {
    /// What the backends of this check are told the time is.
    pub clock: ManualClock,
    /// Which environment variables they are told of.
    variables: Variables,
    tasks: TaskTracker,
}

impl Apparatus {
    /// A process with these environment variables.
    pub fn with_variables(variables: Variables) -> Self {
        Self { variables, ..Self::default() }
    }

    /// What a constructor is given.
    pub fn setup(&self, properties: Properties) -> Setup {
        let tracker = self.tasks.clone();
        let tasks = Tasks::new(move |_, work| drop(tracker.spawn(work)));
        let host = Host {
            clock: self.clock.handle(),
            variables: self.variables.clone(),
            ..Host::new("conformance", "", tasks)
        };
        Setup { name: "conformance".to_owned(), properties, host }
    }

    /// Waits for the last background task.
    ///
    /// # Panics
    /// When a task outlives its closed backend by ten seconds.
    pub async fn all_tasks_ended(&self) {
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await;
        assert!(ended.is_ok(), "{} background tasks live on after close", self.tasks.len());
    }
}

/// The implementation of a type and version in this build.
///
/// # Panics
/// When the build has none: a backend in the list is always part of it.
pub(crate) fn registration(component_type: &str, version: &str) -> &'static Registration {
    components::registry().find(component_type, version).unwrap_or_else(|error| panic!("{error}"))
}

/// Ends a check because a constructor failed.
pub(crate) fn construction_failed(component_type: &str, error: &Error) -> ! {
    panic!("{component_type} cannot be made: {error}")
}
