//! How hyper starts tasks: on the tracker of the role, like everything else.

use std::future::Future;

use crate::Tasks;

/// A hyper executor that spawns on a [`Tasks`] tracker.
#[derive(Clone, Debug)]
pub struct Executor {
    tasks: Tasks,
}

impl Executor {
    /// An executor on this tracker.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        Self { tasks }
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(self.tasks.spawn("http", future));
    }
}
