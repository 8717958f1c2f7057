//! daprd itself: options, wiring, component lifecycle, shutdown.

pub mod options;

pub use options::{Command, Options, OptionsError};
