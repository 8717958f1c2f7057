//! The cryptography API over both doors, on a folder of keys: documents as streams, errors on the way, what the target
//! wrote, and the subtle API where it is turned on.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use testkit::{Answer, Sidecar, SidecarBuilder, channel_body, is_reference};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use wire::common::StreamPayload;
use wire::runtime as v1;

const SEGMENT: usize = 64 << 10;

/// What the target encrypted, recorded as `base/encryption/src/recorded_tests.rs` says; the RSA key is the one beside it.
const RECORDED: &[(&str, &[u8])] = &[
    ("", include_bytes!("recorded/crypto-small.enc")),
    ("", include_bytes!("recorded/crypto-rsa.enc")),
    ("aes256", include_bytes!("recorded/crypto-noname.enc")),
];

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 256) % 251).unwrap()).collect()
}

/// A sidecar with a provider `vault` that has the keys `aes256` and `rsa.pem`.
pub(crate) fn with_keys(builder: SidecarBuilder, folder: &tempfile::TempDir) -> SidecarBuilder {
    std::fs::write(folder.path().join("aes256"), (0..32).collect::<Vec<u8>>()).unwrap();
    std::fs::write(folder.path().join("rsa.pem"), include_str!("recorded/crypto-rsa.pem")).unwrap();
    builder.resource(&component("vault", "localstorage", "path", &folder.path().display().to_string()))
}

fn component(name: &str, kind: &str, field: &str, value: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: crypto.dapr.{kind}\n  \
         version: v1\n  metadata:\n    - name: {field}\n      value: '{value}'\n"
    )
}

async fn put(sidecar: &Sidecar, what: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let call = sidecar.request("PUT", &format!("/v1.0-alpha1/crypto/vault/{what}"));
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).body(body).send().await
}

async fn encrypt(sidecar: &Sidecar, key: &str, algorithm: &str, plaintext: &[u8]) -> Vec<u8> {
    let headers = [("dapr-key-name", key), ("dapr-key-wrap-algorithm", algorithm)];
    let answer = put(sidecar, "encrypt", &headers, plaintext.to_vec()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.values("content-type"), ["application/octet-stream"]);
    answer.body.to_vec()
}

fn told(answer: &Answer) -> (u16, String, String) {
    (answer.status, answer.error_code(), answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn documents_come_back_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    for (key, algorithm) in [("aes256", "A256KW"), ("aes256", "aes"), ("rsa.pem", "RSA"), ("rsa.pem", "RSA-OAEP-256")] {
        for length in [0, 300, SEGMENT, SEGMENT + 1, 1_000_000] {
            let document = encrypt(&a, key, algorithm, &plaintext(length)).await;
            assert!(document.starts_with(b"dapr.io/enc/v1\n{\"k\":\""), "{length}");
            let answer = put(&a, "decrypt", &[], document).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.body == plaintext(length), "{key} {algorithm} {length}");
        }
    }
}

#[tokio::test]
async fn the_options_of_a_document_come_in_headers() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let base = [("dapr-key-name", "aes256"), ("dapr-key-wrap-algorithm", "AES")];
    for (more, expected) in [
        (("dapr-data-encryption-cipher", "chacha20-poly1305"), r#""cph":2"#),
        (("dapr-omit-decryption-key-name", "true"), r#"{"kw":1"#),
        (("dapr-decryption-key-name", "other"), r#""k":"other""#),
    ] {
        let answer = put(&a, "encrypt", &[base[0], base[1], more], "hello").await;
        let head = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(head.lines().nth(1).unwrap().contains(expected), "{head}");
        let opened = put(&a, "decrypt", &base[..1], answer.body).await;
        assert_eq!(opened.text(), "hello");
    }
}

#[tokio::test]
async fn what_the_target_encrypted_is_decrypted() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    for (key, document) in RECORDED {
        let answer = put(&a, "decrypt", &[("dapr-key-name", key)], *document).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.body == plaintext(300));
        let whole = grpc_decrypt(&a, key, document, 100).await.unwrap();
        assert!(whole == plaintext(300));
    }
}

/// Statuses, codes and texts were recorded from the target.
#[tokio::test]
async fn what_is_wrong_is_told_as_the_target_does() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let failed = |text: &str| (500, "ERR_CRYPTO".to_owned(), format!("failed to perform operation: {text}"));
    let key = ("dapr-key-name", "aes256");
    let algorithm = |name| ("dapr-key-wrap-algorithm", name);
    let missing = |name| (400, "ERR_BAD_REQUEST".to_owned(), format!("invalid request: missing header '{name}'"));
    let escape = ("dapr-key-name", "../aes256");
    for (headers, expected) in [
        (vec![], missing("dapr-key-name")),
        (vec![key], missing("dapr-key-wrap-algorithm")),
        (vec![key, algorithm("foo")], failed("option Algorithm is not valid: algorithm FOO is not supported")),
        (vec![key, algorithm("rsa")], failed("failed to wrap the file key: failed to encrypt data: key type mismatch")),
        (
            vec![escape, algorithm("aes")],
            failed(
                "failed to wrap the file key: failed to retrieve the key encryption key: invalid key path: cannot \
                 contain '..'",
            ),
        ),
        (
            vec![key, algorithm("aes"), ("dapr-data-encryption-cipher", "x")],
            failed("option Cipher is not valid: cipher X is not supported"),
        ),
    ] {
        assert_eq!(told(&put(&a, "encrypt", &headers, "hello").await), expected);
    }
    let no_key = put(&a, "encrypt", &[("dapr-key-name", "none"), algorithm("aes")], "hello").await;
    let (status, code, message) = told(&no_key);
    assert_eq!((status, code.as_str()), (500, "ERR_CRYPTO"));
    assert!(message.contains("failed to load key 'none'") && message.contains("o such file or directory"), "{message}");

    assert_eq!(told(&put(&a, "decrypt", &[], "foo").await), failed("invalid header: scheme name not found"));
    let unnamed = told(&put(&a, "decrypt", &[], RECORDED[2].1).await);
    assert_eq!(unnamed, failed("document's manifest does not contain a key name, and no key name was provided"));
    let wrong = told(&put(&a, "decrypt", &[("dapr-key-name", "none")], RECORDED[2].1).await);
    assert_eq!(wrong, failed("failed to validate the document's signature"));

    let nowhere = a.request("PUT", "/v1.0-alpha1/crypto/nowhere/encrypt").send().await;
    let expected = (400, "ERR_CRYPTO_PROVIDER_NOT_FOUND".to_owned(), "crypto provider nowhere not found".to_owned());
    assert_eq!(told(&nowhere), expected);
    let b = Sidecar::named("b").start().await;
    let none = b.request("PUT", "/v1.0-alpha1/crypto/vault/decrypt").send().await;
    let expected =
        (500, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED".to_owned(), "crypto providers not configured".to_owned());
    assert_eq!(told(&none), expected);
}

#[tokio::test]
async fn a_spoilt_document_is_an_error_over_http_and_never_a_part_of_the_plaintext() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let document = encrypt(&a, "aes256", "A256KW", &plaintext(3 * SEGMENT)).await;
    let full = SEGMENT + 16;
    let header = document.len() - 3 * full;
    let mut changed = document.clone();
    *changed.last_mut().unwrap() ^= 1;
    let swapped = [&document[..header], &document[header + full..header + 2 * full], &document[header..header + full]];
    for (spoilt, segment) in [
        (changed, 2),
        (document[..document.len() - full].to_vec(), 1),
        (document[..document.len() - 3].to_vec(), 2),
        (swapped.concat(), 0),
    ] {
        let expected = format!("error processing segment {segment}: failed to decrypt segment");
        assert_eq!(told(&put(&a, "decrypt", &[], spoilt).await), (500, "ERROR".to_owned(), expected));
    }
}

/// The answer has begun by then, so the connection must not end as if it were whole.
#[tokio::test]
async fn an_error_behind_a_long_answer_breaks_it_off() {
    if is_reference() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a").flag("--max-body-size=64Mi"), &folder).start().await;
    let long = plaintext(10 << 20);
    let document = encrypt(&a, "aes256", "A256KW", &long).await;
    let whole = put(&a, "decrypt", &[], document.clone()).await;
    assert!(whole.status == 200 && whole.body == long);
    let mut changed = document;
    *changed.last_mut().unwrap() ^= 1;
    for http2 in [false, true] {
        let call = a.request("PUT", "/v1.0-alpha1/crypto/vault/decrypt").body(changed.clone());
        let opened = if http2 { call.http2() } else { call }.open().await;
        assert_eq!(opened.status(), 200);
        assert!(opened.finish().await.is_err(), "http2: {http2}");
    }
}

/// Many clients read only when all is sent; the answer must not stop them.
#[tokio::test]
async fn a_caller_who_sends_everything_first_is_answered() {
    if is_reference() {
        return;
    }
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a").flag("--max-body-size=64Mi"), &folder).start().await;
    let body = plaintext(40 << 20);
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", a.http_port())).await.unwrap();
    let head = format!(
        "PUT /v1.0-alpha1/crypto/vault/encrypt HTTP/1.1\r\nhost: a\r\nconnection: close\r\ndapr-key-name: aes256\r\n\
         dapr-key-wrap-algorithm: AES\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let exchange = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(120), exchange).await.expect("it does not hang");
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() > body.len());
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_caller_who_breaks_off_gets_no_document() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let (sender, body) = channel_body();
    let call = a.request("PUT", "/v1.0-alpha1/crypto/vault/encrypt").header("dapr-key-name", "aes256");
    let asked = testkit::spawn(call.header("dapr-key-wrap-algorithm", "AES").stream(body).try_send());
    sender.send(Ok(Bytes::from(plaintext(1000)))).await.unwrap();
    sender.send(Err("gone")).await.unwrap();
    drop(sender);
    let answer = asked.await.unwrap();
    assert!(answer.as_ref().is_err() || answer.as_ref().is_ok_and(|answer| answer.status == 500), "{answer:?}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let headers = [("dapr-key-name", "aes256"), ("dapr-key-wrap-algorithm", "AES")];
    let answer = put(&a, "encrypt", &headers, vec![0; 5_000_000]).await;
    assert_eq!(told(&answer), (500, "ERROR".to_owned(), "stream too large".to_owned()));
}

fn options(key: &str, algorithm: &str) -> v1::EncryptRequestOptions {
    v1::EncryptRequestOptions {
        component_name: "vault".to_owned(),
        key_name: key.to_owned(),
        key_wrap_algorithm: algorithm.to_owned(),
        ..Default::default()
    }
}

fn payload(data: &[u8], seq: u64) -> Option<StreamPayload> {
    Some(StreamPayload { data: Bytes::copy_from_slice(data), seq })
}

trait Piece {
    fn into_payload(self) -> Option<StreamPayload>;
}

impl Piece for v1::EncryptResponse {
    fn into_payload(self) -> Option<StreamPayload> {
        self.payload
    }
}

impl Piece for v1::DecryptResponse {
    fn into_payload(self) -> Option<StreamPayload> {
        self.payload
    }
}

/// All pieces, whose numbers must be in order, or the status that ended them and how much came before it.
async fn collected<T: Piece>(
    answer: Result<tonic::Response<Streaming<T>>, Status>,
) -> Result<Vec<u8>, (Status, usize)> {
    let mut stream = answer.map_err(|status| (status, 0))?.into_inner();
    let (mut whole, mut expected) = (Vec::new(), 0);
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                let payload = message.into_payload().expect("each message has a payload");
                assert_eq!(payload.seq, expected);
                expected += 1;
                whole.extend_from_slice(&payload.data);
            }
            Ok(None) => return Ok(whole),
            Err(status) => return Err((status, whole.len())),
        }
    }
}

async fn grpc_encrypt(sidecar: &Sidecar, messages: Vec<v1::EncryptRequest>) -> Result<Vec<u8>, (Status, usize)> {
    let mut dapr = sidecar.dapr().await;
    collected(dapr.encrypt_alpha1(tokio_stream::iter(messages)).await).await
}

async fn grpc_decrypt(sidecar: &Sidecar, key: &str, document: &[u8], piece: usize) -> Result<Vec<u8>, (Status, usize)> {
    let options = v1::DecryptRequestOptions { component_name: "vault".to_owned(), key_name: key.to_owned() };
    let first = v1::DecryptRequest { options: Some(options), payload: None };
    let pieces = document.chunks(piece).enumerate();
    let pieces = pieces.map(|(seq, data)| v1::DecryptRequest { options: None, payload: payload(data, seq as u64) });
    let messages: Vec<_> = std::iter::once(first).chain(pieces).collect();
    let mut dapr = sidecar.dapr().await;
    collected(dapr.decrypt_alpha1(tokio_stream::iter(messages)).await).await
}

#[tokio::test]
async fn documents_come_back_over_grpc_and_both_doors_read_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    for length in [0, 300, 3 * SEGMENT, 500_000] {
        let plain = plaintext(length);
        let mut messages =
            vec![v1::EncryptRequest { options: Some(options("aes256", "AES")), payload: payload(b"", 0) }];
        let pieces = plain.chunks(30_000).enumerate();
        messages.extend(
            pieces.map(|(at, data)| v1::EncryptRequest { options: None, payload: payload(data, at as u64 + 1) }),
        );
        let document = grpc_encrypt(&a, messages).await.unwrap();
        assert!(grpc_decrypt(&a, "", &document, 70_000).await.unwrap() == plain, "{length}");
        assert!(put(&a, "decrypt", &[], document).await.body == plain, "{length}");
    }
    let document = encrypt(&a, "rsa.pem", "RSA", b"hello").await;
    assert_eq!(grpc_decrypt(&a, "", &document, 7).await.unwrap(), b"hello");
}

/// An answer is made while the caller still sends: a stream has no length that must be known, and none that is too long.
#[tokio::test]
async fn a_grpc_stream_is_answered_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let (sender, receiver) = mpsc::channel(1);
    let first = v1::EncryptRequest { options: Some(options("aes256", "AES")), payload: None };
    sender.send(first).await.unwrap();
    let mut dapr = a.dapr().await;
    let mut answer = dapr.encrypt_alpha1(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let header = answer.message().await.unwrap().unwrap().payload.unwrap();
    assert!(header.data.starts_with(b"dapr.io/enc/v1\n") && header.data.ends_with(b"=\n"));
    for seq in 0..200 {
        let piece = v1::EncryptRequest { options: None, payload: payload(&[7; SEGMENT], seq) };
        sender.send(piece).await.unwrap();
        if seq > 0 {
            let segment = answer.message().await.unwrap().unwrap().payload.unwrap();
            assert_eq!((segment.seq, segment.data.len()), (seq, SEGMENT + 16));
        }
    }
    drop(sender);
    assert_eq!(answer.message().await.unwrap().unwrap().payload.unwrap().seq, 200);
    assert_eq!(answer.message().await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_grpc_stream_ends_it_with_a_status() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let message = |options, payload| v1::EncryptRequest { options, payload };
    let good = || Some(options("aes256", "AES"));
    for (messages, code, text) in [
        (
            vec![message(None, payload(b"x", 0))],
            Code::InvalidArgument,
            "first message does not contain the required options",
        ),
        (
            vec![message(Some(options("", "AES")), None)],
            Code::InvalidArgument,
            "missing property 'keyName' in the options message",
        ),
        (
            vec![message(Some(options("k", "")), None)],
            Code::InvalidArgument,
            "missing property 'keyWrapAlgorithm' in the options message",
        ),
        (
            vec![message(
                Some(v1::EncryptRequestOptions { component_name: String::new(), ..options("k", "AES") }),
                None,
            )],
            Code::InvalidArgument,
            "missing component name",
        ),
        (
            vec![message(
                Some(v1::EncryptRequestOptions { component_name: "x".to_owned(), ..options("k", "AES") }),
                None,
            )],
            Code::InvalidArgument,
            "crypto provider x not found",
        ),
        (
            vec![message(good(), payload(b"x", 1))],
            Code::Internal,
            "failed to perform operation: invalid sequence number received: 1 (expected: 0)",
        ),
        (
            vec![message(good(), payload(b"x", 0)), message(None, payload(b"x", 2))],
            Code::Internal,
            "failed to perform operation: invalid sequence number received: 2 (expected: 1)",
        ),
        (
            vec![message(good(), payload(b"x", 0)), message(None, payload(b"x", 0))],
            Code::Internal,
            "failed to perform operation: invalid sequence number received: 0 (expected: 1)",
        ),
        (
            vec![message(good(), payload(b"x", 0)), message(good(), None)],
            Code::Internal,
            "failed to perform operation: options found in non-leading message",
        ),
    ] {
        let (status, _) = grpc_encrypt(&a, messages).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().ends_with(text), "{status}");
    }
}

#[tokio::test]
async fn a_spoilt_document_ends_a_grpc_stream_with_a_status() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let document = encrypt(&a, "aes256", "A256KW", &plaintext(3 * SEGMENT)).await;
    let mut changed = document.clone();
    *changed.last_mut().unwrap() ^= 1;
    let cut = &document[..document.len() - SEGMENT - 16];
    for (spoilt, whole, text) in [
        (changed.as_slice(), 2 * SEGMENT, "error processing segment 2: failed to decrypt segment"),
        (cut, SEGMENT, "error processing segment 1: failed to decrypt segment"),
        (b"foo".as_slice(), 0, "invalid header: scheme name not found"),
        (RECORDED[2].1, 0, "document's manifest does not contain a key name, and no key name was provided"),
    ] {
        let (status, before) = grpc_decrypt(&a, "", spoilt, 50_000).await.unwrap_err();
        assert_eq!((status.code(), before), (Code::Internal, whole), "{status}");
        assert_eq!(status.message(), format!("failed to perform operation: {text}"));
    }
}

#[tokio::test]
async fn a_first_message_that_does_not_come_is_waited_for_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    let (_sender, receiver) = mpsc::channel::<v1::EncryptRequest>(1);
    let mut dapr = a.dapr().await;
    let waiting = async { collected(dapr.encrypt_alpha1(ReceiverStream::new(receiver)).await).await };
    let ended = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    let (status, _) = ended.expect("it does not hang").expect_err("it is refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("error waiting for first message"), "{status}");
}

#[tokio::test]
async fn the_subtle_api_is_off_as_in_the_targets_builds() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_keys(Sidecar::named("a"), &folder).start().await;
    for what in ["getkey", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"] {
        let answer = a.post(&format!("/v1.0-alpha1/subtlecrypto/vault/{what}")).json(&json!({})).send().await;
        assert_eq!((answer.status, answer.error_code().as_str()), (501, "ERR_API_UNIMPLEMENTED"));
    }
    let request = v1::SubtleGetKeyRequest { component_name: "vault".to_owned(), ..Default::default() };
    let status = a.dapr().await.subtle_get_key_alpha1(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "this API is currently not implemented"));
}

#[tokio::test]
async fn the_subtle_api_can_be_turned_on() {
    if is_reference() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let subtle = "features:\n  - name: _SubtleCrypto\n    enabled: true\n";
    let a = with_keys(Sidecar::named("a").configuration(subtle), &folder).start().await;
    let features = a.get("/v1.0/metadata").send().await.json()["enabledFeatures"].clone();
    assert!(features.as_array().unwrap().contains(&json!("_SubtleCrypto")), "{features}");
    let post = async |what: &str, body: serde_json::Value| {
        a.post(&format!("/v1.0-alpha1/subtlecrypto/vault/{what}")).json(&body).send().await
    };
    let base64 = |bytes: &[u8]| STANDARD.encode(bytes);

    let message =
        json!({"keyName": "aes256", "algorithm": "A256GCM", "nonce": base64(&[1; 12]), "plaintext": base64(b"hello")});
    let made = post("encrypt", message).await.json();
    let message = json!({"key_name": "aes256", "algorithm": "A256GCM", "nonce": base64(&[1; 12]), "ciphertext": made["ciphertext"], "tag": made["tag"]});
    assert_eq!(post("decrypt", message).await.json(), json!({"plaintext": base64(b"hello")}));
    let message = json!({"keyName": "aes256", "algorithm": "A256GCM", "nonce": base64(&[2; 12]), "ciphertext": made["ciphertext"], "tag": made["tag"]});
    let refused = post("decrypt", message).await;
    assert_eq!(
        told(&refused),
        (500, "ERR_CRYPTO".to_owned(), "failed to perform operation: failed to decrypt".to_owned())
    );

    let wrapped =
        post("wrapkey", json!({"keyName": "rsa.pem", "algorithm": "RSA-OAEP", "plaintextKey": base64(&[3; 32])}))
            .await
            .json();
    let message = json!({"keyName": "rsa.pem", "algorithm": "RSA-OAEP", "wrappedKey": wrapped["wrappedKey"]});
    assert_eq!(post("unwrapkey", message).await.json(), json!({"plaintextKey": base64(&[3; 32])}));

    let signed =
        post("sign", json!({"keyName": "rsa.pem", "algorithm": "PS256", "digest": base64(&[4; 32])})).await.json();
    let verify = |digest: &[u8]| json!({"keyName": "rsa.pem", "algorithm": "PS256", "digest": base64(digest), "signature": signed["signature"]});
    assert_eq!(post("verify", verify(&[4; 32])).await.json(), json!({"valid": true}));
    assert_eq!(post("verify", verify(&[5; 32])).await.json(), json!({}));

    let key = post("getkey", json!({"name": "rsa.pem", "format": "JSON"})).await.json();
    assert_eq!(key["name"], "rsa.pem");
    assert!(key["publicKey"].as_str().unwrap().starts_with(r#"{"e":"AQAB","kty":"RSA""#), "{key}");
    let symmetric = post("getkey", json!({"name": "aes256"})).await;
    assert_eq!(
        told(&symmetric),
        (500, "ERR_CRYPTO_KEY".to_owned(), "failed to retrieve key aes256: key not found".to_owned())
    );
    let mut dapr = a.dapr().await;
    let request = v1::SubtleGetKeyRequest { component_name: "vault".to_owned(), name: "rsa.pem".to_owned(), format: 0 };
    let pem = dapr.subtle_get_key_alpha1(request).await.unwrap().into_inner().public_key;
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----END PUBLIC KEY-----\n"), "{pem}");
    let request = v1::SubtleSignRequest {
        component_name: "vault".to_owned(),
        digest: vec![4; 32].into(),
        algorithm: "RS256".to_owned(),
        key_name: "rsa.pem".to_owned(),
    };
    let signature = dapr.subtle_sign_alpha1(request).await.unwrap().into_inner().signature;
    let request = v1::SubtleVerifyRequest {
        component_name: "vault".to_owned(),
        digest: vec![4; 32].into(),
        algorithm: "RS256".to_owned(),
        key_name: "rsa.pem".to_owned(),
        signature,
    };
    assert!(dapr.subtle_verify_alpha1(request).await.unwrap().into_inner().valid);
}

#[tokio::test]
async fn a_key_set_is_fetched_from_a_server_and_its_keys_are_named_by_their_ids() {
    if is_reference() {
        return;
    }
    const SET: &str = r#"{"keys":[{"kty":"oct","kid":"aes256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#;
    let server = testkit::App::http().route("/keys", testkit::reply(SET)).start().await;
    for set in [SET.to_owned(), STANDARD.encode(SET), format!("{}/keys", server.url())] {
        let a = Sidecar::named("a").resource(&component("vault", "jwks", "jwks", &set)).start().await;
        let answer = put(&a, "decrypt", &[], RECORDED[0].1).await;
        assert!(answer.body == plaintext(300), "{}", answer.text());
        let document = encrypt(&a, "aes256", "AES", b"hello").await;
        assert_eq!(put(&a, "decrypt", &[], document).await.text(), "hello");
    }
    assert_eq!(server.requests("/keys").len(), 1);
}
