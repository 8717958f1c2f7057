//! daprd itself: options, wiring, component lifecycle, shutdown. The only crate that knows every other part of the runtime.

mod access_control;
mod app_channel;
mod assemble;
mod cluster;
mod components;
mod counting;
mod discovery;
mod endpoints;
mod entry;
mod found;
mod host;
mod messages;
mod models;
pub mod options;
mod outbound;
mod own_identity;
mod pipelines;
mod providers;
mod run;
mod servers;
mod settings;
mod variables;

pub use entry::main;
pub use options::{Command, Options, OptionsError};
pub use run::{Fatal, run};
pub use service::release::{OWN_VERSION, TARGET_VERSION};
