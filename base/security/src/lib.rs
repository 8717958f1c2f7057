//! What guards a call: who calls, canonical method paths, API tokens, headers that only a sidecar may set, TLS clients.

pub mod certificate;
pub mod headers;
pub mod path;
pub mod peer;
pub mod spiffe;
pub mod tls;
pub mod token;

pub use peer::Peer;
pub use spiffe::{MalformedId, SpiffeId, TrustDomain};
pub use token::ApiToken;
