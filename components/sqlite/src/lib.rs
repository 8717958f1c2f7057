//! Components on SQLite: a state store, and the name resolver of one machine.

mod connection;
mod registrations;
pub mod resolver;
mod state;

pub use registrations::REGISTRATIONS;
