//! What the state API says over HTTP, on the in-memory store.

use std::sync::Arc;

use blocks::Metadata;
use blocks::state::BulkItem;
use component::{Host, MetadataItem, Registry, SecretReference, Spec, Tasks};
use http::{HeaderMap, Method, Uri};
use loaded::{LoadedComponents, Loader};

use super::bodies::part_of;
use super::*;

async fn state() -> State {
    state_with(Vec::new()).await
}

/// The same, with its values encrypted.
async fn encrypted() -> State {
    let secret = Some(SecretReference { name: "k".to_owned(), key: String::new() });
    let value = "000102030405060708090a0b0c0d0e0f".to_owned();
    state_with(vec![MetadataItem { name: "primaryEncryptionKey".to_owned(), value, secret }]).await
}

async fn state_with(metadata: Vec<MetadataItem>) -> State {
    let components = LoadedComponents::default();
    let tasks = Tasks::new(|_, _| ());
    let host = Host::new("app", "", tasks);
    let with = metadata.clone();
    let admission: loaded::Admission = Arc::new(move |spec, _| {
        // The loader would look for a secret store: the block is told of the secret, and the store is not.
        let spec = Spec { metadata: with.clone(), ..spec.clone() };
        let properties: component::Properties =
            with.iter().map(|item| (item.name.as_str(), item.value.as_str())).collect();
        blocks::admit("app", &spec, &properties, properties.clone())
    });
    let loader = Loader::new(Registry::new(local::REGISTRATIONS, &[]), host, admission, components.clone());
    let spec = Spec {
        name: "store".to_owned(),
        namespace: String::new(),
        component_type: "state.in-memory".to_owned(),
        version: "v1".to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    State::new("app".into(), "".into(), components)
}

/// Status and body of an answer, behind its `etag` if it has one.
type Answered = (u16, String);

async fn ask(state: &State, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
    let door = Door { state, app: "app", max_body: 1 << 20 };
    let uri: Uri = path.parse().unwrap();
    let mut segments = uri.path().split('/').skip(1).map(str::to_owned);
    let store = segments.next().unwrap();
    let key = segments.next().unwrap_or_default();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    let head = Head {
        method: Method::GET,
        uri: uri.clone(),
        headers: map,
        parameters: vec![("storeName", store), ("key", key.clone())],
    };
    let routed = Routed { head, body: service::body::full(body.to_vec()) };
    let response = answer(match (method, key.as_str()) {
        ("KEYS", _) => door.keys(routed).await,
        ("GET", _) => door.get(&routed.head).await,
        ("DELETE", _) => door.delete(routed).await,
        (_, "bulk") => door.get_bulk(routed).await,
        (_, "transaction") => door.transact(routed).await,
        (_, "query") => door.query(routed).await,
        _ => door.save(&routed.head, routed.body).await,
    });
    let status = response.status().as_u16();
    let body = service::read_bounded(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn post(state: &State, path: &str, body: &str) -> Answered {
    ask(state, "POST", path, &[], body.as_bytes()).await
}

async fn get(state: &State, path: &str) -> Answered {
    ask(state, "GET", path, &[], b"").await
}

fn message(answered: &Answered) -> (u16, String, String) {
    let body: serde_json::Value = serde_json::from_str(&answered.1).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (answered.0, text("errorCode"), text("message"))
}

#[tokio::test]
async fn a_value_comes_back_byte_for_byte() {
    let state = state().await;
    for value in ["{\"b\": 1,\"a\":\"<\"}", "null", "12345678901234567890123", "\"\\ud800\"", "[ 1 ]", "\"\""] {
        let body = format!(" [{{\"KEY\": \"k\", \"Value\": {value} }}] what follows");
        assert_eq!(post(&state, "/store", &body).await, (204, String::new()));
        assert_eq!(get(&state, "/store/k").await, (200, value.to_owned()));
    }
    assert_eq!(post(&state, "/store", "[{\"key\":\"k\"}]").await.0, 204);
    assert_eq!(get(&state, "/store/k").await, (200, "null".to_owned()));
    assert_eq!(ask(&state, "POST", "/store", &[], b"[{\"key\":\"k\",\"value\":\"\xff\"}]").await.0, 204);
    assert_eq!(get(&state, "/store/k").await, (200, "\"\u{fffd}\"".to_owned()));
    assert_eq!(get(&state, "/store/none?consistency=odd").await, (204, String::new()));
}

#[tokio::test]
async fn a_body_that_is_no_save_is_refused_in_the_targets_words() {
    let state = state().await;
    let unmarshal = "json: cannot unmarshal ";
    for (body, said) in [
        ("", "EOF".to_owned()),
        ("  ", "EOF".to_owned()),
        ("[{\"key\":\"k\"", "unexpected EOF".to_owned()),
        ("nul", "unexpected EOF".to_owned()),
        ("foobar", "invalid character 'o' in literal false (expecting 'a')".to_owned()),
        ("[{\"key\":\"k\",\"value\":1},]", "invalid character ']' looking for beginning of value".to_owned()),
        ("7x", format!("{unmarshal}number into Go value of type []state.SetRequest")),
        ("{}", format!("{unmarshal}object into Go value of type []state.SetRequest")),
        ("\"x\"", format!("{unmarshal}string into Go value of type []state.SetRequest")),
        ("[7]", format!("{unmarshal}number into Go value of type state.SetRequest")),
        ("[{}]", "\"key\" is a required field".to_owned()),
        ("[null]", "\"key\" is a required field".to_owned()),
        ("[{\"key\":7}]", format!("{unmarshal}number into Go struct field SetRequest.key of type string")),
        (
            "[{\"key\":\"k\",\"etag\":{}}]",
            format!("{unmarshal}object into Go struct field SetRequest.etag of type string"),
        ),
        (
            "[{\"key\":\"k\",\"contentType\":true}]",
            format!("{unmarshal}bool into Go struct field SetRequest.contentType of type string"),
        ),
        (
            "[{\"key\":\"k\",\"metadata\":7}]",
            format!("{unmarshal}number into Go struct field SetRequest.metadata of type map[string]string"),
        ),
        (
            "[{\"key\":\"k\",\"metadata\":{\"a\":[]}}]",
            format!("{unmarshal}array into Go struct field SetRequest.metadata of type string"),
        ),
        (
            "[{\"key\":\"k\",\"options\":7}]",
            format!("{unmarshal}number into Go struct field SetRequest.options of type state.SetStateOption"),
        ),
        (
            "[{\"key\":\"k\",\"options\":{\"concurrency\":7}}]",
            format!("{unmarshal}number into Go struct field SetStateOption.options.Concurrency of type string"),
        ),
    ] {
        let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), said);
        assert_eq!(message(&post(&state, "/store", body).await), expected, "{body}");
    }
    for body in ["[]", "null"] {
        assert_eq!(post(&state, "/store", body).await.0, 204);
    }
}

#[tokio::test]
async fn deep_json_is_neither_a_crash_nor_slow() {
    let state = state().await;
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    assert_eq!(post(&state, "/store", &format!("[{{\"key\":\"k\",\"value\":{deep}}}]")).await.0, 204);
    assert_eq!(post(&state, "/store", &deep).await.0, 400);
    assert_eq!(post(&state, "/store/bulk", "{\"keys\":[\"k\"]}").await.0, 200);
    let upsert = format!("{{\"operations\":[{{\"operation\":\"upsert\",\"request\":{{\"value\":{deep}}}}}]}}");
    assert_eq!(post(&state, "/store/transaction", &upsert).await.0, 204);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let state = state().await;
    let body = " ".repeat((1 << 20) + 1);
    let refused = |message: &str| (400, "ERR_MALFORMED_REQUEST".to_owned(), message.to_owned());
    assert_eq!(message(&post(&state, "/store", &body).await), refused("stream too large"));
    for path in ["/store/bulk", "/store/transaction"] {
        let said = message(&post(&state, path, &body).await);
        assert_eq!(said, refused("failed deserializing HTTP body: stream too large"));
    }
    let said = message(&post(&state, "/other/query", &body).await);
    let expected = "failed to read request body: stream too large".to_owned();
    assert_eq!(said, (400, "ERR_BODY_READ".to_owned(), expected));
}

#[tokio::test]
async fn metadata_of_the_query_string_wins() {
    let state = state().await;
    let save = |ttl: &str| format!("[{{\"key\":\"k\",\"value\":1,\"metadata\":{{\"ttlInSeconds\":\"{ttl}\"}}}}]");
    assert_eq!(post(&state, "/store", &save("soon")).await.0, 500);
    assert_eq!(post(&state, "/store?metadata.ttlInSeconds=100", &save("soon")).await.0, 204);
    assert_eq!(post(&state, "/store?metadata.ttlInSeconds=soon", &save("100")).await.0, 500);
    let upsert = "{\"operations\":[{\"operation\":\"upsert\",\"request\":{\"key\":\"k\"}}]}";
    assert_eq!(post(&state, "/store/transaction?metadata.ttlInSeconds=soon", upsert).await.0, 500);
}

#[tokio::test]
async fn a_stale_etag_is_a_conflict_everywhere() {
    let state = state().await;
    post(&state, "/store", "[{\"key\":\"k\",\"value\":1}]").await;
    let stale = "{\"key\":\"k\",\"value\":1,\"etag\":\"stale\"}";
    let conflict = |answered: Answered, code: &str, start: &str| {
        let (status, tag, said) = message(&answered);
        assert_eq!((status, tag.as_str()), (409, code));
        assert!(said.starts_with(&format!("{start}: possible etag mismatch. error from state store: ")), "{said}");
    };
    let saved = post(&state, "/store", &format!("[{stale}]")).await;
    conflict(saved, "ERR_STATE_SAVE", "failed saving state in state store store");
    let deleted = ask(&state, "DELETE", "/store/k", &[("if-match", "stale")], b"").await;
    conflict(deleted, "ERR_STATE_DELETE", "failed deleting state with key k");
    let transaction = format!("{{\"operations\":[{{\"operation\":\"upsert\",\"request\":{stale}}}]}}");
    let transacted = post(&state, "/store/transaction", &transaction).await;
    conflict(transacted, "ERR_STATE_TRANSACTION", "error while executing state transaction");
    assert_eq!(ask(&state, "DELETE", "/store/k", &[("if-match", "")], b"").await, (204, String::new()));
    assert_eq!(get(&state, "/store/k").await.0, 204);
}

#[tokio::test]
async fn unknown_words_fail_a_write_but_not_a_removal_in_a_transaction() {
    let state = state().await;
    let save = "[{\"key\":\"k\",\"options\":{\"consistency\":\"odd\",\"Concurrency\":\"odd\"}}]";
    let expected = "failed saving state in state store store: unrecognized consistency model 'odd'";
    let said = message(&post(&state, "/store", save).await);
    assert_eq!(said, (500, "ERR_STATE_SAVE".to_owned(), expected.to_owned()));
    let said = message(&ask(&state, "DELETE", "/store/k?concurrency=odd", &[], b"").await);
    let expected = "failed deleting state with key k: unrecognized concurrency model 'odd'";
    assert_eq!(said, (500, "ERR_STATE_DELETE".to_owned(), expected.to_owned()));
    let transaction = |word: &str| {
        let request = "{\"key\":\"k\",\"options\":{\"concurrency\":\"odd\"}}";
        format!("{{\"operations\":[{{\"operation\":\"{word}\",\"request\":{request}}}]}}")
    };
    let said = message(&post(&state, "/store/transaction", &transaction("upsert")).await);
    let expected = "error while executing state transaction: unrecognized concurrency model 'odd'";
    assert_eq!(said, (500, "ERR_STATE_TRANSACTION".to_owned(), expected.to_owned()));
    assert_eq!(post(&state, "/store/transaction", &transaction("delete")).await.0, 204);
}

#[tokio::test]
async fn an_illegal_key_is_an_error_within_itself() {
    let state = state().await;
    let inner = "api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'";
    let expected = |field: &str| {
        format!(
            "{{\"errorCode\":\"ERR_MALFORMED_REQUEST\",\"message\":\"{inner}\",\"details\":[{{\"@type\":\
             \"type.googleapis.com/google.rpc.BadRequest\",\"field_violations\":[{{{field}\"description\":\
             \"{inner}\"}}]}},{{\"@type\":\"type.googleapis.com/google.rpc.ResourceInfo\",\"description\":\"\",\
             \"owner\":\"\",\"resource_name\":\"store\",\"resource_type\":\"state\"}},{{\"@type\":\
             \"type.googleapis.com/google.rpc.ErrorInfo\",\"domain\":\"dapr.io\",\"metadata\":null,\"reason\":\
             \"DAPR_STATE_ILLEGAL_KEY\"}}]}}"
        )
    };
    let named = expected("\"field\":\"a||b\",");
    assert_eq!(post(&state, "/store", "[{\"key\":\"a||b\"}]").await, (400, named.clone()));
    assert_eq!(post(&state, "/store/bulk", "{\"keys\":[\"a||b\"]}").await, (400, named));
    let transaction = "{\"operations\":[{\"operation\":\"delete\",\"request\":{\"key\":\"a||b\"}}]}";
    assert_eq!(post(&state, "/store/transaction", transaction).await, (400, expected("")));
}

#[tokio::test]
async fn a_missing_store_names_the_app_except_in_a_query() {
    let missing = |metadata: &str, what: &str, tag: &str, reason: &str| {
        format!(
            "{{\"errorCode\":\"{tag}\",\"message\":\"state store other is not {what}\",\"details\":[{{\"@type\":\
             \"type.googleapis.com/google.rpc.ErrorInfo\",\"domain\":\"dapr.io\",\"metadata\":{metadata},\
             \"reason\":\"{reason}\"}}]}}"
        )
    };
    let found = |metadata| missing(metadata, "found", "ERR_STATE_STORE_NOT_FOUND", "DAPR_STATE_NOT_FOUND");
    let state = state().await;
    for path in ["/other", "/other/bulk", "/other/transaction"] {
        assert_eq!(post(&state, path, "odd").await, (400, found("{\"appID\":\"app\"}")), "{path}");
    }
    assert_eq!(get(&state, "/other/k").await, (400, found("{\"appID\":\"app\"}")));
    assert_eq!(post(&state, "/other/query", "{}").await, (400, found("null")));
    let none = State::new("app".into(), "".into(), LoadedComponents::default());
    let tag = "ERR_STATE_STORE_NOT_CONFIGURED";
    let expected = missing("{\"appID\":\"app\"}", "configured", tag, "DAPR_STATE_NOT_CONFIGURED");
    assert_eq!(get(&none, "/other/k").await, (500, expected));
    let said = message(&post(&state, "/store/query", "{}").await);
    let expected = "state store does not support querying".to_owned();
    assert_eq!(said, (500, "ERR_STATE_STORE_NOT_SUPPORTED".to_owned(), expected));
}

#[tokio::test]
async fn a_bulk_read_answers_every_key_in_order() {
    let state = state().await;
    post(&state, "/store", "[{\"key\":\"k\",\"value\":{\"b\":1}}]").await;
    for body in ["{}", "null", "{\"keys\":[]}"] {
        assert_eq!(post(&state, "/store/bulk", body).await, (200, "[]\n".to_owned()));
    }
    let (status, body) = post(&state, "/store/bulk", "{\"keys\":[\"<none>\",\"k\",null],\"parallelism\":-2}").await;
    assert_eq!(status, 200);
    assert!(body.starts_with("[{\"key\":\"\\u003cnone\\u003e\"},{\"key\":\"k\",\"data\":{\"b\":1},\"etag\":\""));
    assert!(body.ends_with("\"},{\"key\":\"\"}]\n"), "{body}");
    let expected = "failed deserializing HTTP body: invalid character '}' looking for beginning of value";
    let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), expected.to_owned());
    assert_eq!(message(&post(&state, "/store/bulk", "{\"keys\":}").await), expected);
    assert_eq!(message(&post(&state, "/store/transaction", "{\"operations\":[}").await), expected);
    let unmarshal = "failed deserializing HTTP body: json: cannot unmarshal ";
    for (body, said) in [
        ("[]", "array into Go value of type http.BulkGetRequest"),
        ("{\"keys\":\"k\"}", "string into Go struct field BulkGetRequest.keys of type []string"),
        ("{\"keys\":[1]}", "number into Go struct field BulkGetRequest.keys of type string"),
        ("{\"parallelism\":1.5}", "number 1.5 into Go struct field BulkGetRequest.parallelism of type int"),
        ("{\"parallelism\":\"2\"}", "string into Go struct field BulkGetRequest.parallelism of type int"),
    ] {
        let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), format!("{unmarshal}{said}"));
        assert_eq!(message(&post(&state, "/store/bulk", body).await), expected);
    }
}

#[test]
fn a_bulk_answer_says_what_could_not_be_read() {
    let stored = |data: &'static str| {
        let metadata = Metadata::from([("ttlExpireTime".to_owned(), "soon".to_owned())]);
        Ok(Some(component::state::Stored { data: data.into(), etag: Some("1".into()), metadata }))
    };
    let item = |key: &str, result| BulkItem { key: key.to_owned(), result };
    let lost = Err(component::Error::new(ErrorKind::Unavailable, "lost \"it\""));
    let items = [
        item("a", stored("1")),
        item("b", stored("odd")),
        item("c", lost),
        item("d", stored("")),
        item("e", stored("null")),
    ];
    assert_eq!(
        bulk_answer(&items, false),
        "[{\"key\":\"a\",\"data\":1,\"etag\":\"1\",\"metadata\":{\"ttlExpireTime\":\"soon\"}},\
         {\"key\":\"b\",\"error\":\"the value is not JSON, read it by itself: expected value at line 1 column 1\"},\
         {\"key\":\"c\",\"error\":\"lost \\\"it\\\"\"},\
         {\"key\":\"d\",\"etag\":\"1\",\"metadata\":{\"ttlExpireTime\":\"soon\"}},\
         {\"key\":\"e\",\"data\":null,\"etag\":\"1\",\"metadata\":{\"ttlExpireTime\":\"soon\"}}]\n"
    );
}

#[tokio::test]
async fn a_transaction_is_read_as_the_target_reads_it() {
    let state = state().await;
    let body = "{\"operations\":[{\"operation\":\"upsert\",\"request\":{\"KEY\":\"a\",\"value\":1}},\
                {\"operation\":\"upsert\",\"request\":{\"key\":\"b\",\"value\":2}},\
                {\"operation\":\"delete\",\"request\":{\"key\":\"a\"}}],\"metadata\":{\"x\":\"y\"}}";
    assert_eq!(post(&state, "/store/transaction", body).await, (204, String::new()));
    assert_eq!((get(&state, "/store/a").await.0, get(&state, "/store/b").await), (204, (200, "2".to_owned())));
    assert_eq!(post(&state, "/store/transaction", "{}").await.0, 204);
    assert_eq!(post(&state, "/store/transaction", "{\"operations\":[{\"operation\":\"upsert\"}]}").await.0, 204);
    let unconvertible = |field: &str, own: &str, value: &str| {
        format!(
            "1 error(s) decoding:\n\n* '{field}' expected type 'string', got unconvertible type '{own}', value: \
             '{value}'"
        )
    };
    for (request, said) in [
        ("7", "'' expected a map, got 'float64'".to_owned()),
        ("[{}]", "'' expected a map, got 'slice'".to_owned()),
        ("{\"key\":7}", unconvertible("Key", "float64", "7")),
        ("{\"etag\":true}", unconvertible("ETag", "bool", "true")),
        ("{\"metadata\":{\"a\":7}}", unconvertible("Metadata[a]", "float64", "7")),
        ("{\"metadata\":[]}", "1 error(s) decoding:\n\n* 'Metadata' expected a map, got 'slice'".to_owned()),
        ("{\"options\":7}", "1 error(s) decoding:\n\n* 'Options' expected a map, got 'float64'".to_owned()),
        ("{\"options\":{\"concurrency\":7}}", unconvertible("Options.Concurrency", "float64", "7")),
    ] {
        let body = format!("{{\"operations\":[{{\"operation\":\"upsert\",\"request\":{request}}}]}}");
        let said = format!("failed deserializing HTTP body: {said}");
        let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), said);
        assert_eq!(message(&post(&state, "/store/transaction", &body).await), expected);
    }
    for word in ["Upsert", "odd", ""] {
        let body = format!("{{\"operations\":[{{\"operation\":\"{word}\",\"request\":{{}}}}]}}");
        let said = format!("operation type {word} not supported");
        let expected = (400, "ERR_NOT_SUPPORTED_STATE_OPERATION".to_owned(), said);
        assert_eq!(message(&post(&state, "/store/transaction", &body).await), expected);
    }
}

#[tokio::test]
async fn an_answer_carries_etag_and_metadata_as_headers() {
    let state = state().await;
    post(&state, "/store?metadata.ttlInSeconds=100", "[{\"key\":\"k\",\"value\":1}]").await;
    let door = Door { state: &state, app: "app", max_body: 9 };
    let head = Head {
        method: Method::GET,
        uri: Uri::from_static("/store/k"),
        headers: HeaderMap::new(),
        parameters: vec![("storeName", "store".to_owned()), ("key", "k".to_owned())],
    };
    let routed = Routed { head, body: service::body::empty() };
    let response = door.get(&routed.head).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers()["etag"].is_empty());
    assert!(response.headers()["metadata.ttlexpiretime"].to_str().unwrap().ends_with('Z'));
}

#[test]
fn a_small_value_does_not_keep_a_large_body() {
    let body = Bytes::from("x".repeat(100));
    let whole = |part: &Bytes| body.as_ptr_range().contains(&part.as_ptr());
    assert!(whole(&part_of(&body, std::str::from_utf8(&body[..60]).unwrap())));
    assert!(!whole(&part_of(&body, std::str::from_utf8(&body[..40]).unwrap())));
}

#[tokio::test]
async fn an_encrypted_store_keeps_texts_without_quotes_and_all_else_as_json() {
    let state = encrypted().await;
    let body = r#"[{"key":"t","value":"a \"b\" < \u00e4"},{"key":"o","value":{"a": 12345678901}},{"key":"n"}]"#;
    assert_eq!(post(&state, "/store", body).await, (204, String::new()));
    assert_eq!(get(&state, "/store/t").await, (200, "a \"b\" < \u{e4}".to_owned()));
    assert_eq!(get(&state, "/store/o").await, (200, "{\"a\": 12345678901}".to_owned()));
    assert_eq!(get(&state, "/store/n").await, (200, "null".to_owned()));
    let upsert = r#"{"operations":[{"operation":"upsert","request":{"key":"u","value":"in one"}}]}"#;
    assert_eq!(post(&state, "/store/transaction", upsert).await.0, 204);
    assert_eq!(get(&state, "/store/u").await, (200, "in one".to_owned()));
    let (status, bulk) = post(&state, "/store/bulk", r#"{"keys":["t","o","x"]}"#).await;
    let bulk: serde_json::Value = serde_json::from_str(&bulk).unwrap();
    let data: Vec<_> = bulk.as_array().unwrap().iter().map(|item| item["data"].clone()).collect();
    let expected = [serde_json::json!("a \"b\" < \u{e4}"), serde_json::json!({ "a": 12345678901_u64 }), ().into()];
    assert_eq!((status, data.as_slice()), (200, &expected[..]));
}

#[tokio::test]
async fn a_text_that_is_no_text_is_refused_by_an_encrypted_store() {
    let (status, code, said) = message(&post(&encrypted().await, "/store", r#"[{"key":"k","value":"\ud800"}]"#).await);
    assert_eq!((status, code.as_str()), (400, "ERR_MALFORMED_REQUEST"));
    assert!(said.starts_with("the text of the value of \"k\" cannot be read: "), "{said}");
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let state = state().await;
    post(&state, "/store", r#"[{"key":"a1"},{"key":"a2"},{"key":"b"},{"key":"a3"}]"#).await;
    let keys = async |query: &str| ask(&state, "KEYS", &format!("/store/keys{query}"), &[], b"").await;
    assert_eq!(keys("?prefix=b").await, (200, "{\"keys\":[\"b\"]}\n".to_owned()));
    assert_eq!(keys("?prefix=none").await, (200, "{\"keys\":[]}\n".to_owned()));
    let first: serde_json::Value = serde_json::from_str(&keys("?prefix=a&pageSize=2").await.1).unwrap();
    assert_eq!(first["keys"].as_array().unwrap().len(), 2);
    let token = first["token"].as_str().unwrap();
    let second = keys(&format!("?prefix=a&pageSize=2&token={token}")).await;
    let second: serde_json::Value = serde_json::from_str(&second.1).unwrap();
    assert_eq!((second["keys"].as_array().unwrap().len(), second.get("token")), (1, None));
    for (query, said) in [
        ("?pageSize=x", "pageSize is \"x\": expected a whole number from 1 to 1000"),
        ("?pageSize=0", "the size of a page is from 1 to 1000"),
        ("?pageSize=1001", "the size of a page is from 1 to 1000"),
    ] {
        assert_eq!(message(&keys(query).await), (400, "ERR_MALFORMED_REQUEST".to_owned(), said.to_owned()));
    }
    let (status, code, _) = message(&keys("?token=odd").await);
    assert_eq!((status, code.as_str()), (400, "ERR_STATE_KEYS"));
    let (status, code, _) = message(&keys("?prefix=other%7C%7C").await);
    assert_eq!((status, code.as_str()), (400, "ERR_MALFORMED_REQUEST"));
}
