//! Certificates of peers and the texts of a bundle: anchors, chain and key, separated by a zero byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use security::{SpiffeId, certificate};
use sentry::issuing::Material;

fuzz_target!(|data: &[u8]| {
    let _ = certificate::workload(&data.to_vec().into());
    if let Ok(chain) = certificate::from_pem(data) {
        for one in &chain {
            let _ = certificate::workload(one);
        }
        let again = certificate::from_pem(certificate::to_pem(&chain).as_bytes());
        assert_eq!(again, Ok(chain));
    }
    let mut texts = data.splitn(3, |byte| *byte == 0);
    let (Some(anchors), Some(chain), Some(key)) = (texts.next(), texts.next(), texts.next()) else { return };
    let id = SpiffeId::parse("spiffe://localhost/ns/default/dapr-sentry").expect("it is an id");
    if let Ok(issuing) = (Material { anchors, chain, key }).verify(&id) {
        assert!(issuing.life().from <= issuing.life().until);
    }
});
