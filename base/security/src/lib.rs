//! What guards a call: canonical method paths, API tokens, headers that only a sidecar may set, TLS clients.

pub mod headers;
pub mod path;
pub mod tls;
pub mod token;

pub use token::ApiToken;
