//! DER, as little of it as certificates need: the elements of a sequence as they stand, sequences made of such, and the
//! signature that certificates and requests carry. Called where a certificate must be taken apart or put together byte for
//! byte; what the parts mean is the caller's matter.

use rustls_pki_types::SignatureVerificationAlgorithm;
use x509_parser::asn1_rs::{Any, FromDer as _};

/// The tags of a sequence and of a bit string (X.690).
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// One element and what follows it.
struct Split<'a> {
    /// Tag, length and content.
    whole: &'a [u8],
    content: &'a [u8],
    rest: &'a [u8],
}

fn split(bytes: &[u8]) -> Option<Split<'_>> {
    let (rest, any) = Any::from_der(bytes).ok()?;
    let whole = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
    Some(Split { whole, content: any.data, rest })
}

/// The elements of a sequence, each with its tag and length. `None` when these bytes are not one sequence and nothing else.
pub(crate) fn elements(sequence: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = content(sequence)?;
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let element = split(rest)?;
        elements.push(element.whole);
        rest = element.rest;
    }
    Some(elements)
}

/// What is inside a sequence.
fn content(sequence: &[u8]) -> Option<&[u8]> {
    let outer = split(sequence)?;
    (sequence.first() == Some(&SEQUENCE) && outer.rest.is_empty()).then_some(outer.content)
}

/// The bytes of a bit string without unused bits.
fn bits(element: &[u8]) -> Option<&[u8]> {
    let outer = split(element)?;
    match outer.content {
        [0, bits @ ..] if element.first() == Some(&BIT_STRING) => Some(bits),
        _ => None,
    }
}

/// The bytes of a positive integer, without zeros before them.
pub(crate) fn positive(element: &[u8]) -> Option<&[u8]> {
    let content = split(element)?.content;
    Some(content.strip_prefix(&[0]).unwrap_or(content))
}

/// A sequence of these elements.
pub(crate) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    tagged(SEQUENCE, &elements.concat())
}

/// A bit string of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tagged(BIT_STRING, &[&[0], bytes].concat())
}

/// An octet string.
pub(crate) fn octet_string(bytes: &[u8]) -> Vec<u8> {
    tagged(0x04, bytes)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            element.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            element.extend(length);
        }
    }
    element.extend_from_slice(content);
    element
}

/// The public key in a SubjectPublicKeyInfo (RFC 5280 4.1.2.7), as the algorithm defines its bytes.
pub(crate) fn public_key(info: &[u8]) -> Option<&[u8]> {
    match elements(info)?.as_slice() {
        [_, key] => bits(key),
        _ => None,
    }
}

/// What certificates, requests and revocation lists have in common: something, and a signature on it.
pub(crate) struct Signed<'a> {
    /// What is signed.
    pub(crate) content: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Takes it apart; `None` when it has another form.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match elements(bytes)?.as_slice() {
            [signed, algorithm, signature] => {
                Some(Self { content: signed, algorithm: content(algorithm)?, signature: bits(signature)? })
            }
            _ => None,
        }
    }

    /// Whether the owner of this public key (a SubjectPublicKeyInfo) has signed it, with an algorithm that counts today: RSA
    /// of 2048 to 8192 bits with SHA-2, ECDSA on P-256, P-384 or P-521, Ed25519.
    pub(crate) fn is_signed_by(&self, info: &[u8]) -> bool {
        let parts = elements(info).unwrap_or_default();
        let [key_algorithm, key] = parts.as_slice() else { return false };
        let (Some(key_algorithm), Some(key)) = (content(key_algorithm), bits(key)) else { return false };
        let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            algorithm.public_key_alg_id().as_ref() == key_algorithm
                && algorithm.signature_alg_id().as_ref() == self.algorithm
        };
        webpki::ALL_VERIFICATION_ALGS
            .iter()
            .find(fits)
            .is_some_and(|it| it.verify_signature(key, self.content, self.signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_put_together_is_taken_apart(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..5)) {
            let elements_in: Vec<Vec<u8>> = parts.iter().map(|part| octet_string(part)).collect();
            let borrowed: Vec<&[u8]> = elements_in.iter().map(Vec::as_slice).collect();
            let whole = sequence(&borrowed);
            prop_assert_eq!(elements(&whole), Some(borrowed));
            let string = bit_string(&whole);
            prop_assert_eq!(bits(&string), Some(whole.as_slice()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = elements(&bytes);
            let _ = public_key(&bytes);
            let _ = Signed::parse(&bytes).map(|signed| signed.is_signed_by(&bytes));
        }
    }

    #[test]
    fn bytes_behind_a_sequence_are_refused() {
        let inside = octet_string(b"a");
        let mut whole = sequence(&[&inside]);
        whole.push(0);
        assert_eq!(elements(&whole), None);
    }
}
