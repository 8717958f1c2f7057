//! Certificate signing requests: the public key that is to be certified, and the proof that whoever asks has the private one.
//! Everything else in a request, names above all, is not even looked at: who asks is the validator's finding.

use std::fmt;

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use x509_parser::pem::Pem;

use crate::der::{self, Signed};

/// Bytes of a request in PEM form; ten times that of the largest RSA key.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// The labels of a PEM block that holds a request; the second is what sidecars before 1.12 wrote.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "CERTIFICATE"];

/// Why a request cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It has more than 64 KiB.
    TooLarge(usize),
    /// No PEM block, or one of something else.
    NoRequest,
    /// The block holds no request (RFC 2986).
    Malformed,
    /// The signature is not by the key inside, or that key or the signature is of a kind that is not accepted.
    Signature,
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(
                formatter,
                "the certificate signing request is too large: {bytes} bytes, and {MAX_BYTES} are allowed"
            ),
            Self::NoRequest => formatter.write_str("invalid certificate signing request"),
            Self::Malformed => formatter.write_str("failed to parse certificate signing request"),
            Self::Signature => formatter.write_str(
                "invalid signature: the request must be signed by its own key, which may be RSA of 2048 to 8192 bits, \
                 ECDSA on P-256, P-384 or P-521, or Ed25519",
            ),
        }
    }
}

impl std::error::Error for Unusable {}

/// The public key of a request in PEM form, once its signature has shown that the private key is there.
///
/// # Errors
/// [`Unusable`].
pub fn public_key_of_pem(pem: &[u8]) -> Result<SubjectPublicKeyInfo, Unusable> {
    if pem.len() > MAX_BYTES {
        return Err(Unusable::TooLarge(pem.len()));
    }
    let block = Pem::iter_from_buffer(pem).next().and_then(Result::ok).ok_or(Unusable::NoRequest)?;
    if !LABELS.contains(&block.label.as_str()) {
        return Err(Unusable::NoRequest);
    }
    public_key(&CertificateSigningRequestDer::from(block.contents))
}

/// As [`public_key_of_pem`], of a request in DER form.
///
/// # Errors
/// [`Unusable`].
pub fn public_key(request: &CertificateSigningRequestDer<'_>) -> Result<SubjectPublicKeyInfo, Unusable> {
    let signed = Signed::parse(request).ok_or(Unusable::Malformed)?;
    let parts = der::elements(signed.content).ok_or(Unusable::Malformed)?;
    // Version, subject, key, attributes; the attributes are not optional, and some writers leave them out.
    let [_, _, key, ..] = parts.as_slice() else { return Err(Unusable::Malformed) };
    if parts.len() > 4 {
        return Err(Unusable::Malformed);
    }
    if !signed.is_signed_by(key) {
        return Err(Unusable::Signature);
    }
    SubjectPublicKeyInfo::from_der(key).map_err(|_| Unusable::Signature)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SignatureAlgorithm};

    use super::*;

    fn request(algorithm: &'static SignatureAlgorithm) -> (String, KeyPair) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["admin.example.com".to_owned()]).unwrap();
        (params.serialize_request(&key).unwrap().pem().unwrap(), key)
    }

    #[test]
    fn the_key_of_every_accepted_kind_is_found() {
        for algorithm in [
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let (pem, key) = request(algorithm);
            assert_eq!(public_key_of_pem(pem.as_bytes()).unwrap().der_bytes(), key.der_bytes(), "{algorithm:?}");
            let old = pem.replace("CERTIFICATE REQUEST", "CERTIFICATE");
            assert!(public_key_of_pem(old.as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let (pem, _) = request(&rcgen::PKCS_ED25519);
        let block = Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap();
        let mut bytes = block.contents;
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(public_key(&bytes.into()).unwrap_err(), Unusable::Signature);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let (pem, key) = request(&rcgen::PKCS_ED25519);
        assert_eq!(public_key_of_pem(b"").unwrap_err(), Unusable::NoRequest);
        assert_eq!(public_key_of_pem(key.serialize_pem().as_bytes()).unwrap_err(), Unusable::NoRequest);
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        assert!(public_key_of_pem(certificate.as_bytes()).is_err());
        let padded = pem + &"x".repeat(MAX_BYTES);
        assert_eq!(public_key_of_pem(padded.as_bytes()).unwrap_err(), Unusable::TooLarge(padded.len()));
    }

    #[test]
    fn keys_that_are_too_weak_are_refused() {
        assert_eq!(public_key_of_pem(RSA_1024.as_bytes()).unwrap_err(), Unusable::Signature);
        assert_eq!(public_key_of_pem(P224.as_bytes()).unwrap_err(), Unusable::Signature);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = public_key_of_pem(&bytes);
            let _ = public_key(&bytes.into());
        }
    }

    /// Made with `openssl req -new -newkey rsa:1024 -nodes -subj /`.
    const RSA_1024: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIIBPzCBqQIBADAAMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCyz2g4OhIW
9Bt9dGFP6jccRae+ppyxqLQmzQ46tNFbZ0bIdqEPtQg+95Qx5krDujRyU82NpGTI
AjqdQznA5ZVZcT+vpsI4LF+lYExwCmpvtAcfJQE07eaH1XPdBcfNZ99XszRCX26U
zGy8+1mhch4H8StworfYr6LB8+jFZ8HDnQIDAQABoAAwDQYJKoZIhvcNAQELBQAD
gYEAIoYhiOXGZYPQMT+CCQmQwMFBih2QBBJCJuZID1j0UUAXB8csUsat/xysZtgt
+MXt7vjx7S7KycXBQqnxIia0eH58vEx46WifPflKBFLGwKvYbrwugSEv1ViCUq6D
qJHIDvAacMsD22XNyPfPmAQ6MLpOnk+IQ/Y9wGlRLSSxbkE=
-----END CERTIFICATE REQUEST-----
";

    /// Made with `openssl req -new -subj /` and a key of secp224r1.
    const P224: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIGnMFcCAQAwADBOMBAGByqGSM49AgEGBSuBBAAhAzoABMyfNBrWeSqP7ySbr8PZ
HkPO43ZyXmIKqZHQvo1J4Hw8YYIL8MJv4AVyz/dnSmvSYqrlxdN96wL8oAAwCgYI
KoZIzj0EAwIDQAAwPQIcB8JlofwVVFCIeNf+kVVohFqccGD+r2Nl+bl3BAIdAMSf
+aYfT+gcC5iIMokT3ny2nfjc0mooipMV3Vk=
-----END CERTIFICATE REQUEST-----
";
}
