//! Where the client runs what has to run beside its caller: the tracker of whoever owns it. Used by `connection`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts tasks of a tracker.
#[derive(Clone)]
pub struct Spawner(Arc<dyn Fn(&'static str, Work) + Send + Sync>);

impl Spawner {
    /// Hands every task to `start` with its name.
    pub fn new(start: impl Fn(&'static str, Work) + Send + Sync + 'static) -> Self {
        Self(Arc::new(start))
    }

    pub(crate) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        (self.0)(name, Box::pin(work));
    }
}

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.spawn("hub stream", async move { drop(future.await) });
    }
}
