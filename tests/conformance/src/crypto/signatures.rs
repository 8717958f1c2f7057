//! Signatures over digests.

use tokio::task::JoinSet;

use super::Subject;
use super::subject::{SIGNATURES, changed, random, using};

pub(super) async fn signatures_hold(subject: Subject) {
    for (algorithm, key, length) in SIGNATURES {
        let digest = random(*length);
        let signature = subject.sign(using(key, algorithm), &digest).await;
        let signature = signature.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        let holds = subject.verify(using(key, algorithm), &digest, &signature).await;
        assert!(holds.unwrap_or_else(|error| panic!("{algorithm}: {error}")), "{algorithm}");
    }
}

pub(super) async fn a_changed_signature_or_digest_does_not_hold(subject: Subject) {
    for (algorithm, key, length) in SIGNATURES {
        let digest = random(*length);
        let signature = subject.sign(using(key, algorithm), &digest).await.expect("sign");
        for (digest, signature) in [
            (changed(&digest), signature.clone()),
            (digest.clone(), changed(&signature)),
            (digest.clone(), random(signature.len())),
            (digest.clone(), Vec::new()),
            (digest.clone(), signature[1..].to_vec()),
        ] {
            let holds = subject.verify(using(key, algorithm), &digest, &signature).await;
            assert!(!holds.unwrap_or(false), "{algorithm} holds for something else");
        }
        if *algorithm != "EdDSA" {
            assert!(subject.sign(using(key, algorithm), &digest[1..]).await.is_err(), "{algorithm}: no such digest");
        }
    }
}

pub(super) async fn a_public_key_verifies_and_cannot_sign(subject: Subject) {
    for (algorithm, key, length) in SIGNATURES {
        let (digest, public) = (random(*length), format!("{key}-public"));
        let signature = subject.sign(using(key, algorithm), &digest).await.expect("sign");
        assert!(subject.verify(using(&public, algorithm), &digest, &signature).await.expect("verify"), "{algorithm}");
        assert!(subject.sign(using(&public, algorithm), &digest).await.is_err(), "{algorithm}");
    }
}

pub(super) async fn many_callers_work_at_once(subject: Subject) {
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let subject = subject.clone();
        callers.spawn(async move { signatures_hold(subject).await });
    }
    callers.join_all().await;
}
