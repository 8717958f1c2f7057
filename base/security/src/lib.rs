//! What guards a call: canonical method paths, API tokens, TLS settings.

pub mod headers;
pub mod path;
pub mod tls;
pub mod token;

pub use path::{InvalidMethod, canonical_method, normalize_method};
pub use token::{ApiToken, TokenFault};
