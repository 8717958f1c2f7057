//! Keys by their names: what is given of them, and what is not.

use component::crypto::{KeyFormat, Using};
use component::{CallContext, Error, ErrorKind};

use super::subject::{MESSAGE, using};
use super::{KEYS, KeyKind, Subject};

async fn public(subject: &Subject, key: &str, format: KeyFormat) -> Result<String, Error> {
    subject.provider.public_key(&CallContext::default(), key, format).await
}

pub(super) async fn public_parts_are_given_and_nothing_else(subject: Subject) {
    for (name, kind) in KEYS.iter().filter(|(_, kind)| !matches!(kind, KeyKind::Symmetric(_))) {
        let mut seen = Vec::new();
        for key in [(*name).to_owned(), format!("{name}-public")] {
            let pem = public(&subject, &key, KeyFormat::Pem).await.unwrap_or_else(|error| panic!("{key}: {error}"));
            assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{key} {kind:?}: {pem:.40}");
            assert!(!pem.contains("PRIVATE"), "{key}");
            let json = public(&subject, &key, KeyFormat::Json).await.unwrap_or_else(|error| panic!("{key}: {error}"));
            let expected = match kind {
                KeyKind::Rsa => r#""kty":"RSA""#,
                KeyKind::Ed25519 => r#""kty":"OKP""#,
                _ => r#""kty":"EC""#,
            };
            assert!(json.replace(' ', "").contains(expected), "{key}");
            for private in [r#""d":"#, r#""p":"#, r#""q":"#, r#""dp":"#, r#""k":"#] {
                assert!(!json.replace(' ', "").contains(private), "{key} gives its private part");
            }
            seen.push(pem);
        }
        assert_eq!(seen[0], seen[1], "{name}: the public part of the private key is that of the public one");
    }
}

pub(super) async fn a_symmetric_key_is_not_given(subject: Subject) {
    for (name, _) in KEYS.iter().filter(|(_, kind)| matches!(kind, KeyKind::Symmetric(_))) {
        for format in [KeyFormat::Pem, KeyFormat::Json] {
            let error = public(&subject, name, format).await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::NotFound, "{name}: {error}");
        }
    }
}

pub(super) async fn a_key_that_is_not_there_is_told(subject: Subject) {
    for name in ["foo", "../rsa", "/etc/passwd", "../../../../etc/passwd", "rsa/../rsa", "a\0b", ".", "grüß"] {
        let error = public(&subject, name, KeyFormat::Pem).await.expect_err(name);
        assert!(name != "foo" || error.kind() == ErrorKind::NotFound, "{error}");
        assert!(subject.sign(using(name, "RS256"), &[0; 32]).await.is_err(), "{name:?}");
        assert!(subject.decrypt(using(name, "RSA-OAEP"), MESSAGE, &[]).await.is_err(), "{name:?}");
    }
}

pub(super) async fn an_unknown_algorithm_is_refused(subject: Subject) {
    for algorithm in ["", "none", "A256", "RSA", "HS256", "rs256", "A256GCM "] {
        for key in ["rsa", "p256", "symmetric-256"] {
            let asked = Using { nonce: &[0; 12], ..using(key, algorithm) };
            let encrypted = subject.provider.encrypt(&CallContext::default(), asked, MESSAGE).await;
            let failures = [encrypted.err(), subject.sign(asked, &[0; 32]).await.err()];
            for error in failures {
                let error = error.unwrap_or_else(|| panic!("{algorithm:?} was taken with {key}"));
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::InvalidArgument | ErrorKind::NotSupported), "{algorithm}: {kind:?}");
            }
        }
    }
}

pub(super) async fn a_key_of_another_kind_is_refused(subject: Subject) {
    let nonce = [0; 12];
    for (key, algorithm) in [
        ("rsa", "A256GCM"),
        ("p256", "A256GCM"),
        ("symmetric-128", "A256GCM"),
        ("symmetric-256", "RSA-OAEP"),
        ("p256", "RSA-OAEP"),
    ] {
        let asked = Using { nonce: &nonce, ..using(key, algorithm) };
        let encrypted = subject.provider.encrypt(&CallContext::default(), asked, MESSAGE).await;
        assert!(encrypted.is_err(), "{algorithm} was done with {key}");
    }
    for (key, algorithm) in [("rsa", "ES256"), ("p256", "RS256"), ("p384", "ES256"), ("ed25519", "ES256")] {
        assert!(subject.sign(using(key, algorithm), &[0; 32]).await.is_err(), "{algorithm} was done with {key}");
    }
}
