//! The identity of a process: obtained from sentry, renewed in time, shown to others, and theirs judged. Used by every role
//! that has one.

mod anchors;
mod credential;
mod held;
mod jwt;
mod options;
mod provider;
mod sentry;
mod tls;
mod token;
mod verify;
mod watched;

pub use anchors::{AnchorsError, TrustAnchors};
pub use credential::{Credential, CredentialError, KeyKind, NewKey};
pub use held::{Anchors, Held};
pub use jwt::Jwt;
pub use options::{AnchorSource, Options, TokenSource};
pub use provider::{Fetched, Observer, Security, Unavailable, obtain};
pub use tls::{Expected, client_config, server_config};
pub use watched::{Watched, watch_files};
