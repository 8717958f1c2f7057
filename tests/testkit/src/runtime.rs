//! The threads that apps and connections of a test run on, apart from the test's own: an app answers even while its test
//! waits for a process to end.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Runs `future` beside the test, until it ends. Dropping the handle does not end it.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads are to be had");
    RUNTIME.get_or_init(start).handle().spawn(future)
}
