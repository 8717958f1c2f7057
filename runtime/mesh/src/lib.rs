//! Sidecar to other processes: calls to and from other sidecars, and finding them.

mod frames;
mod resolution;
mod server;
mod sidecars;

pub use resolution::{Address, Resolution};
pub use server::{Inbound, Server};
pub use sidecars::{Reached, Sidecars};
