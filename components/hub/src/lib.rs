//! Components on the hub of this user: state, configuration and locks that apps of one machine share.

mod configuration;
mod connection;
mod lock;
mod registrations;
mod state;

pub use registrations::REGISTRATIONS;
