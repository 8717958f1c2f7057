//! What every provider of cryptography promises: messages and keys that come back, signatures that hold, and keys that stay
//! where they are. The ground has the keys of [`KEYS`].

mod keys;
mod messages;
mod signatures;
mod subject;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use subject::Subject;

use crate::kind::checks;
use crate::{Backend, Capability, Check, Checking, Ground, Kind};

/// Providers of cryptography as a kind of component.
pub struct CryptoProviders;

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// So many random bytes.
    Symmetric(usize),
    /// RSA of 2048 bits.
    Rsa,
    /// On the curve P-256.
    P256,
    /// On the curve P-384.
    P384,
    /// On the curve P-521.
    P521,
    /// For EdDSA.
    Ed25519,
}

/// The keys that a ground has. Of each that is not symmetric, `<name>-public` is the public part alone.
pub const KEYS: &[(&str, KeyKind)] = &[
    ("symmetric-128", KeyKind::Symmetric(16)),
    ("symmetric-192", KeyKind::Symmetric(24)),
    ("symmetric-256", KeyKind::Symmetric(32)),
    ("symmetric-384", KeyKind::Symmetric(48)),
    ("symmetric-512", KeyKind::Symmetric(64)),
    ("rsa", KeyKind::Rsa),
    ("p256", KeyKind::P256),
    ("p384", KeyKind::P384),
    ("p521", KeyKind::P521),
    ("ed25519", KeyKind::Ed25519),
];

impl Kind for CryptoProviders {
    const NAME: &'static str = "crypto";
    const TITLE: &'static str = "Providers of cryptography";
    type Profile = ();
    type Subject = Subject;

    fn checks() -> Vec<Check<Self>> {
        checks![
            keys::public_parts_are_given_and_nothing_else[PublicKeys],
            keys::a_symmetric_key_is_not_given[SymmetricKeys],
            keys::a_key_that_is_not_there_is_told[],
            keys::an_unknown_algorithm_is_refused[],
            keys::a_key_of_another_kind_is_refused[],
            messages::symmetric_messages_come_back[SymmetricKeys],
            messages::a_changed_message_is_refused[SymmetricKeys],
            messages::a_nonce_of_another_length_is_refused[SymmetricKeys],
            messages::asymmetric_messages_come_back[],
            messages::a_public_key_encrypts_and_cannot_decrypt[PublicKeys],
            messages::wrapped_keys_come_back[SymmetricKeys],
            messages::keys_wrapped_with_rsa_come_back[],
            signatures::signatures_hold[],
            signatures::a_changed_signature_or_digest_does_not_hold[],
            signatures::a_public_key_verifies_and_cannot_sign[PublicKeys],
            signatures::many_callers_work_at_once[],
        ]
    }

    fn capabilities() -> &'static [Capability] {
        &[Capability::SymmetricKeys, Capability::PublicKeys]
    }

    fn open(
        backend: &'static Backend<Self>,
        ground: Arc<dyn Ground>,
        _scope: String,
    ) -> Pin<Box<dyn Future<Output = Subject> + Send>> {
        Box::pin(Subject::open(backend, ground))
    }

    fn close(subject: Subject) -> Checking {
        Box::pin(subject.close())
    }

    fn notes((): &()) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}
