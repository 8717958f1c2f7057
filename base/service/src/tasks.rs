//! The tracker of a role's tasks. Everything that runs beside its caller is spawned here, so that a stop can wait for
//! it. It must not decide what a failed task means: it only says so.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber;

/// A group of tasks that can be waited for. A clone is the same group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a future beside the caller. It logs where the caller logs. A panic ends this task only: it is logged with
    /// the name, and the handle yields the `JoinError` of a panic. Must be called inside a tokio runtime.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tracker.spawn(reporting_panics(name, future).with_current_subscriber())
    }

    /// Waits until no task is left, those that are spawned meanwhile included.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many tasks run now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tracker.len()
    }
}

/// Not an async function: that would hold the future twice, and most tasks are spawned for one small thing.
fn reporting_panics<T>(name: &'static str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    AssertUnwindSafe(future).catch_unwind().map(move |ended| {
        ended.unwrap_or_else(|payload| {
            let message = panic_message(payload.as_ref());
            tracing::error!(target: "dapr.runtime", "task {name} panicked: {message}");
            resume_unwind(payload)
        })
    })
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return text;
    }
    payload.downcast_ref::<String>().map_or("no message", String::as_str)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tracing::span;

    use super::*;

    /// Counts the events it sees.
    struct Counting(Arc<AtomicUsize>);

    impl tracing::Subscriber for Counting {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[tokio::test]
    async fn a_panic_is_logged_where_the_spawner_logs_and_the_rest_lives() {
        let events = Arc::new(AtomicUsize::new(0));
        let dispatch = tracing::Dispatch::new(Counting(Arc::clone(&events)));
        let tasks = Tasks::new();
        let failing =
            tracing::dispatcher::with_default(&dispatch, || tasks.spawn("failing", async { panic!("on purpose") }));
        assert!(failing.await.unwrap_err().is_panic());
        assert_eq!(events.load(Ordering::SeqCst), 1);
        assert_eq!(tasks.spawn("next", async { 7 }).await.unwrap(), 7);
    }

    #[test]
    fn a_task_is_as_large_as_what_it_does() {
        let large = [0_u8; 10_000];
        let future = async move {
            tokio::task::yield_now().await;
            large.len()
        };
        let alone = size_of_val(&future);
        let reported = size_of_val(&reporting_panics("a test", future));
        assert!(reported < alone + 100, "{reported} for {alone}");
    }

    #[tokio::test]
    async fn waiting_includes_tasks_spawned_by_tasks() {
        let tasks = Tasks::new();
        let done = Arc::new(AtomicUsize::new(0));
        let (inner_tasks, inner_done) = (tasks.clone(), Arc::clone(&done));
        tasks.spawn("outer", async move {
            inner_tasks.spawn("inner", async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                inner_done.fetch_add(1, Ordering::SeqCst);
            });
        });
        tasks.wait().await;
        assert_eq!(done.load(Ordering::SeqCst), 1);
        assert_eq!(tasks.count(), 0);
    }
}
