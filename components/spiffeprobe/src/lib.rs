//! Components for tests: they say which identity the runtime gives to components. Only in builds with the feature
//! `spiffeprobe` of `components/all`, never in a release.

mod registrations;
mod secret_store;
mod state_store;

pub use registrations::REGISTRATIONS;
