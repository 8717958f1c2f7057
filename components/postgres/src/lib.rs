//! Components on PostgreSQL: state in the target's tables, and configuration.

mod configuration;
mod connection;
mod connection_string;
mod failure;
mod options;
mod pool;
mod registrations;
mod settings;
mod state;
mod table_name;
mod tls;

pub use registrations::REGISTRATIONS;
