//! Tokens for the validator `jwks`, and key sets. Nobody here has the private key, so no token may ever be accepted.
#![no_main]

use std::sync::LazyLock;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use sentry::validator::{KeySet, verify_token};

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::parse(include_bytes!("../seeds/token/key_set.json")).expect("it is a key set"));

const SENTRY: &str = "spiffe://localhost/ns/default/dapr-sentry";
const APP: &str = "spiffe://public/ns/default/app";

fuzz_target!(|data: &[u8]| {
    let _ = KeySet::parse(data);
    if let Ok(token) = std::str::from_utf8(data) {
        assert!(verify_token(token, &KEYS, SENTRY, APP, SystemTime::now()).is_err());
    }
});
