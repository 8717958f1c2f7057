//! Bundles of every kind that folders hold, and those that must be refused.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, UnixTime};
use security::SpiffeId;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn sentry() -> SpiffeId {
    SpiffeId::parse("spiffe://cluster.local/ns/dapr-system/dapr-sentry").unwrap()
}

fn refusal(anchors: &str, chain: &str, key: &str) -> String {
    let material = Material { anchors: anchors.as_bytes(), chain: chain.as_bytes(), key: key.as_bytes() };
    material.verify(&sentry()).unwrap_err().to_string()
}

fn verified(anchors: &str, chain: &str, key: &str) -> Issuing {
    let material = Material { anchors: anchors.as_bytes(), chain: chain.as_bytes(), key: key.as_bytes() };
    material.verify(&sentry()).unwrap()
}

fn generated() -> Generated {
    NewPair { sentry: sentry(), life: 365 * DAY, skew: DAY }.generate(SystemTime::now()).unwrap()
}

/// An authority as someone else makes it.
fn authority(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + 10 * DAY).into();
    params
}

struct Made {
    anchors: String,
    chain: String,
    key: String,
}

/// A root, and below it what `change` makes of an issuer with this key.
fn below(root: CertificateParams, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Made {
    let root_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let anchors = root.self_signed(&root_key).unwrap().pem();
    let mut params = authority("issuer", BasicConstraints::Unconstrained);
    change(&mut params);
    let chain = params.signed_by(key, &Issuer::new(root, root_key)).unwrap().pem();
    Made { anchors, chain, key: key.serialize_pem() }
}

fn plain_root() -> CertificateParams {
    authority("root", BasicConstraints::Unconstrained)
}

fn signed(issuing: &Issuing) -> CertificateDer<'static> {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let id = SpiffeId::parse("spiffe://public/ns/default/app").unwrap();
    let now = SystemTime::now();
    let names = ["dapr-webhook.dapr-system.svc".to_owned()];
    let validity = Validity { from: now - DAY / 2, until: now + DAY };
    issuing.signer().certify(&Leaf { id: &id, validity, dns_names: &names, images: &[] }, &key).unwrap()
}

fn is_accepted(leaf: &CertificateDer<'_>, issuing: &Issuing) -> bool {
    let anchors: Vec<_> =
        issuing.anchors().iter().map(|anchor| webpki::anchor_from_trusted_cert(anchor).unwrap()).collect();
    let end = EndEntityCert::try_from(leaf).unwrap();
    let (algorithms, now) = (webpki::ALL_VERIFICATION_ALGS, UnixTime::now());
    end.verify_for_usage(algorithms, &anchors, issuing.chain(), now, KeyUsage::server_auth(), None, None).is_ok()
}

#[test]
fn a_new_pair_is_made_as_the_target_makes_it() {
    let made = generated();
    let issuing = verified(&made.root, &made.chain, &made.key);
    assert!(issuing.is_generated());
    assert_eq!(issuing.root(), &made.fingerprint);
    let (_, root) = X509Certificate::from_der(&issuing.anchors()[0]).unwrap();
    assert_eq!(root.subject().to_string(), "O=cluster.local");
    assert_eq!(root.serial.to_bytes_be().len(), 16);
    let usage = root.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature() && usage.value.key_cert_sign());
    assert!(!usage.value.crl_sign());
    let (_, issuer) = X509Certificate::from_der(&issuing.chain()[0]).unwrap();
    assert_eq!(issuer.subject().to_string(), format!("O={}", sentry()));
    assert!(issuer.key_usage().unwrap().unwrap().value.crl_sign());
    let constraints = issuer.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca && constraints.value.path_len_constraint.is_none());
}

#[test]
fn a_workload_certificate_looks_as_the_target_makes_it() {
    let made = generated();
    let issuing = verified(&made.root, &made.chain, &made.key);
    let leaf = signed(&issuing);
    assert!(is_accepted(&leaf, &issuing));
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
    assert_eq!(leaf.subject().iter_attributes().count(), 0);
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical, "without a subject the names are critical (RFC 5280 4.2.1.6)");
    let [GeneralName::DNSName(dns), GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
        panic!("{:?}", names.value)
    };
    assert_eq!((*dns, *uri), ("dapr-webhook.dapr-system.svc", "spiffe://public/ns/default/app"));
    let usage = leaf.key_usage().unwrap().unwrap();
    assert_eq!((usage.critical, usage.value.flags), (true, 1), "digital signature and nothing else");
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && purposes.client_auth && purposes.other.is_empty());
    assert!(leaf.basic_constraints().unwrap().is_none());
    assert_eq!(leaf.serial.to_bytes_be().len(), 16);
}

#[test]
fn the_bundle_of_the_target_is_read_and_known_as_made_by_it() {
    let issuing = verified(
        include_str!("../../testdata/target-ca.crt"),
        include_str!("../../testdata/target-issuer.crt"),
        include_str!("../../testdata/target-issuer.key"),
    );
    assert!(issuing.is_generated());
}

#[test]
fn keys_of_older_bundles_sign() {
    for text in [include_str!("../../testdata/ec-sec1.key"), include_str!("../../testdata/rsa-pkcs1.key")] {
        let key = KeyPair::try_from(&PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap()).unwrap();
        let made = below(plain_root(), &key, |_| {});
        let issuing = verified(&made.anchors, &made.chain, text);
        assert!(!issuing.is_generated());
        assert!(is_accepted(&signed(&issuing), &issuing));
    }
    for algorithm in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ECDSA_P521_SHA512] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let made = below(plain_root(), &key, |_| {});
        let issuing = verified(&made.anchors, &made.chain, &made.key);
        assert!(is_accepted(&signed(&issuing), &issuing), "{algorithm:?}");
    }
}

#[test]
fn an_issuers_name_is_repeated_byte_for_byte() {
    let issuing = verified(
        include_str!("../../testdata/company-root.crt"),
        include_str!("../../testdata/company-issuer.crt"),
        include_str!("../../testdata/company-issuer.key"),
    );
    let leaf = signed(&issuing);
    let (_, issuer) = X509Certificate::from_der(&issuing.chain()[0]).unwrap();
    let (_, parsed) = X509Certificate::from_der(&leaf).unwrap();
    assert_eq!(parsed.issuer().as_raw(), issuer.subject().as_raw());
    assert!(is_accepted(&leaf, &issuing));
}

#[test]
fn comments_and_a_root_behind_the_issuer_are_not_handed_out() {
    let made = generated();
    let (anchors, chain) = (format!("# ours\n{}", made.root), format!("{}{}", made.chain, made.root));
    let issuing = verified(&anchors, &chain, &made.key);
    assert_eq!(issuing.anchors_pem(), &made.root);
    assert_eq!(issuing.chain().len(), 1);
}

#[test]
fn an_issuer_of_several_levels_is_taken() {
    let (root_key, middle_key, key) = (
        KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        KeyPair::generate_for(&PKCS_ED25519).unwrap(),
    );
    let anchors = plain_root().self_signed(&root_key).unwrap().pem();
    let middle = authority("middle", BasicConstraints::Unconstrained);
    let middle_pem = middle.signed_by(&middle_key, &Issuer::new(plain_root(), root_key)).unwrap().pem();
    let issuer = authority("issuer", BasicConstraints::Constrained(0));
    let issuer_pem = issuer.signed_by(&key, &Issuer::new(middle, middle_key)).unwrap().pem();
    let issuing = verified(&anchors, &format!("{issuer_pem}{middle_pem}"), &key.serialize_pem());
    assert_eq!(issuing.chain().len(), 2);
    assert!(is_accepted(&signed(&issuing), &issuing));
    let swapped = refusal(&anchors, &format!("{middle_pem}{issuer_pem}"), &key.serialize_pem());
    assert_eq!(swapped, "certificate chain is not valid");
}

#[test]
fn a_bundle_lives_as_long_as_its_shortest_certificate() {
    let now = SystemTime::now();
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let made = below(plain_root(), &key, |issuer| issuer.not_after = (now + 100 * DAY).into());
    let issuing = verified(&made.anchors, &made.chain, &made.key);
    assert!(issuing.life().until < now + 11 * DAY, "the root ends first");
    assert!(issuing.issuer_until() > now + 99 * DAY);
}

#[test]
fn what_has_expired_is_verified_all_the_same_and_says_when() {
    let pair = NewPair { sentry: sentry(), life: DAY, skew: DAY };
    let made = pair.generate(SystemTime::now() - 10 * DAY).unwrap();
    let life = verified(&made.root, &made.chain, &made.key).life();
    assert!(!life.covers(SystemTime::now()) && life.covers(SystemTime::now() - 10 * DAY));
}

#[test]
fn texts_that_are_no_bundle_are_refused() {
    let made = generated();
    assert!(refusal("", &made.chain, &made.key).starts_with("failed to decode trust anchors"));
    assert!(refusal(&made.root, "", &made.key).starts_with("failed to decode issuer certificate chain"));
    assert_eq!(refusal(&made.root, &made.chain, ""), "key is not PEM encoded");
}

#[test]
fn anchors_that_do_not_sign_themselves_are_refused() {
    let made = generated();
    let both = format!("{}{}", made.root, made.chain);
    assert_eq!(refusal(&both, &made.chain, &made.key), "certificate in trust anchor is not self-signed");
}

#[test]
fn an_issuer_of_another_root_is_refused() {
    let (made, other) = (generated(), generated());
    let reason = refusal(&other.root, &made.chain, &made.key);
    assert_eq!(reason, "issuer chain does not belong to trust anchors");
}

#[test]
fn the_key_of_another_issuer_is_refused() {
    let (made, other) = (generated(), generated());
    assert_eq!(refusal(&made.root, &made.chain, &other.key), "issuer key does not match issuer certificate");
}

#[test]
fn a_root_that_would_sign_itself_is_refused() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let root = plain_root().self_signed(&key).unwrap().pem();
    assert!(refusal(&root, &root, &key.serialize_pem()).contains("signs itself"));
}

#[test]
fn an_issuer_whose_signatures_clients_would_refuse_is_refused() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let reason = |made: Made| refusal(&made.anchors, &made.chain, &made.key);
    let no_authority = below(plain_root(), &key, |issuer| issuer.is_ca = IsCa::ExplicitNoCa);
    assert_eq!(reason(no_authority), "intermediate certificate is not valid for signing");
    let may_not_sign = below(plain_root(), &key, |issuer| issuer.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    assert_eq!(reason(may_not_sign), "intermediate certificate is not valid for signing");
    let no_room = below(authority("root", BasicConstraints::Constrained(0)), &key, |_| {});
    assert!(reason(no_room).contains("clients would refuse"));
    let one_purpose = below(plain_root(), &key, |issuer| {
        issuer.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert!(reason(one_purpose).contains("clients would refuse"));
    let never = below(plain_root(), &key, |issuer| {
        issuer.not_before = (SystemTime::now() + 20 * DAY).into();
        issuer.not_after = (SystemTime::now() + 30 * DAY).into();
    });
    assert!(reason(never).contains("no time at which"));
}
