//! Certificate signing requests, PEM and DER: whatever comes, a key is found or the request refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = sentry::request::public_key_of_pem(data);
    let _ = sentry::request::public_key(&data.to_vec().into());
});
