//! The provider over a folder of keys.

use std::path::Path;

use component::crypto::{KeyFormat, KeyToWrap, Using};
use component::{CallContext, Host, Properties, Tasks};

use super::*;

const RSA: &str = include_str!("../vectors/rsa.pem");

fn host() -> Host {
    Host::new("app", "", Tasks::new(|_, _| panic!("there is no task")))
}

async fn provider(path: &Path) -> Result<Arc<dyn CryptoProvider>, Error> {
    let properties: Properties = [("path".to_owned(), path.display().to_string())].into_iter().collect();
    construct(Setup { name: "vault".to_owned(), properties, host: host() }).await
}

fn using<'a>(key: &'a str, algorithm: &'a str) -> Using<'a> {
    Using { key, algorithm, nonce: &[], associated_data: &[] }
}

async fn wrap_error(provider: &Arc<dyn CryptoProvider>, key: &str) -> Error {
    let wrapped = provider.wrap_key(&CallContext::default(), using(key, "A256KW"), KeyToWrap::Raw(&[0; 32])).await;
    wrapped.err().unwrap()
}

#[tokio::test]
async fn keys_wrap_and_unwrap_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/aes"), [7; 32]).unwrap();
    std::fs::write(folder.path().join("rsa.pem"), RSA).unwrap();
    let (provider, context) = (provider(folder.path()).await.unwrap(), CallContext::default());
    for (key, algorithm) in [("sub/aes", "A256KW"), ("/sub/aes", "A256KW"), ("rsa.pem", "RSA-OAEP-256")] {
        let wrapped = provider.wrap_key(&context, using(key, algorithm), KeyToWrap::Raw(&[1; 32])).await.unwrap();
        let unwrapped = provider.unwrap_key(&context, using(key, algorithm), &wrapped.ciphertext, &[]).await.unwrap();
        assert_eq!(&unwrapped[..], [1; 32]);
    }
}

#[tokio::test]
async fn a_written_key_is_wrapped_as_its_bytes_and_garbage_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rsa.pem"), RSA).unwrap();
    let (provider, context) = (provider(folder.path()).await.unwrap(), CallContext::default());
    let written = KeyToWrap::Written(br#"{"kty":"oct", "k":"AQID"}"#);
    let wrapped = provider.wrap_key(&context, using("rsa.pem", "RSA-OAEP"), written).await.unwrap();
    let unwrapped = provider.unwrap_key(&context, using("rsa.pem", "RSA-OAEP"), &wrapped.ciphertext, &[]).await;
    assert_eq!(&unwrapped.unwrap()[..], [1, 2, 3]);
    let garbage = provider.wrap_key(&context, using("rsa.pem", "RSA-OAEP"), KeyToWrap::Written(b"{}")).await;
    assert!(garbage.err().unwrap().to_string().starts_with("failed to parse plaintext key: invalid key type"));
}

#[tokio::test]
async fn a_replaced_key_counts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (file, context) = (folder.path().join("k"), CallContext::default());
    std::fs::write(&file, [7; 32]).unwrap();
    let provider = provider(folder.path()).await.unwrap();
    let wrapped = provider.wrap_key(&context, using("k", "A256KW"), KeyToWrap::Raw(&[1; 32])).await.unwrap();
    std::fs::write(&file, [8; 32]).unwrap();
    assert!(provider.unwrap_key(&context, using("k", "A256KW"), &wrapped.ciphertext, &[]).await.is_err());
}

#[tokio::test]
async fn nothing_outside_the_folder_is_a_key() {
    let (outer, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outside = outer.path().join("outside");
    std::fs::write(&outside, [7; 32]).unwrap();
    std::os::unix::fs::symlink(&outside, folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outer.path(), folder.path().join("folder")).unwrap();
    let provider = provider(folder.path()).await.unwrap();
    for (name, expected) in [
        ("../outside", "invalid key path: cannot contain '..'"),
        ("a/../../outside", "invalid key path: cannot contain '..'"),
        ("link", "failed to load key 'link': it leads out of the folder"),
        ("folder/outside", "failed to load key 'folder/outside': it leads out of the folder"),
        ("", "invalid key path: not the name of a file"),
        ("/", "invalid key path: not the name of a file"),
        ("a\0b", "invalid key path: not the name of a file"),
        (".", "failed to load key '.': it is not a file"),
    ] {
        let error = wrap_error(&provider, name).await.to_string();
        assert_eq!(error, format!("failed to retrieve the key encryption key: {expected}"));
    }
    let absolute = outside.display().to_string();
    assert_eq!(wrap_error(&provider, &absolute).await.kind(), ErrorKind::NotFound);
}

/// As Kubernetes mounts secrets.
#[tokio::test]
async fn a_link_inside_the_folder_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("..2026")).unwrap();
    std::fs::write(folder.path().join("..2026/k"), [7; 32]).unwrap();
    std::os::unix::fs::symlink("..2026", folder.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/k", folder.path().join("k")).unwrap();
    let provider = provider(folder.path()).await.unwrap();
    let context = CallContext::default();
    assert!(provider.wrap_key(&context, using("k", "A256KW"), KeyToWrap::Raw(&[0; 32])).await.is_ok());
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_a_pipe_does_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    std::fs::write(folder.path().join("bad.json"), "secret").unwrap();
    std::fs::write(folder.path().join("bad.PEM"), "secret").unwrap();
    std::fs::write(folder.path().join("okp.json"), r#"{"kty":"OKP","crv":"X25519","x":"AQ"}"#).unwrap();
    std::fs::write(folder.path().join("long"), vec![b'x'; 2 << 20]).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let provider = provider(folder.path()).await.unwrap();
    for (name, expected) in [
        ("empty", "failed to parse key from secret: key is empty"),
        ("bad.json", "failed to parse key from secret: the key is not a JSON object"),
        ("bad.PEM", "failed to parse key from secret: the key is not PEM"),
        ("okp.json", "failed to parse key from secret: invalid key type OKP X25519"),
        ("long", "failed to load key 'long': it is too long to be a key"),
        ("pipe", "failed to load key 'pipe': it is not a file"),
    ] {
        let error = wrap_error(&provider, name).await.to_string();
        assert_eq!(error, format!("failed to retrieve the key encryption key: {expected}"));
    }
}

#[tokio::test]
async fn a_key_does_only_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let key = |more: &str| format!(r#"{{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",{more}}}"#);
    for (name, more) in [("ops", r#""key_ops":["wrapKey"]"#), ("sig", r#""use":"sig""#), ("alg", r#""alg":"A256GCM""#)]
    {
        std::fs::write(folder.path().join(format!("{name}.json")), key(more)).unwrap();
    }
    let (provider, context) = (provider(folder.path()).await.unwrap(), CallContext::default());
    let wrapped = provider.wrap_key(&context, using("ops.json", "A256KW"), KeyToWrap::Raw(&[0; 32])).await.unwrap();
    let unwrapped = provider.unwrap_key(&context, using("ops.json", "A256KW"), &wrapped.ciphertext, &[]).await;
    assert_eq!(unwrapped.err().unwrap().to_string(), "key cannot perform the 'unwrapKey' operation");
    assert_eq!(wrap_error(&provider, "sig.json").await.to_string(), "key cannot perform the 'wrapKey' operation");
    assert_eq!(wrap_error(&provider, "alg.json").await.to_string(), "key cannot be used with algorithm 'A256KW'");
}

#[tokio::test]
async fn only_public_keys_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("aes"), [7; 32]).unwrap();
    std::fs::write(folder.path().join("rsa.pem"), RSA).unwrap();
    let (provider, context) = (provider(folder.path()).await.unwrap(), CallContext::default());
    let public = provider.public_key(&context, "rsa.pem", KeyFormat::Pem).await.unwrap();
    assert_eq!(public, include_str!("../vectors/rsa-public.pem"));
    let json = provider.public_key(&context, "rsa.pem", KeyFormat::Json).await.unwrap();
    assert!(json.starts_with(r#"{"e":"AQAB","kty":"RSA","n":""#) && !json.contains(r#""d""#), "{json}");
    let symmetric = provider.public_key(&context, "aes", KeyFormat::Pem).await.unwrap_err();
    assert_eq!((symmetric.kind(), symmetric.to_string().as_str()), (ErrorKind::NotFound, "key not found"));
}

#[tokio::test]
async fn a_folder_that_is_none_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = provider(&folder.path().join("nowhere")).await.err().unwrap().to_string();
    assert!(error.starts_with("failed to load metadata: could not stat path '"), "{error}");
    let error = provider(&folder.path().join("file")).await.err().unwrap().to_string();
    assert!(error.ends_with("is not a directory"), "{error}");
    let none = construct(Setup { name: "vault".to_owned(), properties: Properties::default(), host: host() }).await;
    assert!(none.err().unwrap().to_string().contains("path"));
}
