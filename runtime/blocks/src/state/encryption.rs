//! Values that are stored encrypted (`primaryEncryptionKey`, `secondaryEncryptionKey`), in the target's form, so that either
//! runtime reads what the other wrote: base64 of nonce, AES-GCM text and tag, then `||` and the name of the secret that
//! holds the key. Made by admission, used by the state block; no key may reach a log or an error.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component::state::{Operation, SetRequest, Stored};
use component::{Error, ErrorKind, Metadata, Properties, Spec};

/// Names of the keys in a component's metadata.
pub(super) const PRIMARY: &str = "primaryEncryptionKey";
pub(super) const SECONDARY: &str = "secondaryEncryptionKey";

const SEPARATOR: &[u8] = b"||";

/// The keys of one store.
#[derive(Debug)]
pub(super) struct Encryption {
    store: String,
    /// Encrypts; also decrypts what has its name.
    primary: Key,
    /// Decrypts only.
    secondary: Option<Key>,
}

struct Key {
    /// The name of the secret, as it stands on each value.
    name: String,
    cipher: LessSafeKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Encryption {
    /// The keys that a component asks for; `None` where it asks for none. Whatever stands in the way is an error: the
    /// target stores in the clear where a key is not found.
    ///
    /// # Errors
    /// `InvalidArgument`, without the key.
    pub(super) fn of(spec: &Spec, properties: &Properties) -> Result<Option<Self>, Error> {
        let (primary, secondary) = (Key::of(PRIMARY, spec, properties)?, Key::of(SECONDARY, spec, properties)?);
        match (primary, secondary) {
            (Some(primary), secondary) => Ok(Some(Self { store: spec.name.clone(), primary, secondary })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(refused(format!(
                "{SECONDARY} needs {PRIMARY} beside it: without that, values would be stored in the clear"
            ))),
        }
    }

    /// A value as it is to be stored.
    ///
    /// # Errors
    /// `Internal` where the machine has no randomness.
    pub(super) fn seal(&self, value: &[u8]) -> Result<Bytes, Error> {
        let mut nonce = [0_u8; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| self.failure("no randomness for a nonce"))?;
        self.seal_with(nonce, value)
    }

    fn seal_with(&self, nonce: [u8; NONCE_LEN], value: &[u8]) -> Result<Bytes, Error> {
        let mut text = value.to_vec();
        let sealed =
            self.primary.cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text);
        sealed.map_err(|_| self.failure("the value is too long to be encrypted"))?;
        let mut whole = Vec::with_capacity(NONCE_LEN + text.len());
        whole.extend_from_slice(&nonce);
        whole.extend_from_slice(&text);
        let mut stored = STANDARD.encode(whole).into_bytes();
        stored.extend_from_slice(SEPARATOR);
        stored.extend_from_slice(self.primary.name.as_bytes());
        Ok(stored.into())
    }

    /// A stored value as it was given; an empty one stays empty.
    ///
    /// # Errors
    /// `Internal` for a value that was not stored encrypted, was changed, or has another key.
    pub(super) fn open(&self, stored: &[u8]) -> Result<Bytes, Error> {
        if stored.is_empty() {
            return Ok(Bytes::new());
        }
        let split = stored.windows(SEPARATOR.len()).rposition(|window| window == SEPARATOR);
        let parts = split.and_then(|at| Some((stored.get(..at)?, stored.get(at + SEPARATOR.len()..)?)));
        let Some((text, name)) = parts.filter(|(_, name)| !name.is_empty()) else {
            return Err(self.failure("encryption key name not found on record"));
        };
        let whole = STANDARD.decode(text).map_err(|_| self.failure("the record is not base64"))?;
        let Some((nonce, text)) = whole.split_first_chunk::<NONCE_LEN>() else {
            return Err(self.failure("the record is too short"));
        };
        let mut known = false;
        for key in std::iter::once(&self.primary).chain(&self.secondary).filter(|key| key.name.as_bytes() == name) {
            known = true;
            let mut text = text.to_vec();
            if let Ok(plain) = key.cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text) {
                let length = plain.len();
                text.truncate(length);
                return Ok(text.into());
            }
        }
        Err(self.failure(if known {
            "the record was encrypted with another key, or changed"
        } else {
            "the record was encrypted with a key of another name"
        }))
    }

    /// Seals the value of a request. What is stored is bytes, whatever the value was.
    pub(super) fn seal_request(&self, request: &mut SetRequest) -> Result<(), Error> {
        request.value = self.seal(&request.value)?;
        request.json = false;
        request.content_type = None;
        forget_content_type(&mut request.metadata);
        Ok(())
    }

    /// Seals the values of operations.
    pub(super) fn seal_operations(&self, operations: &mut [Operation]) -> Result<(), Error> {
        operations.iter_mut().try_for_each(|operation| match operation {
            Operation::Upsert(request) => self.seal_request(request),
            Operation::Delete(request) => {
                forget_content_type(&mut request.metadata);
                Ok(())
            }
        })
    }

    /// Opens what was read.
    pub(super) fn open_stored(&self, mut stored: Stored) -> Result<Stored, Error> {
        stored.data = self.open(&stored.data)?;
        Ok(stored)
    }

    fn failure(&self, why: &str) -> Error {
        let store = &self.store;
        Error::new(ErrorKind::Internal, format!("could not decrypt data for state store {store}: {why}"))
            .with_retry(component::Retry::Never)
    }
}

impl Key {
    fn of(name: &str, spec: &Spec, properties: &Properties) -> Result<Option<Self>, Error> {
        let Some(given) = properties.get(name) else { return Ok(None) };
        let item = spec.metadata.iter().find(|item| item.name.eq_ignore_ascii_case(name));
        let Some(secret) = item.and_then(|item| item.secret.as_ref()) else {
            let message = format!("{name} must come from a secret (secretKeyRef): its name is stored with each value");
            return Err(refused(message));
        };
        if given.is_empty() {
            let (secret, key) = (&secret.name, if secret.key.is_empty() { &secret.name } else { &secret.key });
            return Err(refused(format!("{name}: the secret {secret} has no value for the key {key}")));
        }
        let bytes = from_hex(given).ok_or_else(|| refused(format!("{name} is not hexadecimal")))?;
        let cipher = algorithm(bytes.len()).and_then(|algorithm| UnboundKey::new(algorithm, &bytes).ok());
        let cipher = cipher.ok_or_else(|| {
            refused(format!(
                "{name} has {} bytes: an AES key has 16, 24 or 32, as 32, 48 or 64 hexadecimal digits",
                bytes.len()
            ))
        })?;
        Ok(Some(Self { name: secret.name.clone(), cipher: LessSafeKey::new(cipher) }))
    }
}

/// Takes the media type of the value out of a request: some stores keep JSON in another way, which a sealed value is not.
pub(super) fn forget_content_type(metadata: &mut Metadata) {
    metadata.retain(|name, _| !name.eq_ignore_ascii_case("contentType"));
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("failed to extract encryption key: {message}"))
}

fn algorithm(length: usize) -> Option<&'static Algorithm> {
    match length {
        16 => Some(&AES_128_GCM),
        24 => Some(&AES_192_GCM),
        32 => Some(&AES_256_GCM),
        _ => None,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests;
