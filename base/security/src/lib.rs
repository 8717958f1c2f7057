//! What guards a call: who calls, who may, canonical method paths, API tokens, headers that only a sidecar may set, TLS clients.

pub mod acl;
pub mod certificate;
pub mod headers;
pub mod path;
pub mod peer;
pub mod spiffe;
pub mod tls;
pub mod token;

pub use acl::{AccessControl, Action, Called, InvalidAccessControl};
pub use peer::Peer;
pub use spiffe::{MalformedId, SpiffeId, TrustDomain};
pub use token::ApiToken;
