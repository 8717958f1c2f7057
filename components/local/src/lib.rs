//! Components that need no server.

pub mod mdns;
pub mod nameformat;
