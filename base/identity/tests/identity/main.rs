//! Identities on real sockets: who is let in, who is called, and what happens when certificates change.

extern crate trilby_identity as identity;

mod authority;
mod peers;
mod renewal;
mod server;
