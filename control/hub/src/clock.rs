//! What time it is for the hub: by this clock keys and locks end. Made by `run`; tests bring their own.

use std::sync::Arc;
use std::time::SystemTime;

use ledger::Moment;

/// Time of day.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub(crate) fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// Now.
    pub(crate) fn now(&self) -> Moment {
        Moment::of((self.0)())
    }
}
