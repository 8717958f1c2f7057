//! Where the bundle is kept, behind one trait: files here, a Secret of a Kubernetes cluster beside them. A store keeps texts
//! and knows nothing of what they say. What it promises is that nobody ever reads half of a change.

mod file_store;
mod secret_store;
mod turned_link;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

pub use file_store::{FileNames, FileStore};
pub use secret_store::SecretStore;

/// One text of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The key that certificates are signed with.
    IssuerKey,
    /// The key that tokens are signed with.
    TokenKey,
    /// The key of the issuer that is to follow.
    NextKey,
    /// The certificate of the issuer that is to follow.
    NextCertificate,
    /// How far a rotation has come.
    Rotation,
    /// The issuer's certificates.
    IssuerCertificate,
    /// The public keys of tokens.
    TokenKeySet,
    /// The trust anchors.
    Anchors,
}

impl Part {
    /// All of them; secrets first, what others wait for last.
    pub const ALL: [Self; 8] = [
        Self::IssuerKey,
        Self::TokenKey,
        Self::NextKey,
        Self::NextCertificate,
        Self::Rotation,
        Self::IssuerCertificate,
        Self::TokenKeySet,
        Self::Anchors,
    ];

    /// Its usual name, in a folder or a Secret.
    #[must_use]
    pub fn usual_name(self) -> &'static str {
        match self {
            Self::Anchors => "ca.crt",
            Self::IssuerCertificate => "issuer.crt",
            Self::IssuerKey => "issuer.key",
            Self::TokenKey => "jwt.key",
            Self::TokenKeySet => "jwks.json",
            Self::Rotation => "rotation.json",
            Self::NextCertificate => "next-issuer.crt",
            Self::NextKey => "next-issuer.key",
        }
    }

    /// Whether nobody else may read it.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::IssuerKey | Self::TokenKey | Self::NextKey)
    }
}

/// The texts of a bundle; those that are missing are not there. Its debug form shows no text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contents {
    parts: BTreeMap<Part, Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.parts.keys()).finish()
    }
}

impl Contents {
    /// One text.
    #[must_use]
    pub fn get(&self, part: Part) -> Option<&[u8]> {
        self.parts.get(&part).map(Vec::as_slice)
    }

    /// Puts a text in.
    pub fn set(&mut self, part: Part, text: impl Into<Vec<u8>>) {
        self.parts.insert(part, text.into());
    }

    /// Takes a text out.
    pub fn remove(&mut self, part: Part) -> Option<Vec<u8>> {
        self.parts.remove(&part)
    }

    /// Every text.
    pub fn iter(&self) -> impl Iterator<Item = (Part, &[u8])> {
        self.parts.iter().map(|(part, text)| (*part, text.as_slice()))
    }
}

/// Why a store could not do something, in a sentence that names the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// What a change makes of the texts: others, or `None` to leave them.
pub type Change = Box<dyn FnMut(&Contents) -> Result<Option<Contents>, String> + Send>;

/// Keeps a bundle.
#[async_trait]
pub trait Store: Send + Sync {
    /// The texts as they are.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    async fn load(&self) -> Result<Contents, StoreError>;

    /// Changes the texts and returns what they are then: all of the change or nothing of it, whatever happens meanwhile, and
    /// nobody else's change in between. The change can be asked more than once, and must then look at the texts again.
    ///
    /// # Errors
    /// What the change says, or why the texts could not be replaced.
    async fn update(&self, change: Change) -> Result<Contents, StoreError>;

    /// Makes public what others have to know of a bundle in use. Where they read the texts themselves, there is nothing to do.
    ///
    /// # Errors
    /// When it could not be made public.
    async fn publish(&self, _in_use: &Contents) -> Result<(), StoreError> {
        Ok(())
    }

    /// Waits until the texts may have changed, by whomever. One task waits here, and goes on waiting.
    async fn changed(&self);

    /// Where a text is, for messages.
    fn place(&self, part: Part) -> String;
}
