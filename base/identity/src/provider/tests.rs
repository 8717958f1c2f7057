//! Pure decisions about time.

use super::*;
use crate::{Jwt, NewKey};

fn credential(from: u64, until: u64) -> Credential {
    let key = NewKey::generate(crate::KeyKind::Ed25519).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::URI("spiffe://td/ns/n/app".try_into().unwrap())];
    params.not_before = (SystemTime::UNIX_EPOCH + Duration::from_secs(from)).into();
    params.not_after = (SystemTime::UNIX_EPOCH + Duration::from_secs(until)).into();
    let leaf = params.self_signed(key.public()).unwrap();
    key.certified(vec![leaf.into()]).unwrap()
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn renewal_comes_at_half_life_or_a_little_earlier() {
    let credential = credential(1000, 2000);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    assert_eq!(seconds(renewal(&credential, now, 0.0)), 1500);
    assert_eq!(seconds(renewal(&credential, now, 1.0)), 1450);
}

#[test]
fn a_token_that_ends_earlier_brings_renewal_forward() {
    use base64::Engine as _;
    let mut credential = credential(1000, 2000);
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"aud":"td","exp":1200}"#);
    credential.jwt = Some(Jwt::parse(&format!("e30.{claims}.e30")).unwrap());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    assert_eq!(seconds(renewal(&credential, now, 0.0)), 1100);
}

#[test]
fn pauses_grow_to_their_limit_and_are_spread() {
    assert_eq!(pause_after(1, EASY_PAUSE), FIRST_PAUSE);
    assert_eq!(pause_after(3, EASY_PAUSE), FIRST_PAUSE * 4);
    assert_eq!(pause_after(40, EASY_PAUSE), EASY_PAUSE);
    assert_eq!(pause_after(u32::MAX, URGENT_PAUSE), URGENT_PAUSE);
    for _ in 0..100 {
        let pause = jittered(Duration::from_secs(4));
        assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&pause), "{pause:?}");
    }
}
