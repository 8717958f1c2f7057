//! One shape for every role: environment, shutdown, tasks, listeners, metrics port.

mod environment;
mod shutdown;
mod tasks;

pub use environment::Environment;
pub use shutdown::{Reason, Shutdown};
pub use tasks::Tasks;
