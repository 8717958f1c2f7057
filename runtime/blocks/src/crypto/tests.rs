//! What the cryptography API promises, on a provider in memory that wraps by turning bits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use component::{
    Backend, Constructing, Constructor, ErrorKind, Host, Registration, Registry, Setup, Spec, Tasks, Version,
};
use loaded::{Admitted, Loader};

use super::*;

/// Knows the key `k`; any other is not there.
struct Turning;

impl Backend for Turning {}

fn turned(using: Using<'_>, bytes: &[u8]) -> Result<Bytes, component::Error> {
    match using.key {
        "k" => Ok(bytes.iter().map(|byte| byte ^ 0x55).collect()),
        _ => Err(component::Error::new(ErrorKind::NotFound, "t0psecret detail")),
    }
}

#[async_trait::async_trait]
impl CryptoProvider for Turning {
    async fn public_key(&self, _: &CallContext, key: &str, _: KeyFormat) -> Result<String, component::Error> {
        match key {
            "k" => Ok("the key".to_owned()),
            _ => Err(component::Error::new(ErrorKind::NotFound, "key not found")),
        }
    }

    async fn encrypt(&self, _: &CallContext, using: Using<'_>, plain: &[u8]) -> Result<Encrypted, component::Error> {
        Ok(Encrypted { ciphertext: turned(using, plain)?, tag: Bytes::copy_from_slice(using.nonce) })
    }

    async fn decrypt(
        &self,
        _: &CallContext,
        using: Using<'_>,
        ciphertext: &[u8],
        _: &[u8],
    ) -> Result<Bytes, component::Error> {
        turned(using, ciphertext)
    }

    async fn wrap_key(
        &self,
        _: &CallContext,
        using: Using<'_>,
        key: KeyToWrap<'_>,
    ) -> Result<Encrypted, component::Error> {
        let (KeyToWrap::Raw(bytes) | KeyToWrap::Written(bytes)) = key;
        Ok(Encrypted { ciphertext: turned(using, bytes)?, ..Encrypted::default() })
    }

    async fn unwrap_key(
        &self,
        _: &CallContext,
        using: Using<'_>,
        wrapped_key: &[u8],
        _: &[u8],
    ) -> Result<Bytes, component::Error> {
        turned(using, wrapped_key)
    }

    async fn sign(&self, _: &CallContext, using: Using<'_>, digest: &[u8]) -> Result<Bytes, component::Error> {
        turned(using, digest)
    }

    async fn verify(
        &self,
        _: &CallContext,
        using: Using<'_>,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, component::Error> {
        Ok(turned(using, digest)? == signature)
    }
}

fn make(_: Setup) -> Constructing<dyn CryptoProvider> {
    Box::pin(async { Ok(Arc::new(Turning) as Arc<dyn CryptoProvider>) })
}

const ROWS: &[Registration] = &[Registration {
    component_type: "crypto.turning",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[],
    constructor: Constructor::CryptoProvider(make),
}];

async fn crypto(subtle: bool) -> Crypto {
    let components = LoadedComponents::default();
    let admission: loaded::Admission = Arc::new(|_, properties| Ok(Admitted::from(properties)));
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, components.clone());
    let spec = Spec {
        name: "vault".to_owned(),
        namespace: String::new(),
        component_type: "crypto.turning".to_owned(),
        version: "v1".to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    Crypto::new(components, subtle)
}

struct Given(VecDeque<Result<Bytes, InputFault>>);

#[async_trait::async_trait]
impl Input for Given {
    async fn next(&mut self) -> Option<Result<Bytes, InputFault>> {
        self.0.pop_front()
    }
}

fn given(bytes: &[u8], piece: usize) -> Box<dyn Input> {
    Box::new(Given(bytes.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()))
}

fn broken(bytes: &[u8]) -> Box<dyn Input> {
    Box::new(Given([Ok(Bytes::copy_from_slice(bytes)), Err(InputFault("cut".to_owned()))].into()))
}

async fn all(document: &mut Document) -> (Vec<u8>, Option<String>) {
    let mut out = Vec::new();
    loop {
        match document.next().await {
            None => return (out, None),
            Some(Ok(piece)) => out.extend_from_slice(&piece),
            Some(Err(error)) => return (out, Some(error.to_string())),
        }
    }
}

fn wanted() -> Encrypt {
    Encrypt { key: "k".to_owned(), algorithm: "aes".to_owned(), ..Encrypt::default() }
}

async fn encrypted(crypto: &Crypto, wanted: &Encrypt, plaintext: &[u8]) -> Vec<u8> {
    let provider = crypto.provider("vault").unwrap();
    let mut document = provider.encrypt(&CallContext::default(), wanted, given(plaintext, 7000)).await.unwrap();
    let (out, error) = all(&mut document).await;
    assert_eq!(error, None);
    out
}

async fn decrypting(crypto: &Crypto, key: &str, input: Box<dyn Input>) -> Result<Document, String> {
    let provider = crypto.provider("vault").unwrap();
    provider.decrypt(&CallContext::default(), key, input).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_document_comes_back_whole_and_its_pieces_are_a_header_and_segments() {
    let crypto = crypto(false).await;
    let plaintext: Vec<u8> = (0..150_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let provider = crypto.provider("vault").unwrap();
    let context = CallContext::default();
    let mut document = provider.encrypt(&context, &wanted(), given(&plaintext, 7000)).await.unwrap();
    let (mut lengths, mut whole) = (Vec::new(), Vec::new());
    while let Some(piece) = document.next().await {
        let piece = piece.unwrap();
        lengths.push(piece.len());
        whole.extend_from_slice(&piece);
    }
    assert_eq!(lengths[1..], [65_552, 65_552, 150_000 - 2 * 65_536 + 16]);
    assert!(document.next().await.is_none());
    for piece in [1000, 1 << 20] {
        let mut document = decrypting(&crypto, "", given(&whole, piece)).await.unwrap();
        assert!(all(&mut document).await == (plaintext.clone(), None));
        assert!(document.next().await.is_none());
    }
}

#[tokio::test]
async fn the_document_names_the_key_it_is_told_to() {
    let crypto = crypto(false).await;
    for (omit, other, named) in [(false, "", r#""k":"k""#), (false, "o", r#""k":"o""#), (true, "o", r#"{"kw""#)] {
        let wanted = Encrypt { omit_decryption_key: omit, decryption_key: other.to_owned(), ..wanted() };
        let whole = encrypted(&crypto, &wanted, b"hello").await;
        assert!(String::from_utf8_lossy(&whole).contains(named), "{named}");
        let mut document = decrypting(&crypto, "k", given(&whole, 10)).await.unwrap();
        assert_eq!(all(&mut document).await, (b"hello".to_vec(), None));
        let unnamed = decrypting(&crypto, "", given(&whole, 10)).await.err();
        match (omit, other) {
            (true, _) => {
                assert!(unnamed.unwrap().contains("does not contain a key name, and no key name was provided"))
            }
            (false, "") => assert_eq!(unnamed, None),
            _ => assert!(unnamed.unwrap().ends_with("failed to validate the document's signature")),
        }
    }
}

#[tokio::test]
async fn what_is_wrong_before_the_start_is_told_in_the_targets_words() {
    let (crypto, context) = (crypto(false).await, CallContext::default());
    let none = Crypto::new(LoadedComponents::default(), false);
    assert_eq!(none.provider("").err().unwrap().to_string(), "crypto providers not configured");
    assert_eq!(crypto.provider("").err(), Some(Error::NameEmpty));
    assert_eq!(crypto.provider("x").err().unwrap().to_string(), "crypto provider x not found");
    let provider = crypto.provider("vault").unwrap();
    for (change, expected) in [
        (
            Encrypt { algorithm: "foo".to_owned(), ..wanted() },
            "option Algorithm is not valid: algorithm FOO is not supported",
        ),
        (Encrypt { cipher: "x".to_owned(), ..wanted() }, "option Cipher is not valid: cipher X is not supported"),
        (Encrypt { key: "x".to_owned(), ..wanted() }, "failed to wrap the file key: t0psecret detail"),
    ] {
        let error = provider.encrypt(&context, &change, given(b"", 1)).await.err().unwrap().to_string();
        assert_eq!(error, format!("failed to perform operation: {expected}"));
    }
    let error = decrypting(&crypto, "", given(b"foo", 1)).await.err().unwrap();
    assert_eq!(error, "failed to perform operation: invalid header: scheme name not found");
    let error = decrypting(&crypto, "", broken(b"dapr.io")).await.err().unwrap();
    assert_eq!(error, "failed to perform operation: cut");
}

#[tokio::test]
async fn a_key_that_is_not_there_looks_like_a_wrong_one() {
    let crypto = crypto(false).await;
    let whole = encrypted(&crypto, &wanted(), b"hello").await;
    let error = decrypting(&crypto, "x", given(&whole, 100)).await.err().unwrap();
    assert_eq!(error, "failed to perform operation: failed to validate the document's signature");
}

#[tokio::test]
async fn an_input_that_breaks_off_or_is_wrong_never_ends_as_if_it_were_whole() {
    let crypto = crypto(false).await;
    let provider = crypto.provider("vault").unwrap();
    let plaintext = vec![1; 100_000];
    let mut document = provider.encrypt(&CallContext::default(), &wanted(), broken(&plaintext)).await.unwrap();
    assert_eq!(all(&mut document).await.1.as_deref(), Some("cut"));
    assert!(document.next().await.is_none());

    let whole = encrypted(&crypto, &wanted(), &plaintext).await;
    let mut document = decrypting(&crypto, "", broken(&whole)).await.unwrap();
    let (out, error) = all(&mut document).await;
    assert_eq!((out.len(), error.as_deref()), (65_536, Some("cut")));

    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut document = decrypting(&crypto, "", given(&changed, 9000)).await.unwrap();
    let (out, error) = all(&mut document).await;
    assert_eq!(error.as_deref(), Some("error processing segment 1: failed to decrypt segment"));
    assert_eq!(out.len(), 65_536);
    assert!(document.next().await.is_none());
}

#[tokio::test]
async fn the_subtle_api_is_off_unless_it_is_turned_on() {
    let (off, on, context) = (crypto(false).await, crypto(true).await, CallContext::default());
    assert_eq!(off.subtle("vault").err(), Some(Error::SubtleOff));
    let provider = on.subtle("vault").unwrap();
    let subtle = |key| Subtle { key, algorithm: "A256GCM", nonce: b"n", associated_data: &[] };
    let made = provider.subtle_encrypt(&context, subtle("k"), b"hello").await.unwrap();
    assert_eq!(&made.tag[..], b"n");
    assert_eq!(provider.subtle_decrypt(&context, subtle("k"), &made.ciphertext, b"").await.unwrap(), "hello");
    let wrapped = provider.subtle_wrap(&context, subtle("k"), b"hello").await.unwrap();
    assert_eq!(provider.subtle_unwrap(&context, subtle("k"), &wrapped.ciphertext, b"").await.unwrap(), "hello");
    let signature = provider.subtle_sign(&context, subtle("k"), b"hello").await.unwrap();
    assert!(provider.subtle_verify(&context, subtle("k"), b"hello", &signature).await.unwrap());
    assert!(!provider.subtle_verify(&context, subtle("k"), b"hello", b"").await.unwrap());
    assert_eq!(provider.public_key(&context, "k", KeyFormat::Pem).await.unwrap(), "the key");
    let error = provider.public_key(&context, "x", KeyFormat::Pem).await.unwrap_err().to_string();
    assert_eq!(error, "failed to retrieve key x: key not found");
}

#[tokio::test]
async fn a_subtle_failure_says_nothing_of_its_reason() {
    let (crypto, context) = (crypto(true).await, CallContext::default());
    let provider = crypto.subtle("vault").unwrap();
    let subtle = Subtle { key: "x", algorithm: "", nonce: &[], associated_data: &[] };
    let errors = [
        (provider.subtle_encrypt(&context, subtle, b"").await.err(), "failed to encrypt"),
        (provider.subtle_decrypt(&context, subtle, b"", b"").await.err(), "failed to decrypt"),
        (provider.subtle_wrap(&context, subtle, b"").await.err(), "failed to wrap key"),
        (provider.subtle_unwrap(&context, subtle, b"", b"").await.err(), "failed to unwrap key"),
        (provider.subtle_sign(&context, subtle, b"").await.err(), "failed to sign"),
        (provider.subtle_verify(&context, subtle, b"", b"").await.err(), "failed to verify signature"),
    ];
    for (error, expected) in errors {
        assert_eq!(error.unwrap().to_string(), format!("failed to perform operation: {expected}"));
    }
}
