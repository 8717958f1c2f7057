//! A whole rotation of issuer and root, in seconds instead of a year: nobody is ever left without the root it needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use security::certificate;
use testkit::{Asked, Sentry, SentryBuilder};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::sentry::certificates::is_taken;

/// Pairs live 16 s, certificates 2 s; the next root is distributed after 8 s and signs after 11 s, and the old one goes 3 s
/// later.
fn quick() -> SentryBuilder {
    Sentry::new()
        .mtls("{workloadCertTTL: 2s, allowedClockSkew: 1s}")
        .flag("--ca-ttl=16s")
        .flag("--rotation-distribute-at=0.5")
        .flag("--rotation-sign-at=0.7")
}

/// A client that has asked at some time: what it was given, and what it knows.
struct Client {
    chain: Vec<CertificateDer<'static>>,
    anchors: String,
    until: SystemTime,
}

/// What is in the folder, read as the target's sentry reads it: anchors that sign themselves, an issuer signed by one of
/// them, and the issuer's key.
fn read_bundle(folder: &Path) -> Option<(usize, Vec<u8>)> {
    let text = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (anchors, chain, key) = (text("ca.crt"), text("issuer.crt"), text("issuer.key"));
    if (text("ca.crt"), text("issuer.crt")) != (anchors.clone(), chain.clone()) {
        return None;
    }
    let anchors = certificate::from_pem(&anchors).unwrap();
    let chain = certificate::from_pem(&chain).unwrap();
    let (_, issuer) = X509Certificate::from_der(&chain[0]).unwrap();
    let mut vouches = false;
    for anchor in &anchors {
        let (_, anchor) = X509Certificate::from_der(anchor).unwrap();
        anchor.verify_signature(None).expect("an anchor signs itself");
        vouches |= issuer.verify_signature(Some(anchor.public_key())).is_ok();
    }
    assert!(vouches, "an anchor vouches for the issuer");
    let key = KeyPair::try_from(&PrivateKeyDer::from_pem_slice(&key).unwrap()).unwrap();
    assert_eq!(issuer.public_key().subject_public_key.data.as_ref(), key.public_key_raw(), "the key is the issuer's");
    Some((anchors.len(), chain[0].to_vec()))
}

#[tokio::test]
async fn issuer_and_root_are_replaced_and_everybody_understands_everybody() {
    let sentry = quick().start().await;
    let first_root = sentry.text("ca.crt");
    let mut client = sentry.client().await;
    let (mut clients, mut issuers, mut sizes) = (Vec::<Client>::new(), BTreeSet::new(), Vec::new());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(24) {
        let answer = client.sign_certificate(Asked::by("app").request).await.unwrap().into_inner();
        let chain = certificate::from_pem(&answer.workload_certificate).unwrap();
        let anchors = String::from_utf8(answer.trust_chain_certificates[0].to_vec()).unwrap();
        let until = certificate::validity(&chain[0]).unwrap().until;
        issuers.insert(chain[1].to_vec());
        clients.push(Client { chain, anchors, until });
        clients.retain(|client| client.until > SystemTime::now() + Duration::from_millis(500));
        for one in &clients {
            for other in &clients {
                assert!(is_taken(&one.chain, &other.anchors), "two clients do not understand each other");
            }
        }
        if let Some((roots, _)) = read_bundle(sentry.folder())
            && sizes.last() != Some(&roots)
        {
            sizes.push(roots);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(issuers.len() >= 2, "{} issuers have signed", issuers.len());
    assert!(sizes.starts_with(&[1, 2, 1]), "a root comes and a root goes: {sizes:?}");
    assert!(!sentry.text("ca.crt").contains(first_root.trim()), "the first root is gone");
    let fresh = sentry.client().await.sign_certificate(Asked::by("app").request).await;
    assert!(fresh.is_ok(), "sentry proves itself below the new root");
    let metrics = sentry.metrics().await;
    assert!(!metrics.contains("dapr_sentry_issuercert_changed_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_sentry_that_is_killed_again_and_again_rotates_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut roots = BTreeSet::new();
    let mut kills = 0_u64;
    while began.elapsed() < Duration::from_secs(24) {
        let sentry = quick().folder(folder.path()).start().await;
        let answer = sentry.sign(&Asked::by("app")).await.unwrap();
        assert!(is_taken(&answer.chain(), &answer.anchors()));
        tokio::time::sleep(Duration::from_millis(100 + kills * 37 % 400)).await;
        sentry.kill().await;
        kills += 1;
        let (_, issuer) = read_bundle(folder.path()).expect("nobody changes it now");
        roots.insert(issuer);
    }
    assert!(roots.len() >= 2, "after {kills} kills the issuer is still the first");
}

#[tokio::test]
async fn a_bundle_that_has_expired_while_sentry_was_away_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let short =
        || Sentry::new().folder(folder.path()).flag("--ca-ttl=2s").mtls("{workloadCertTTL: 1s, allowedClockSkew: 0s}");
    let first = short().start().await;
    let old = first.text("ca.crt");
    assert_eq!(first.interrupt().await.code, Some(0));
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let sentry = short().flag("--ca-ttl=1h").start().await;
    let answer = sentry.sign(&Asked::by("app")).await.unwrap();
    assert!(is_taken(&answer.chain(), &answer.anchors()));
    let began = Instant::now();
    while sentry.text("ca.crt").contains(old.trim()) {
        assert!(began.elapsed() < Duration::from_secs(10), "the expired root stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sentry.logged("is replaced by a new one below a new root").await;
}

#[tokio::test]
async fn switched_off_nothing_is_replaced_and_that_is_said() {
    let sentry = quick().flag("--rotation=false").start().await;
    sentry.logged("rotation is switched off (--rotation=false)").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (roots, _) = read_bundle(sentry.folder()).unwrap();
    assert_eq!(roots, 1);
    assert!(!sentry.folder().join("rotation.json").exists());
}

#[tokio::test]
async fn what_is_to_sign_next_is_kept_from_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let sentry = quick().start().await;
    sentry.logged("a new root is distributed beside the present one").await;
    let began = Instant::now();
    while !sentry.folder().join("next-issuer.key").exists() {
        assert!(began.elapsed() < Duration::from_secs(5), "the next issuer is not there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for name in ["next-issuer.key", "issuer.key"] {
        let mode = std::fs::metadata(sentry.folder().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let record: serde_json::Value = serde_json::from_str(&sentry.text("rotation.json")).unwrap();
    assert_eq!(record["version"], 1);
}
