//! What each API means.
