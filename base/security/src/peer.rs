//! Who the other end of a connection is. Put among the extensions of every request by the server, read by every policy:
//! nothing else about a caller is evidence.

use crate::SpiffeId;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It proved this id with a certificate of our trust anchors.
    Authenticated(SpiffeId),
    /// It proved nothing.
    Unauthenticated,
}

impl Peer {
    /// The proven id.
    #[must_use]
    pub fn id(&self) -> Option<&SpiffeId> {
        match self {
            Self::Authenticated(id) => Some(id),
            Self::Unauthenticated => None,
        }
    }

    /// The peer of a request: unauthenticated where its server said nothing.
    #[must_use]
    pub fn of(extensions: &http::Extensions) -> Self {
        extensions.get().cloned().unwrap_or(Self::Unauthenticated)
    }
}
