//! What a process needs to be given an identity.

use std::path::PathBuf;

use security::SpiffeId;

use crate::KeyKind;

/// Where the trust anchors come from.
#[derive(Clone, Debug)]
pub enum AnchorSource {
    /// PEM text.
    Text(Vec<u8>),
    /// A PEM file; changes are followed. One that is not there yet is waited for.
    File(PathBuf),
}

/// What proves to sentry that a process is who it says.
#[derive(Clone, Debug, Default)]
pub enum TokenSource {
    /// Nothing: sentry takes the word of whoever reaches it (its validator `insecure`).
    #[default]
    Nothing,
    /// A token in a file, read for each request, for sentry's validator `jwks`.
    File(PathBuf),
    /// A token of a service account in a file, read for each request, for sentry's validator `kubernetes`.
    Kubernetes(PathBuf),
}

/// Whose identity is asked for, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where sentry listens, `host:port`.
    pub sentry_address: String,
    /// The id that sentry proves.
    pub sentry: SpiffeId,
    /// The name asked for: the app id, or what `SENTRY_LOCAL_IDENTITY` says.
    pub name: String,
    /// The namespace asked for.
    pub namespace: String,
    /// The trust domain asked for; `None` leaves it to sentry.
    pub trust_domain: Option<String>,
    /// The trust anchors.
    pub anchors: AnchorSource,
    /// What is shown to sentry.
    pub token: TokenSource,
    /// Audiences of the tokens asked for, besides the own trust domain.
    pub audiences: Vec<String>,
    /// The kind of private key.
    pub key: KeyKind,
}
