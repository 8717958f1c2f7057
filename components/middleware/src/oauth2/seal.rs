//! What a browser keeps for us: sealed with a key of this process (AES-256-GCM), so that it can neither be read nor made.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use component::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

const PURPOSE: &[u8] = b"trilby oauth2 login";
const NONCE_BYTES: usize = 12;

/// A login that is under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    /// What the server has to bring back.
    pub(super) state: String,
    /// Where the browser wanted to go.
    pub(super) address: String,
    /// When it is too late, in seconds since 1970.
    pub(super) ends: u64,
}

/// Seals logins, and opens them again.
pub(super) struct Seal(RandomizedNonceKey);

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seal")
    }
}

fn failed(what: &str) -> Error {
    Error::new(ErrorKind::Internal, what)
}

impl Seal {
    /// A seal that nobody else has.
    pub(super) fn new() -> Result<Self, Error> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| failed("there is no randomness"))?;
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(Self).map_err(|_| failed("the key cannot be used"))
    }

    /// The login as a cookie's value.
    pub(super) fn close(&self, login: &Login) -> Result<String, Error> {
        let mut bytes = serde_json::to_vec(login).map_err(|_| failed("the login cannot be written"))?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(PURPOSE), &mut bytes);
        let nonce = nonce.map_err(|_| failed("the login cannot be sealed"))?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The login of a cookie's value; `None` if it is none that we sealed.
    pub(super) fn open(&self, sealed: &str) -> Option<Login> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, bytes) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(PURPOSE), &mut bytes).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

/// A value that nobody can guess: 256 bits.
pub(super) fn random() -> Result<String, Error> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| failed("there is no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether two values are equal, in a time that does not depend on where they differ.
pub(super) fn equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// A time in whole seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_elsewhere_or_changed_is_not_opened() {
        let seal = Seal::new().unwrap();
        let login = Login { state: "s".to_owned(), address: "/a".to_owned(), ends: 7 };
        let sealed = seal.close(&login).unwrap();
        assert_eq!(seal.open(&sealed).unwrap().address, "/a");
        assert!(Seal::new().unwrap().open(&sealed).is_none());
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        bytes[20] ^= 1;
        assert!(seal.open(&URL_SAFE_NO_PAD.encode(bytes)).is_none());
        assert!(seal.open("short").is_none());
    }
}
