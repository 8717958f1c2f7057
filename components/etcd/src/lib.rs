//! Components on etcd: state in the target's layouts.

mod channel;
mod client;
mod endpoints;
mod failure;
mod messages;
mod registrations;
mod state;
mod tls;

pub use registrations::REGISTRATIONS;
