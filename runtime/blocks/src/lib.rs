//! What each API means.

pub mod secrets;
pub mod state;
