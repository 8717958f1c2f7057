//! One conformance suite per building block, and the backends it is held against. `tests/conformance.rs` runs every check
//! a backend's capabilities ask for, `cargo xtask gen` writes the table of `docs/reference/conformance.md` from the same
//! lists. A backend joins with one file in `backends`, and a line in `backends.rs`; nothing else may name one.

mod backends;
mod ground;
pub mod harness;
mod host;
pub mod state;

pub use backends::{state_backends, unavailable};
pub use ground::{Ground, Memory, Starting, Unavailable};
pub use host::{Apparatus, ManualClock};
