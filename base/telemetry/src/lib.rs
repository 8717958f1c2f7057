//! Log format, trace context propagation and metric names.

pub mod logs;
pub mod metrics;
mod quote;
pub mod trace;

pub use logs::{LogLevel, LogOptions};
pub use metrics::{Counter, Gauge, Histogram, Metrics};
pub use quote::quote;
pub use trace::{SpanContext, Tracing};
