//! The list of backends in this build. The only Cargo features of the workspace are here.

mod build;
mod known_types;

pub use build::{registrations, registry, resolver};
pub use known_types::KNOWN_TYPES;
