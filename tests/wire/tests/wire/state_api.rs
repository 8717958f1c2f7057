//! The state API over both doors, on the in-memory store.

use std::collections::HashMap;

use serde_json::json;
use testkit::Sidecar;
use tonic::Code;
use wire::common::StateItem;
use wire::runtime::{DeleteStateRequest, GetBulkStateRequest, GetStateRequest, SaveStateRequest};

async fn with_store() -> Sidecar {
    Sidecar::named("a").memory_store("store").start().await
}

#[tokio::test]
async fn what_was_saved_is_read_back_with_an_etag() {
    let a = with_store().await;
    assert_eq!(a.get("/v1.0/state/store/key").send().await.status, 204);
    let saved =
        a.post("/v1.0/state/store").json(&json!([{"key": "key", "value": {"n": 1}}, {"key": "text", "value": "t"}]));
    assert_eq!(saved.send().await.status, 204);
    let answer = a.get("/v1.0/state/store/key").send().await;
    assert_eq!((answer.status, answer.json()), (200, json!({"n": 1})));
    assert_eq!(answer.values("etag").len(), 1);
    assert_eq!(a.get("/v1.0/state/store/text").send().await.text(), "\"t\"");
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let a = with_store().await;
    let save = |value: i32, etag: &str| {
        let item = json!([{"key": "key", "value": value, "etag": etag, "options": {"concurrency": "first-write"}}]);
        a.post("/v1.0/state/store").json(&item)
    };
    a.post("/v1.0/state/store").json(&json!([{"key": "key", "value": 1}])).send().await;
    let etag = a.get("/v1.0/state/store/key").send().await.values("etag").remove(0);
    assert_eq!(save(2, &etag).send().await.status, 204);
    let stale = save(3, &etag).send().await;
    assert_eq!((stale.status, stale.error_code().as_str()), (409, "ERR_STATE_SAVE"));
    assert_eq!(a.get("/v1.0/state/store/key").send().await.text(), "2");
    let deleted = a.request("DELETE", "/v1.0/state/store/key").header("if-match", etag).send().await;
    assert_eq!(deleted.status, 409);
    assert_eq!(a.request("DELETE", "/v1.0/state/store/key").send().await.status, 204);
    assert_eq!(a.get("/v1.0/state/store/key").send().await.status, 204);
}

#[tokio::test]
async fn several_keys_are_read_at_once() {
    let a = with_store().await;
    a.post("/v1.0/state/store").json(&json!([{"key": "one", "value": 1}, {"key": "two", "value": 2}])).send().await;
    let bulk = a.post("/v1.0/state/store/bulk").json(&json!({"keys": ["one", "two", "none"]})).send().await;
    let mut items = bulk.json().as_array().unwrap().clone();
    items.sort_by_key(|item| item["key"].to_string());
    assert_eq!((&items[0]["key"], items.len()), (&json!("none"), 3));
    assert_eq!((&items[1]["data"], &items[2]["data"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let a = with_store().await;
    a.post("/v1.0/state/store").json(&json!([{"key": "old", "value": 1}])).send().await;
    let operations = json!({"operations": [
        {"operation": "upsert", "request": {"key": "new", "value": 2}},
        {"operation": "delete", "request": {"key": "old"}},
    ]});
    assert_eq!(a.post("/v1.0/state/store/transaction").json(&operations).send().await.status, 204);
    assert_eq!(a.get("/v1.0/state/store/new").send().await.text(), "2");
    assert_eq!(a.get("/v1.0/state/store/old").send().await.status, 204);
    let stale = json!({"operations": [
        {"operation": "upsert", "request": {"key": "half", "value": 1}},
        {"operation": "upsert", "request": {"key": "new", "value": 3, "etag": "stale", "options": {"concurrency": "first-write"}}},
    ]});
    assert!(a.post("/v1.0/state/store/transaction").json(&stale).send().await.status >= 400);
    assert_eq!(a.get("/v1.0/state/store/half").send().await.status, 204);
    assert_eq!(a.get("/v1.0/state/store/new").send().await.text(), "2");
}

#[tokio::test]
async fn both_doors_reach_the_same_state() {
    let a = with_store().await;
    let mut dapr = a.dapr().await;
    let item = StateItem { key: "key".to_owned(), value: b"raw".as_slice().into(), ..StateItem::default() };
    dapr.save_state(SaveStateRequest { store_name: "store".to_owned(), states: vec![item] }).await.unwrap();
    assert_eq!(a.get("/v1.0/state/store/key").send().await.text(), "raw");
    let request =
        GetStateRequest { store_name: "store".to_owned(), key: "key".to_owned(), ..GetStateRequest::default() };
    let read = dapr.get_state(request).await.unwrap().into_inner();
    assert_eq!((&read.data[..], read.etag.is_empty()), (&b"raw"[..], false));
    let keys = vec!["key".to_owned(), "none".to_owned()];
    let request = GetBulkStateRequest { store_name: "store".to_owned(), keys, ..GetBulkStateRequest::default() };
    let bulk = dapr.get_bulk_state(request).await.unwrap().into_inner();
    let data: HashMap<String, usize> = bulk.items.into_iter().map(|item| (item.key, item.data.len())).collect();
    assert_eq!(data, HashMap::from([("key".to_owned(), 3), ("none".to_owned(), 0)]));
    let request =
        DeleteStateRequest { store_name: "store".to_owned(), key: "key".to_owned(), ..DeleteStateRequest::default() };
    dapr.delete_state(request).await.unwrap();
    assert_eq!(a.get("/v1.0/state/store/key").send().await.status, 204);
}

#[tokio::test]
async fn errors_have_the_codes_of_both_doors() {
    let a = with_store().await;
    let answer = a.get("/v1.0/state/nowhere/key").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "ERR_STATE_STORE_NOT_FOUND"));
    let answer = a.post("/v1.0/state/store").body("not json").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "ERR_MALFORMED_REQUEST"));
    let answer = a.post("/v1.0/state/store").json(&json!([{"key": "a||b", "value": 1}])).send().await;
    assert_eq!(answer.status, 400);
    let request =
        GetStateRequest { store_name: "nowhere".to_owned(), key: "key".to_owned(), ..GetStateRequest::default() };
    assert_eq!(a.dapr().await.get_state(request).await.unwrap_err().code(), Code::InvalidArgument);
    let b = Sidecar::named("b").start().await;
    let answer = b.get("/v1.0/state/store/key").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_STATE_STORE_NOT_CONFIGURED"));
}

#[tokio::test]
async fn state_that_expired_is_gone() {
    let a = with_store().await;
    let item = json!([{"key": "key", "value": 1, "metadata": {"ttlInSeconds": "1"}}]);
    assert_eq!(a.post("/v1.0/state/store").json(&item).send().await.status, 204);
    assert_eq!(a.get("/v1.0/state/store/key").send().await.status, 200);
    for _ in 0..40 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if a.get("/v1.0/state/store/key").send().await.status == 204 {
            return;
        }
    }
    panic!("it is still there");
}

#[tokio::test]
async fn a_grpc_call_with_a_timeout_that_is_none_is_refused() {
    let a = Sidecar::named("a").memory_store("store").start().await;
    let get = |timeout: &str| {
        let call = testkit::Call::to(a.grpc_port(), "POST", "/dapr.proto.runtime.v1.Dapr/GetMetadata").http2();
        call.header("content-type", "application/grpc").header("te", "trailers").header("grpc-timeout", timeout)
    };
    let refused = get("9x").body(vec![0; 5]).send().await;
    assert_eq!(refused.values("grpc-status"), ["13"], "{refused:?}");
    let said = "malformed grpc-timeout: transport: timeout unit is not recognized: \"9x\"";
    assert_eq!(refused.values("grpc-message")[0].replace("%20", " ").replace("%22", "\""), said);
    let answer = get("9S").body(vec![0; 5]).send().await;
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
}
