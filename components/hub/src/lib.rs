//! Components on the hub of this user: state, messages, configuration and locks that apps of one machine share.

mod configuration;
mod connection;
mod lock;
mod pubsub;
mod registrations;
mod state;

pub use registrations::REGISTRATIONS;
