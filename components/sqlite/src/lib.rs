//! Components on SQLite: the name resolver of one machine.

mod connection;
pub mod resolver;
