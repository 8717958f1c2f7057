//! SPIFFE ids and trust domains: what is accepted has the form it must have, and is read again as it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use security::{SpiffeId, TrustDomain};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(domain) = TrustDomain::parse(text) {
        assert_eq!(TrustDomain::parse(domain.as_str()), Ok(domain.clone()));
        assert!(!domain.as_str().contains('/'));
    }
    if let Ok(id) = SpiffeId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
        assert!(id.path().starts_with(&format!("/ns/{}/{}", id.namespace(), id.app_id())));
        assert!(!id.namespace().is_empty() && !id.app_id().is_empty());
        assert!(![id.namespace(), id.app_id()].iter().any(|part| part.contains('/') || *part == ".."));
        if text.matches('/').count() == 5 {
            let domain = TrustDomain::parse(id.trust_domain()).expect("it was accepted before");
            assert_eq!(SpiffeId::of(&domain, id.namespace(), id.app_id()), Ok(id));
        }
    }
});
