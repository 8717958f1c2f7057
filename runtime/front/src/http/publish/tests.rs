//! What bulk requests say over HTTP, and what is answered where the broker did not take them all.

use http::StatusCode;

use super::*;

fn read(body: &str) -> Result<Vec<(String, Option<String>, String)>, String> {
    let of = |read: Read<'_>| (read.id, read.event.map(|event| event.get().to_owned()), read.content_type);
    entries(body.as_bytes()).map(|read| read.into_iter().map(of).collect())
}

#[test]
fn names_of_fields_are_read_in_any_letter_case() {
    let body = r#"[{"entryID":"1","EVENT":{"a":1},"contenttype":"application/json","metadata":{"k":"v"}},{"event":null}] tail"#;
    let entry = |id: &str, event: Option<&str>, kind: &str| (id.to_owned(), event.map(str::to_owned), kind.to_owned());
    let expected = vec![entry("1", Some(r#"{"a":1}"#), "application/json"), entry("", None, "")];
    assert_eq!(read(body), Ok(expected));
    assert_eq!(read("null"), Ok(Vec::new()));
    let metadata = entries(body.as_bytes()).unwrap().remove(0).metadata;
    assert_eq!(metadata.get("k").map(String::as_str), Some("v"));
}

#[test]
fn what_is_wrong_with_a_body_is_told_in_the_words_of_the_target() {
    for (body, said) in [
        ("", "EOF"),
        (r#"{"entryID": "}"#, "unexpected EOF"),
        (r#"{"entryID": ""}"#, "json: cannot unmarshal object into Go value of type []http.bulkPublishMessageEntry"),
        ("[7]", "json: cannot unmarshal number into Go value of type http.bulkPublishMessageEntry"),
        (
            r#"[{"entryId":7}]"#,
            "json: cannot unmarshal number into Go struct field bulkPublishMessageEntry.entryId of type string",
        ),
    ] {
        assert_eq!(read(body), Err(said.to_owned()), "{body}");
    }
}

fn made(event: Option<&str>, content_type: &str) -> Result<Vec<u8>, String> {
    let event: Option<Box<RawValue>> = event.map(|event| serde_json::from_str(event).unwrap());
    data(event.as_deref(), content_type).map(|data| data.to_vec())
}

#[test]
fn data_of_an_entry_is_what_its_content_type_says() {
    for (event, content_type, expected) in [
        (Some(r#""a\u0041""#), "text/plain", &b"aA"[..]),
        (Some(r#""<a/>""#), "application/xml", b"<a/>"),
        (Some(r#""AP8=""#), "application/octet-stream", b"\x00\xff"),
        (
            Some(r#" { "b" : 12345678901234567890 , "a" : "x" } "#),
            "application/json",
            br#"{"a":"x","b":12345678901234567890}"#,
        ),
        (Some(r#"{"id":"1"}"#), "application/cloudevents+json", br#"{"id":"1"}"#),
        (None, "application/json", b"null"),
    ] {
        assert_eq!(made(event, content_type).as_deref(), Ok(expected), "{content_type}");
    }
}

#[test]
fn data_that_does_not_fit_its_content_type_is_refused() {
    for (event, content_type) in [
        (Some("7"), "text/plain"),
        (None, "text/plain"),
        (Some("{}"), "application/octet-stream"),
        (Some(r#""x""#), ""),
        (Some(r#""x""#), "image/png"),
    ] {
        assert_eq!(made(event, content_type), Err(MISMATCH.to_owned()), "{content_type}");
    }
    assert!(made(Some(r#""?""#), "application/octet-stream").unwrap_err().contains("unable to decode base64"));
}

#[test]
fn entries_that_were_not_taken_are_named() {
    let failure = NotTaken { message: "lost".to_owned(), entries: vec![("2".to_owned(), "lost".to_owned())] };
    let error = errors::pubsub_publish_message("p", "t", &failure.message);
    let answer = partly(&error, &failure);
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let said = answer.headers().get("metadata.responsedata").unwrap().to_str().unwrap();
    let said: serde_json::Value = serde_json::from_str(said).unwrap();
    assert_eq!(
        said,
        json!({
            "failedEntries": [{ "entryId": "2", "error": "lost" }],
            "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE",
        })
    );
    assert!(answer.headers().get("metadata.error").unwrap().to_str().unwrap().ends_with("in pubsub p: lost"));
}
