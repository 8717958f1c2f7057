//! The algorithms held against recorded vectors: those of the specifications, and what another implementation made
//! (`vectors/`, where `asymmetric.json` says how).

use component::crypto::Encrypted;
use proptest::prelude::*;
use serde_json::Value;

use crate::key::{Key, Material};
use crate::key_text::{self, Form};
use crate::symmetric::Beside;
use crate::{Fault, algorithm, json_key};

const SYMMETRIC: &str = include_str!("vectors/symmetric.json");
const ASYMMETRIC: &str = include_str!("vectors/asymmetric.json");

/// Every file of the RSA key, private ones first.
const RSA_PEMS: &[&str] = &[
    include_str!("vectors/rsa.pem"),
    include_str!("vectors/rsa-pkcs1.pem"),
    include_str!("vectors/rsa-public.pem"),
    include_str!("vectors/rsa-public-pkcs1.pem"),
    include_str!("vectors/rsa-cert.pem"),
];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn base64(value: &Value) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

fn json_key(name: &str) -> Key {
    json_key::read(parsed(ASYMMETRIC)["keys"][name].to_string().as_bytes()).unwrap()
}

fn public_of(name: &str) -> Key {
    json_key::read(json_key::write_public(&json_key(name)).unwrap().as_bytes()).unwrap()
}

fn pem(text: &str) -> Key {
    key_text::read(text.as_bytes(), Form::Pem).unwrap()
}

fn raw(bytes: &[u8]) -> Key {
    Key::plain(Material::Symmetric(bytes.to_vec().into()))
}

const NOTHING: Beside<'_> = Beside { nonce: &[], associated_data: &[] };

#[test]
fn symmetric_algorithms_agree_with_their_specifications() {
    for vector in parsed(SYMMETRIC).as_array().unwrap() {
        let what = format!("{} {}", vector["algorithm"], vector["source"]);
        let (nonce, aad) = (hex(&vector["nonce"]), hex(&vector["aad"]));
        let beside = Beside { nonce: &nonce, associated_data: &aad };
        let (key, plaintext) = (raw(&hex(&vector["key"])), hex(&vector["plaintext"]));
        let (ciphertext, tag) = (hex(&vector["ciphertext"]), hex(&vector["tag"]));
        let name = vector["algorithm"].as_str().unwrap();
        for name in [name.to_owned(), format!("{name}KW")] {
            if name.ends_with("KWKW") || name.contains("CBC") && name.ends_with("KW") {
                continue;
            }
            let encrypted = algorithm::encrypt(&key, &name, beside, &plaintext).unwrap();
            assert_eq!((&encrypted.ciphertext[..], &encrypted.tag[..]), (&ciphertext[..], &tag[..]), "{what}");
            let decrypted = algorithm::decrypt(&key, &name, beside, &ciphertext, &tag).unwrap();
            assert_eq!(*decrypted, plaintext, "{what}");
        }
    }
}

#[test]
fn what_is_authenticated_cannot_be_changed() {
    for vector in parsed(SYMMETRIC).as_array().unwrap().iter().filter(|vector| vector["tag"] != "") {
        let name = vector["algorithm"].as_str().unwrap();
        let whole: Vec<Vec<u8>> = ["nonce", "aad", "ciphertext", "tag"].map(|part| hex(&vector[part])).to_vec();
        let key = raw(&hex(&vector["key"]));
        for part in 0..whole.len() {
            for at in 0..whole[part].len() {
                let mut changed = whole.clone();
                changed[part][at] ^= 0x10;
                let beside = Beside { nonce: &changed[0], associated_data: &changed[1] };
                let decrypted = algorithm::decrypt(&key, name, beside, &changed[2], &changed[3]);
                assert_eq!(decrypted.err(), Some(Fault::Failed), "{name} {part} {at}");
            }
        }
        let beside = Beside { nonce: &whole[0], associated_data: &whole[1] };
        let cut = algorithm::decrypt(&key, name, beside, &whole[2], &whole[3][1..]);
        assert_eq!(cut.err(), Some(Fault::InvalidTag));
    }
}

#[test]
fn a_wrapped_key_that_was_changed_is_refused() {
    for (name, length) in [("A128KW", 16), ("A192KW", 24), ("A256KW", 32)] {
        let key = raw(&vec![3; length]);
        let Encrypted { ciphertext, .. } = algorithm::encrypt(&key, name, NOTHING, &[9; 32]).unwrap();
        for at in 0..ciphertext.len() {
            let mut changed = ciphertext.to_vec();
            changed[at] ^= 1;
            assert_eq!(algorithm::decrypt(&key, name, NOTHING, &changed, &[]).err(), Some(Fault::Failed));
        }
        for length in [0, 1, 7, 8, 15] {
            let short = algorithm::decrypt(&key, name, NOTHING, &vec![0; length], &[]);
            assert_eq!(short.err(), Some(Fault::InvalidCiphertextLength), "{length}");
        }
        assert_eq!(algorithm::encrypt(&key, name, NOTHING, &[9; 12]).err(), Some(Fault::InvalidPlaintextLength));
    }
}

#[test]
fn keys_nonces_and_lengths_that_do_not_fit_are_refused() {
    let (short, key) = (raw(&[1; 15]), raw(&[1; 32]));
    let nonce = |nonce| Beside { nonce, associated_data: &[] };
    for name in ["A128CBC", "A256CBC-NOPAD", "A192GCM", "A256KW", "A128CBC-HS256", "C20P", "XC20P"] {
        let refused = algorithm::encrypt(&short, name, nonce(&[0; 16]), b"").err();
        assert!(matches!(refused, Some(Fault::KeyTypeMismatch | Fault::InvalidPlaintextLength)), "{name}");
    }
    for name in ["A256CBC", "A256CBC-NOPAD", "A256GCM", "A128CBC-HS256", "C20P", "XC20PKW"] {
        assert_eq!(algorithm::encrypt(&key, name, nonce(&[0; 9]), b"").err(), Some(Fault::InvalidNonce), "{name}");
    }
    let uneven = algorithm::encrypt(&key, "A256CBC-NOPAD", nonce(&[0; 16]), b"x").err();
    assert_eq!(uneven, Some(Fault::InvalidPlaintextLength));
    let uneven = algorithm::decrypt(&key, "A256CBC", nonce(&[0; 16]), b"x", &[]).err();
    assert_eq!(uneven, Some(Fault::InvalidCiphertextLength));
    assert_eq!(algorithm::encrypt(&key, "ROT13", NOTHING, b"").err(), Some(Fault::UnsupportedAlgorithm));
    assert_eq!(algorithm::encrypt(&key, "RSA-OAEP", NOTHING, b"").err(), Some(Fault::KeyTypeMismatch));
    assert_eq!(algorithm::encrypt(&json_key("rsa"), "A256GCM", NOTHING, b"").err(), Some(Fault::KeyTypeMismatch));
    assert_eq!(algorithm::encrypt(&json_key("P-256"), "RSA-OAEP", NOTHING, b"").err(), Some(Fault::KeyTypeMismatch));
    assert_eq!(
        algorithm::decrypt(&pem(RSA_PEMS[2]), "RSA1_5", NOTHING, &[0; 256], &[]).err(),
        Some(Fault::KeyTypeMismatch)
    );
}

#[test]
fn what_another_implementation_encrypted_with_rsa_is_decrypted() {
    for key in [json_key("rsa"), pem(RSA_PEMS[0]), pem(RSA_PEMS[1])] {
        for vector in parsed(ASYMMETRIC)["encrypted"].as_array().unwrap() {
            let label = vector["label"].as_str().unwrap().as_bytes();
            let beside = Beside { nonce: &[], associated_data: label };
            let name = vector["algorithm"].as_str().unwrap();
            let plaintext = algorithm::decrypt(&key, name, beside, &base64(&vector["ciphertext"]), &[]).unwrap();
            assert_eq!(*plaintext, vector["plaintext"].as_str().unwrap().as_bytes(), "{name}");
        }
    }
}

#[test]
fn what_a_public_rsa_key_encrypts_its_private_key_decrypts() {
    for public in RSA_PEMS.iter().map(|text| pem(text)).chain([json_key("rsa"), public_of("rsa")]) {
        for name in ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"] {
            let label = if name == "RSA1_5" { b"".as_slice() } else { b"label" };
            let beside = Beside { nonce: &[], associated_data: label };
            let encrypted = algorithm::encrypt(&public, name, beside, b"hello").unwrap();
            assert!(encrypted.tag.is_empty());
            let decrypted = algorithm::decrypt(&json_key("rsa"), name, beside, &encrypted.ciphertext, &[]).unwrap();
            assert_eq!(decrypted.as_slice(), b"hello", "{name}");
            let long = algorithm::encrypt(&public, name, beside, &[0; 300]).err();
            assert_eq!(long, Some(Fault::InvalidPlaintextLength));
        }
    }
}

#[test]
fn signatures_of_another_implementation_are_verified_and_ours_are_too() {
    for vector in parsed(ASYMMETRIC)["signed"].as_array().unwrap() {
        let (name, key) = (vector["algorithm"].as_str().unwrap(), vector["key"].as_str().unwrap());
        let (private, public, digest) = (json_key(key), public_of(key), base64(&vector["digest"]));
        let theirs = base64(&vector["signature"]);
        let ours = algorithm::sign(&private, name, &digest).unwrap();
        for (key, signature) in [(&public, &theirs), (&private, &theirs), (&public, &ours)] {
            assert_eq!(algorithm::verify(key, name, &digest, signature), Ok(true), "{name}");
            let mut changed = digest.clone();
            changed[0] ^= 1;
            assert_eq!(algorithm::verify(key, name, &changed, signature), Ok(false), "{name}");
            let mut changed = signature.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert_eq!(algorithm::verify(key, name, &digest, &changed), Ok(false), "{name}");
            assert_eq!(algorithm::verify(key, name, &digest, &[]), Ok(false), "{name}");
        }
        assert_eq!(algorithm::sign(&public, name, &digest).err(), Some(Fault::KeyTypeMismatch), "{name}");
        if name != "EdDSA" {
            assert_eq!(algorithm::sign(&private, name, &digest[1..]).err(), Some(Fault::InvalidDigestLength), "{name}");
        }
    }
}

#[test]
fn a_signature_algorithm_wants_its_own_kind_of_key() {
    for (name, key) in [("RS256", "P-256"), ("ES256", "P-384"), ("EdDSA", "P-256"), ("ES512", "rsa")] {
        assert_eq!(algorithm::sign(&json_key(key), name, &[0; 32]).err(), Some(Fault::KeyTypeMismatch));
        assert_eq!(algorithm::verify(&json_key(key), name, &[0; 32], &[]).err(), Some(Fault::KeyTypeMismatch));
    }
    assert_eq!(algorithm::sign(&json_key("rsa"), "HS256", &[0; 32]).err(), Some(Fault::UnsupportedAlgorithm));
}

#[test]
fn every_notation_of_a_key_is_the_same_key() {
    let same = |key: Key, name: &str| {
        assert_eq!(
            json_key::write_public(&key).unwrap(),
            json_key::write_public(&json_key(name)).unwrap().replace(&format!(r#""kid":"{name}","#), "")
        );
        assert_eq!(key.public_der(), json_key(name).public_der());
    };
    for text in RSA_PEMS {
        same(pem(text), "rsa");
    }
    for text in [
        include_str!("vectors/ec256.pem"),
        include_str!("vectors/ec256-sec1.pem"),
        include_str!("vectors/ec256-public.pem"),
    ] {
        same(pem(text), "P-256");
    }
    same(pem(include_str!("vectors/secp384r1-sec1.pem")), "P-384");
    same(pem(include_str!("vectors/secp521r1-sec1.pem")), "P-521");
    same(pem(include_str!("vectors/ed25519.pem")), "ed25519");
    same(pem(include_str!("vectors/ed25519-public.pem")), "ed25519");
}

#[test]
fn a_key_is_serialized_as_its_kind_asks() {
    assert_eq!(raw(&[5; 3]).serialized().unwrap().as_slice(), [5; 3]);
    let der = |text| ::pem::parse(text).unwrap().into_contents();
    assert_eq!(*pem(RSA_PEMS[0]).serialized().unwrap(), der(RSA_PEMS[0]));
    assert_eq!(*pem(RSA_PEMS[2]).serialized().unwrap(), der(RSA_PEMS[2]));
    assert_eq!(*json_key("P-256").serialized().unwrap(), der(include_str!("vectors/ec256.pem")));
    assert_eq!(*json_key("ed25519").serialized().unwrap(), der(include_str!("vectors/ed25519.pem")));
    assert_eq!(*public_of("ed25519").serialized().unwrap(), der(include_str!("vectors/ed25519-public.pem")));
}

/// RFC 8037 appendix A.4, and RFC 7515 appendix A.3 with its signature in ASN.1.
#[test]
fn signatures_of_the_specifications_are_verified() {
    let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
    let ed = json_key::read(ed.as_bytes()).unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected =
        base64(&Value::from("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"));
    assert_eq!(algorithm::sign(&ed, "EdDSA", message).unwrap(), expected);
    assert_eq!(algorithm::verify(&ed, "EdDSA", message, &expected), Ok(true));

    let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let ec = json_key::read(ec.as_bytes()).unwrap();
    let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message);
    let fixed =
        base64(&Value::from("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"));
    let (r, s) = fixed.split_at(32);
    let signature = [&[0x30, 0x45, 2, 0x20][..], r, &[2, 0x21, 0], s].concat();
    assert_eq!(algorithm::verify(&ec, "ES256", digest.as_ref(), &signature), Ok(true));
}

#[test]
fn keys_that_contradict_themselves_are_refused() {
    let keys = parsed(ASYMMETRIC)["keys"].clone();
    for (name, member) in [("rsa", "p"), ("rsa", "n"), ("rsa", "dq"), ("P-256", "x"), ("P-256", "d"), ("ed25519", "x")]
    {
        let mut key = keys[name].clone();
        let mut bytes = base64(&key[member]);
        bytes[5] ^= 4;
        use base64::Engine;
        key[member] = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).into();
        let error = json_key::read(key.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("unusable"), "{name} {member} {error}");
        key.as_object_mut().unwrap().remove(member);
        if member != "d" {
            let error = json_key::read(key.to_string().as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("{member} is missing"));
        }
    }
}

#[test]
fn a_public_key_of_the_wrong_length_is_refused() {
    assert!(json_key::read(br#"{"kty":"OKP","crv":"Ed25519","x":"AQID"}"#).is_err());
    let long = r#"{"kty":"EC","crv":"P-256","x":"AQID","y":"AQID"}"#.replacen("AQID", &"_".repeat(44), 1);
    assert!(json_key::read(long.as_bytes()).is_err());
}

#[test]
fn no_error_of_a_key_quotes_it() {
    for text in [
        r#"{"kty":"oct","k":"t0psecret!"}"#,
        r#"{"kty":"oct","k":t0psecret}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"t0psecret"}"#,
    ] {
        let error = json_key::read(text.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("t0psecret"), "{error}");
    }
    assert!(!format!("{:?}", json_key("rsa")).contains("kty"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = key_text::read(&bytes, Form::Any);
        let _ = json_key::read_set(&bytes);
        let block = ::pem::Pem::new("PRIVATE KEY", bytes.clone());
        let _ = key_text::read(::pem::encode(&block).as_bytes(), Form::Any);
        let block = ::pem::Pem::new("PUBLIC KEY", bytes);
        let _ = key_text::read(::pem::encode(&block).as_bytes(), Form::Any);
    }

    #[test]
    fn what_is_encrypted_is_decrypted(plaintext in proptest::collection::vec(any::<u8>(), 0..200), aad in any::<[u8; 9]>()) {
        for (name, key, nonce) in [
            ("A128CBC", 16, 16), ("A192CBC", 24, 16), ("A256CBC", 32, 16), ("A128GCM", 16, 12), ("A192GCM", 24, 12),
            ("A256GCMKW", 32, 12), ("A128CBC-HS256", 32, 16), ("A192CBC-HS384", 48, 16), ("A256CBC-HS512", 64, 16),
            ("C20P", 32, 12), ("XC20P", 32, 24),
        ] {
            let (key, nonce) = (raw(&vec![7; key]), vec![9; nonce]);
            let beside = Beside { nonce: &nonce, associated_data: &aad };
            let encrypted = algorithm::encrypt(&key, name, beside, &plaintext).unwrap();
            let decrypted = algorithm::decrypt(&key, name, beside, &encrypted.ciphertext, &encrypted.tag).unwrap();
            prop_assert_eq!(&*decrypted, &plaintext, "{}", name);
        }
    }
}
