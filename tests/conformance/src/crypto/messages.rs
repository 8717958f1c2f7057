//! What is encrypted comes back, or is refused if somebody has changed it.

use component::CallContext;
use component::crypto::{KeyToWrap, Using};

use super::Subject;
use super::subject::{CIPHERS, MESSAGE, RSA, Symmetric, WRAPPINGS, changed, random, using};

const BESIDE: &[u8] = b"beside";

pub(super) async fn symmetric_messages_come_back(subject: Subject) {
    for Symmetric(algorithm, key, nonce, proves) in CIPHERS {
        let nonce = random(*nonce);
        let asked = Using { nonce: &nonce, ..using(key, algorithm) };
        let encrypted = subject.encrypt(asked).await;
        assert_eq!(!encrypted.tag.is_empty(), *proves, "the tag of {algorithm}");
        let decrypted = subject.decrypt(asked, &encrypted.ciphertext, &encrypted.tag).await;
        assert_eq!(decrypted.unwrap_or_else(|error| panic!("{algorithm}: {error}")), MESSAGE, "{algorithm}");
        let other = Using { key: "foo", ..asked };
        assert!(subject.decrypt(other, &encrypted.ciphertext, &encrypted.tag).await.is_err(), "{algorithm}");
    }
}

pub(super) async fn a_changed_message_is_refused(subject: Subject) {
    for Symmetric(algorithm, key, nonce, _) in CIPHERS.iter().filter(|cipher| cipher.3) {
        let (nonce, other) = (random(*nonce), random(*nonce));
        let asked = Using { nonce: &nonce, associated_data: BESIDE, ..using(key, algorithm) };
        let encrypted = subject.encrypt(asked).await;
        let (text, tag) = (&encrypted.ciphertext[..], &encrypted.tag[..]);
        assert_eq!(subject.decrypt(asked, text, tag).await.expect("unchanged"), MESSAGE, "{algorithm}");
        let refused = [
            subject.decrypt(asked, &changed(text), tag).await,
            subject.decrypt(asked, text, &changed(tag)).await,
            subject.decrypt(asked, text, &random(tag.len())).await,
            subject.decrypt(asked, text, &[]).await,
            subject.decrypt(Using { associated_data: b"other", ..asked }, text, tag).await,
            subject.decrypt(Using { nonce: &other, ..asked }, text, tag).await,
        ];
        for (case, decrypted) in refused.into_iter().enumerate() {
            assert!(decrypted.is_err(), "{algorithm} took what was changed, case {case}");
        }
    }
}

pub(super) async fn a_nonce_of_another_length_is_refused(subject: Subject) {
    for Symmetric(algorithm, key, nonce, _) in CIPHERS {
        for length in [0, 1, *nonce - 1, *nonce + 1] {
            let nonce = random(length);
            let asked = Using { nonce: &nonce, ..using(key, algorithm) };
            let encrypted = subject.provider.encrypt(&CallContext::default(), asked, MESSAGE).await;
            assert!(encrypted.is_err(), "{algorithm} took a nonce of {length} bytes");
            assert!(subject.decrypt(asked, &[0; 32], &[0; 16]).await.is_err(), "{algorithm}, {length} bytes");
        }
    }
}

pub(super) async fn asymmetric_messages_come_back(subject: Subject) {
    for algorithm in RSA {
        let asked = using("rsa", algorithm);
        let (once, again) = (subject.encrypt(asked).await, subject.encrypt(asked).await);
        assert_ne!(once.ciphertext, again.ciphertext, "{algorithm} is not random");
        assert!(once.tag.is_empty(), "{algorithm}");
        let decrypted = subject.decrypt(asked, &once.ciphertext, &[]).await;
        assert_eq!(decrypted.unwrap_or_else(|error| panic!("{algorithm}: {error}")), MESSAGE, "{algorithm}");
        let broken = subject.decrypt(asked, &changed(&once.ciphertext), &[]).await;
        assert!(broken.map_or(true, |text| text != MESSAGE), "{algorithm} took what was changed");
        let too_long = subject.provider.encrypt(&CallContext::default(), asked, &[1; 300]).await;
        assert!(too_long.is_err(), "{algorithm} took more than it can");
    }
}

pub(super) async fn a_public_key_encrypts_and_cannot_decrypt(subject: Subject) {
    for algorithm in RSA {
        let encrypted = subject.encrypt(using("rsa-public", algorithm)).await;
        let decrypted = subject.decrypt(using("rsa", algorithm), &encrypted.ciphertext, &[]).await;
        assert_eq!(decrypted.expect("the private key of the same pair"), MESSAGE, "{algorithm}");
        assert!(subject.decrypt(using("rsa-public", algorithm), &encrypted.ciphertext, &[]).await.is_err());
    }
}

async fn wrap(subject: &Subject, asked: Using<'_>, proves: bool) {
    let key = random(32);
    let context = CallContext::default();
    for given in [KeyToWrap::Raw(&key), KeyToWrap::Written(&key)] {
        let wrapped = subject.provider.wrap_key(&context, asked, given).await;
        let wrapped = wrapped.unwrap_or_else(|error| panic!("wrap {asked:?}: {error}"));
        assert_eq!(!wrapped.tag.is_empty(), proves, "the tag of {asked:?}");
        let unwrapped = subject.provider.unwrap_key(&context, asked, &wrapped.ciphertext, &wrapped.tag).await;
        assert!(unwrapped.expect("it was just wrapped") == key, "{asked:?}: another key came back");
        let broken = subject.provider.unwrap_key(&context, asked, &changed(&wrapped.ciphertext), &wrapped.tag).await;
        assert!(broken.map_or(true, |other| other != key), "{asked:?} took what was changed");
        let other = Using { key: "foo", ..asked };
        assert!(subject.provider.unwrap_key(&context, other, &wrapped.ciphertext, &wrapped.tag).await.is_err());
    }
}

pub(super) async fn wrapped_keys_come_back(subject: Subject) {
    for Symmetric(algorithm, key, nonce, proves) in WRAPPINGS {
        let nonce = random(*nonce);
        wrap(&subject, Using { nonce: &nonce, ..using(key, algorithm) }, *proves).await;
    }
}

pub(super) async fn keys_wrapped_with_rsa_come_back(subject: Subject) {
    for algorithm in RSA {
        wrap(&subject, using("rsa", algorithm), false).await;
    }
}
