//! Values and keys that try to break out: large, binary, wrong, with separators and wildcards, and encrypted. Either the
//! right answer, or one clear error, at both doors.

use bytes::Bytes;
use serde_json::json;
use testkit::{Sidecar, SidecarBuilder, ours_only};
use tonic::Code;
use wire::common::{Etag, StateItem};
use wire::runtime::{
    ExecuteStateTransactionRequest, GetBulkStateRequest, GetStateRequest, SaveStateRequest, TransactionalStateOperation,
};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn item(key: &str, value: impl Into<Bytes>) -> StateItem {
    StateItem { key: key.to_owned(), value: value.into(), ..StateItem::default() }
}

async fn save(a: &Sidecar, items: Vec<StateItem>) -> Result<(), tonic::Status> {
    let request = SaveStateRequest { store_name: "store".to_owned(), states: items };
    a.dapr().await.max_encoding_message_size(64 << 20).save_state(request).await.map(drop)
}

async fn read(a: &Sidecar, key: &str) -> Result<Bytes, tonic::Status> {
    let request = GetStateRequest { store_name: "store".to_owned(), key: key.to_owned(), ..GetStateRequest::default() };
    let dapr = a.dapr().await;
    dapr.max_decoding_message_size(64 << 20).get_state(request).await.map(|answer| answer.into_inner().data)
}

/// A sidecar whose in-memory store is encrypted with keys of a secrets file in this folder.
fn encrypted(folder: &tempfile::TempDir, key: &str) -> SidecarBuilder {
    let file = folder.path().join("secrets.json");
    std::fs::write(&file, json!({ "new": KEY, "short": "5a6b" }).to_string()).unwrap();
    let vault = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: vault\nspec:\n  type: secretstores.local.file\n  \
         version: v1\n  metadata:\n  - name: secretsFile\n    value: {}\n",
        file.display()
    );
    let store = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: store\nauth:\n  secretStore: vault\nspec:\n  type: \
         state.in-memory\n  version: v1\n  metadata:\n  - name: primaryEncryptionKey\n    secretKeyRef:\n      name: {key}\n"
    );
    Sidecar::named("a").resource(&vault).resource(&store)
}

#[tokio::test]
async fn ten_megabytes_of_any_bytes_come_back_as_they_were() {
    let a = Sidecar::named("a").memory_store("store").flag("--max-body-size=32Mi").start().await;
    let large: Bytes = (0..=255_u8).cycle().take(10 << 20).collect::<Vec<u8>>().into();
    save(&a, vec![item("large", large.clone())]).await.unwrap();
    assert!(read(&a, "large").await.unwrap() == large);
    assert!(a.get("/v1.0/state/store/large").send().await.body == large);
    let text = format!("[{{\"key\":\"text\",\"value\":\"{}\"}}]", "x".repeat(10 << 20));
    assert_eq!(a.post("/v1.0/state/store").body(text).send().await.status, 204);
    assert_eq!(read(&a, "text").await.unwrap().len(), (10 << 20) + 2);
}

#[tokio::test]
async fn a_separator_in_a_key_is_one_clear_error_at_both_doors_and_nothing_is_done() {
    let a = Sidecar::named("a").memory_store("store").start().await;
    let said = "input key/keyPrefix 'other||k' can't contain '||'";
    let refused = save(&a, vec![item("first", "1"), item("other||k", "2")]).await.unwrap_err();
    assert_eq!((refused.code(), refused.message().contains(said)), (Code::InvalidArgument, true), "{refused:?}");
    assert!(read(&a, "first").await.unwrap().is_empty());
    assert_eq!(read(&a, "other||k").await.unwrap_err().code(), Code::InvalidArgument);
    for path in ["/v1.0/state/store/other%7C%7Ck", "/v1.0/state/store/other||k"] {
        let refused = a.get(path).send().await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "ERR_MALFORMED_REQUEST"));
        assert_eq!(a.request("DELETE", path).send().await.status, 400);
    }
    let bulk = a.post("/v1.0/state/store/bulk").json(&json!({ "keys": ["k", "other||k"] })).send().await;
    assert_eq!(bulk.status, 400);
    let upsert = json!({ "operations": [{ "operation": "upsert", "request": { "key": "other||k", "value": 1 } }] });
    assert_eq!(a.post("/v1.0/state/store/transaction").json(&upsert).send().await.status, 400);
    let keys = vec!["other||k".to_owned()];
    let request = GetBulkStateRequest { store_name: "store".to_owned(), keys, ..Default::default() };
    assert_eq!(a.dapr().await.get_bulk_state(request).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn keys_of_all_kinds_are_only_names() {
    let a = Sidecar::named("a").memory_store("store").start().await;
    let keys = ["'; DROP TABLE state; --", "%", "_", "a/../b", "\u{0}", "\u{202e}", "{}", "|", "a|b", " ", "bulk"];
    for (number, key) in keys.iter().enumerate() {
        save(&a, vec![item(key, number.to_string())]).await.unwrap();
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(read(&a, key).await.unwrap(), number.to_string(), "{key:?}");
    }
    assert_eq!(a.get("/v1.0/state/store/a%2F..%2Fb").send().await.text(), "3");
    assert_eq!(a.get("/v1.0/state/store/%25").send().await.text(), "1");
    assert_eq!(a.get("/v1.0/state/store/bulk").send().await.text(), "10");
}

#[tokio::test]
async fn wrong_json_is_told_and_changes_nothing() {
    let a = Sidecar::named("a").memory_store("store").start().await;
    for body in ["", "{", "[{]", "[{\"key\":1}]", "\u{feff}[]", "[{\"key\":\"k\",\"value\":tru}]"] {
        for path in ["/v1.0/state/store", "/v1.0/state/store/bulk", "/v1.0/state/store/transaction"] {
            let refused = a.post(path).body(body).send().await;
            assert_eq!(
                (refused.status, refused.error_code().as_str()),
                (400, "ERR_MALFORMED_REQUEST"),
                "{path} {body}"
            );
        }
    }
    let mut said_json = item("k", "{odd");
    said_json.metadata.insert("contentType".to_owned(), "application/json".to_owned());
    assert!(save(&a, vec![said_json]).await.is_err());
    assert_eq!(a.get("/v1.0/state/store/k").send().await.status, 204);
}

#[tokio::test]
async fn keys_are_listed_in_pages_whatever_letters_they_have() {
    ours_only!("the reference has no API that lists keys");
    let a = Sidecar::named("a").memory_store("store").start().await;
    let names = ["a_1", "a_2", "aX3", "a%4", "b"];
    save(&a, names.iter().map(|key| item(key, "v")).collect()).await.unwrap();
    let list = async |query: &str| a.get(&format!("/v1.0-alpha1/state/store/keys{query}")).send().await;
    assert_eq!(list("?prefix=a_").await.json(), json!({ "keys": ["a_1", "a_2"] }));
    assert_eq!(list("?prefix=a%25").await.json(), json!({ "keys": ["a%4"] }));
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("?pageSize=2&token={token}")).await.json();
        let keys = page["keys"].as_array().unwrap();
        assert!(keys.len() <= 2);
        all.extend(keys.iter().map(|key| key.as_str().unwrap().to_owned()));
        match page["token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    all.sort();
    assert_eq!(all, ["a%4", "aX3", "a_1", "a_2", "b"]);
    let refused = list("?pageSize=many").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "ERR_MALFORMED_REQUEST"));
    assert_eq!(a.get("/v1.0/state/store/keys").send().await.status, 204, "a key named so is a key");
}

#[tokio::test]
async fn values_of_an_encrypted_store_come_back_through_both_doors() {
    let folder = tempfile::tempdir().unwrap();
    let a = encrypted(&folder, "new").start().await;
    a.logged("Automatic encryption enabled for state store store").await;
    save(&a, vec![item("binary", &b"\0\xff||"[..]), item("two", "2")]).await.unwrap();
    assert_eq!(read(&a, "binary").await.unwrap(), &b"\0\xff||"[..]);
    let saved = a.post("/v1.0/state/store").json(&json!([{ "key": "text", "value": "t" }])).send().await;
    assert_eq!(saved.status, 204);
    let etag = a.get("/v1.0/state/store/text").send().await.values("etag").remove(0);
    let stale = StateItem { etag: Some(Etag { value: "stale".to_owned() }), ..item("text", "u") };
    assert_eq!(save(&a, vec![stale]).await.unwrap_err().code(), Code::Aborted);
    let right = StateItem { etag: Some(Etag { value: etag }), ..item("text", "u") };
    save(&a, vec![right]).await.unwrap();
    assert_eq!(a.get("/v1.0/state/store/text").send().await.text(), "u");
}

#[tokio::test]
async fn a_store_whose_key_cannot_be_used_keeps_the_sidecar_from_starting_and_never_shows_it() {
    ours_only!("the reference says it in other words");
    let folder = tempfile::tempdir().unwrap();
    let said = encrypted(&folder, "short").start_failing().await.output;
    assert!(said.contains("primaryEncryptionKey has 2 bytes: an AES key has 16, 24 or 32"), "{said}");
    assert!(!said.contains("5a6b"), "{said}");
}

#[tokio::test]
async fn a_value_of_a_transaction_comes_back_from_an_encrypted_store() {
    ours_only!("the reference encrypts what its language prints of the bytes");
    let folder = tempfile::tempdir().unwrap();
    let a = encrypted(&folder, "new").start().await;
    let operation = TransactionalStateOperation {
        operation_type: "upsert".to_owned(),
        request: Some(item("three", "in a transaction")),
    };
    let request = ExecuteStateTransactionRequest {
        store_name: "store".to_owned(),
        operations: vec![operation],
        ..Default::default()
    };
    a.dapr().await.execute_state_transaction(request).await.unwrap();
    assert_eq!(a.get("/v1.0/state/store/three").send().await.text(), "in a transaction");
}
