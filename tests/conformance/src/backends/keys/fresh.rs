//! Fresh keys, written as files and as JSON Web Keys. For `keys`; nothing here is a secret of anybody.

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, EcPrivateKeyBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::crypto::KeyKind;

/// A key in all the forms that are asked for.
pub(super) struct Fresh {
    /// As a file has it.
    file: Vec<u8>,
    public: Option<Vec<u8>>,
    /// The members of a JSON Web Key: what everyone may know, and the rest.
    members: (String, String),
}

impl Fresh {
    pub(super) fn new(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Symmetric(length) => symmetric(length),
            KeyKind::Rsa => rsa(),
            KeyKind::P256 => elliptic(&ECDSA_P256_SHA256_ASN1_SIGNING, "P-256"),
            KeyKind::P384 => elliptic(&ECDSA_P384_SHA384_ASN1_SIGNING, "P-384"),
            KeyKind::P521 => elliptic(&ECDSA_P521_SHA512_ASN1_SIGNING, "P-521"),
            KeyKind::Ed25519 => edwards(),
        }
    }

    /// PEM, or the bare bytes of a symmetric key.
    pub(super) fn file(&self) -> Vec<u8> {
        if self.public.is_some() { pem("PRIVATE KEY", &self.file).into_bytes() } else { self.file.clone() }
    }

    pub(super) fn public_pem(&self) -> Option<String> {
        self.public.as_ref().map(|der| pem("PUBLIC KEY", der))
    }

    /// The whole key as a JSON Web Key of this name.
    pub(super) fn json(&self, name: &str) -> String {
        format!(r#"{{"kid":"{name}",{},{}}}"#, self.members.0, self.members.1)
    }

    /// Its public part, if it has one.
    pub(super) fn public_json(&self, name: &str) -> Option<String> {
        self.public.as_ref().map(|_| format!(r#"{{"kid":"{name}",{}}}"#, self.members.0))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn member(name: &str, value: &[u8]) -> String {
    format!(r#""{name}":"{}""#, URL_SAFE_NO_PAD.encode(value))
}

fn symmetric(length: usize) -> Fresh {
    let mut bytes = vec![0; length];
    fastrand::Rng::new().fill(&mut bytes);
    let members = (r#""kty":"oct""#.to_owned(), member("k", &bytes));
    Fresh { file: bytes, public: None, members }
}

fn rsa() -> Fresh {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private = AsDerOf::<Pkcs8V1Der<'static>>::bytes(&pair);
    let public = pair.public_key().as_der().map(|der: PublicKeyX509Der<'_>| der.as_ref().to_vec()).expect("DER");
    let numbers = numbers(&private);
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let text: Vec<String> = names.iter().zip(&numbers[1..]).map(|(name, number)| member(name, number)).collect();
    let members = (format!(r#""kty":"RSA",{}"#, text[..2].join(",")), text[2..].join(","));
    Fresh { file: private, public: Some(public), members }
}

/// A short way to the DER of a private key.
trait AsDerOf<T> {
    fn bytes(&self) -> Vec<u8>;
}

impl AsDerOf<Pkcs8V1Der<'static>> for RsaKeyPair {
    fn bytes(&self) -> Vec<u8> {
        let der: Pkcs8V1Der<'static> = self.as_der().expect("DER");
        der.as_ref().to_vec()
    }
}

/// The numbers of an RSA key in PKCS#8, without leading zeros.
fn numbers(pkcs8: &[u8]) -> Vec<Vec<u8>> {
    const INTEGER: u8 = 2;
    let key = contents(contents(pkcs8)[0].1)
        .into_iter()
        .find(|(tag, _)| *tag == 4)
        .map(|(_, content)| contents(content)[0].1)
        .expect("a private key");
    let integers = contents(key).into_iter().filter(|(tag, _)| *tag == INTEGER);
    integers.map(|(_, number)| number.iter().copied().skip_while(|byte| *byte == 0).collect()).collect()
}

/// The elements of DER that follow on each other: tag and content.
fn contents(mut der: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, first, rest @ ..] = der {
        let long = if *first >= 0x80 { usize::from(first & 0x7f) } else { 0 };
        let (size, rest) = rest.split_at(long);
        let length = if long == 0 {
            usize::from(*first)
        } else {
            size.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let (content, after) = rest.split_at(length);
        found.push((*tag, content));
        der = after;
    }
    found
}

fn elliptic(algorithm: &'static EcdsaSigningAlgorithm, curve: &str) -> Fresh {
    let pair = EcdsaKeyPair::generate(algorithm).expect("a key");
    let private = pair.to_pkcs8v1().expect("DER").as_ref().to_vec();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().expect("bytes");
    // Uncompressed: a four, then both coordinates.
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    let members =
        (format!(r#""kty":"EC","crv":"{curve}",{},{}"#, member("x", x), member("y", y)), member("d", scalar.as_ref()));
    Fresh { file: private, public: Some(public.as_ref().to_vec()), members }
}

fn edwards() -> Fresh {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let private = pair.to_pkcs8v1().expect("DER").as_ref().to_vec();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
    let seed = pair.seed().expect("a seed");
    let seed = aws_lc_rs::encoding::AsBigEndian::<aws_lc_rs::encoding::Curve25519SeedBin<'_>>::as_be_bytes(&seed);
    let members = (
        format!(r#""kty":"OKP","crv":"Ed25519",{}"#, member("x", pair.public_key().as_ref())),
        member("d", seed.expect("bytes").as_ref()),
    );
    Fresh { file: private, public: Some(public.as_ref().to_vec()), members }
}
