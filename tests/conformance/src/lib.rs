//! One conformance suite per building block, and the backends it is held against. `tests/conformance.rs` runs every check
//! that a backend's capabilities ask for, and `cargo xtask gen` writes the tables of `docs/reference/conformance.md` from
//! the same lists. A backend joins with one file in `backends`, and its lines in `backends.rs`; no other file may name one.

mod backends;
mod capability;
pub mod configuration;
pub mod crypto;
mod ground;
pub mod harness;
mod host;
mod kind;
pub mod lock;
pub mod pubsub;
pub mod secrets;
pub mod state;
mod suites;

pub use capability::Capability;
pub use ground::{Ground, Memory, Starting, Unavailable};
pub use host::{Apparatus, ManualClock};
pub use kind::{Backend, Check, Checking, Kind};
pub use suites::{Column, Promise, Suite, missing_servers, suites};
