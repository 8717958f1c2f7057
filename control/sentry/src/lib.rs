//! The certificate authority (role `sentry`): signs the identities of sidecars and of the control plane.

mod der;
pub mod images;
pub mod issuing;
pub mod request;
pub mod rotation;
pub mod store;
pub mod tokens;
