//! Components that need no server.

mod local_file;
mod memory_state;
mod registrations;

pub use registrations::REGISTRATIONS;
