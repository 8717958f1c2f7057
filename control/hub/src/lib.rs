//! The hub (role `hub`): the one process of a user that the apps of one machine share, and the commands that start, ask and end it.

mod clients;
mod clock;
mod commands;
mod convert;
mod entry;
mod expirer;
mod lock_file;
mod options;
mod run;
mod server;
mod stub;
mod topics;

pub use entry::main;
pub use options::{Options, Place};
pub use run::{Fatal, run};
