//! The certificate authority (role `sentry`): signs the identities of sidecars and of the control plane.

pub mod authority;
mod cluster;
mod der;
mod entry;
pub mod images;
pub mod issuing;
mod keeper;
mod metrics;
mod oidc;
pub mod options;
mod own_identity;
pub mod request;
pub mod rotation;
mod run;
mod server;
mod settings;
pub mod store;
pub mod tokens;
pub mod validator;

pub use entry::main;
pub use run::{Fatal, run};
