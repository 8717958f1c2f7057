//! The catalogue against the target: every code and predefined error it defines, and what its doors answered.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;

use tonic::Code;
use trilby_errors::{self as errors, ApiError, Sent};
use wire::google_rpc::{BadRequest, ErrorInfo, ResourceInfo};

fn lines(vector: &str) -> impl Iterator<Item = Vec<&str>> {
    vector.lines().skip(1).map(|line| line.split('\t').collect())
}

/// A message with `%` in place of its arguments, from our notation.
fn shape(template: &str) -> String {
    let mut shape = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (argument, after) = after.split_once('}').unwrap();
        shape.push_str(before);
        shape.push_str(if argument.ends_with(":?") { "%q" } else { "%" });
        rest = after;
    }
    shape + rest
}

/// The same from the target's.
fn shape_of_format(format: &str) -> String {
    format.replace("%s", "%").replace("%v", "%").replace("%d", "%")
}

/// Codes of what the target does not have.
const OWN: &[(&str, &str, &str)] = &[
    ("ERR_MIDDLEWARE_NOT_LOADED", "", "common"),
    ("ERR_STATE_KEYS", "", "state"),
    ("ERR_STATE_STORE_NOT_SUPPORTED", "DAPR_STATE_KEYS_NOT_SUPPORTED", "state"),
];

#[test]
fn every_code_of_the_target_is_in_the_catalogue() {
    // Jobs and the generic error send their reason as code: the target writes the tag twice.
    let theirs: BTreeSet<(String, String, &str)> = lines(include_str!("vectors/codes.tsv"))
        .map(|line| match (line[0], line[1]) {
            (tag, reason) if tag.starts_with("DAPR_") => (String::new(), reason.to_owned(), line[2]),
            ("ERROR", _) => ("ERROR".to_owned(), String::new(), line[2]),
            ("ERR_PUBLISH_OUTBOX", _) => ("ERR_PUBLISH_OUTBOX".to_owned(), "DAPR_PUBSUB_OUTBOX".to_owned(), line[2]),
            (tag, reason) => (tag.to_owned(), reason.to_owned(), line[2]),
        })
        .collect();
    assert_eq!(theirs.len(), 105);
    let ours: BTreeSet<(String, String, &str)> = errors::catalogue()
        .map(|entry| entry.row)
        .filter(|row| !row.tag.is_empty() || !row.reason.is_empty())
        .map(|row| {
            let reason = if row.reason == row.tag { "" } else { row.reason };
            (row.tag.to_owned(), reason.to_owned(), row.category.label())
        })
        .collect();
    let own: BTreeSet<(String, String, &str)> =
        OWN.iter().map(|(tag, reason, label)| ((*tag).to_owned(), (*reason).to_owned(), *label)).collect();
    assert!(own.is_disjoint(&theirs) && own.is_subset(&ours));
    assert_eq!(theirs, &ours - &own);
}

#[test]
fn every_predefined_error_of_the_target_has_a_row_with_its_codes_and_words() {
    let theirs: Vec<_> = lines(include_str!("vectors/errors.tsv")).collect();
    assert_eq!(theirs.len(), 65);
    for line in theirs {
        let found = errors::catalogue().map(|entry| entry.row).any(|row| {
            row.tag == line[0]
                && row.http.as_u16().to_string() == line[1]
                && errors::code_name(row.grpc) == line[2]
                && shape(row.message) == shape_of_format(line[3])
        });
        assert!(found, "no row for {line:?}");
    }
}

#[test]
fn keys_are_unique_and_every_row_helps() {
    let mut keys = BTreeSet::new();
    for entry in errors::catalogue() {
        assert!(keys.insert(entry.row.key), "{} twice", entry.row.key);
        assert!(entry.row.help.concat().trim().len() > 20, "{} helps nobody", entry.row.key);
        assert_eq!((entry.sample)().row().key, entry.row.key);
    }
    assert!(errors::catalogue().filter(|entry| entry.row.sent == Sent::Never).count() == 3);
}

/// Error and body that daprd d8450742 answered, one request each.
#[test]
fn http_bodies_are_those_of_the_target() {
    let mismatch = "possible etag mismatch. error from state store: state not exist or expired for key=x||k";
    let illegal = errors::state_illegal_key("mem", "a||b", "input key/keyPrefix 'a||b' can't contain '||'");
    let cases: Vec<(ApiError, u16, &str)> = vec![
        (
            errors::state_store_not_found("nope").with_metadata([("appID", "x")]),
            400,
            r#"{"errorCode":"ERR_STATE_STORE_NOT_FOUND","message":"state store nope is not found","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"appID":"x"},"reason":"DAPR_STATE_NOT_FOUND"}]}"#,
        ),
        (
            // The HTTP door of the target wraps this error in itself.
            errors::state_illegal_key("mem", "a||b", illegal),
            400,
            r#"{"errorCode":"ERR_MALFORMED_REQUEST","message":"api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","field_violations":[{"field":"a||b","description":"api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'"}]},{"@type":"type.googleapis.com/google.rpc.ResourceInfo","description":"","owner":"","resource_name":"mem","resource_type":"state"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":null,"reason":"DAPR_STATE_ILLEGAL_KEY"}]}"#,
        ),
        (
            errors::malformed_request("unexpected EOF"),
            400,
            r#"{"errorCode":"ERR_MALFORMED_REQUEST","message":"failed deserializing HTTP body: unexpected EOF"}"#,
        ),
        (
            errors::pubsub_not_found("nope").with_metadata([("", ""); 0]),
            404,
            r#"{"errorCode":"ERR_PUBSUB_NOT_FOUND","message":"pubsub nope is not found","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{},"reason":"DAPR_PUBSUB_NOT_FOUND"}]}"#,
        ),
        (
            errors::pubsub_forbidden("ps", "other", "x", "topic other is not allowed for app id x"),
            403,
            r#"{"errorCode":"ERR_PUBSUB_FORBIDDEN","message":"topic other is not allowed for app id x","details":[{"@type":"type.googleapis.com/google.rpc.ResourceInfo","description":"topic other is not allowed for app id x","owner":"","resource_name":"ps","resource_type":"pubsub"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"error":"topic other is not allowed for app id x","topic":"other"},"reason":"DAPR_PUBSUB_FORBIDDEN"}]}"#,
        ),
        (
            errors::pubsub_request_metadata("ps", "rawPayload value must be a valid boolean: actual is 'hm'")
                .with_metadata([("rawPayload", "hm"), ("z", "<b>")]),
            400,
            r#"{"errorCode":"ERR_PUBSUB_REQUEST_METADATA","message":"failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is 'hm'","details":[{"@type":"type.googleapis.com/google.rpc.ResourceInfo","description":"failed deserializing metadata. Error: rawPayload value must be a valid boolean: actual is 'hm'","owner":"","resource_name":"ps","resource_type":"pubsub"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"rawPayload":"hm","z":"\u003cb\u003e"},"reason":"DAPR_PUBSUB_METADATA_DESERIALIZATION"}]}"#,
        ),
        (
            errors::secret_stores_not_configured(),
            500,
            r#"{"errorCode":"ERR_SECRET_STORES_NOT_CONFIGURED","message":"secret store is not configured"}"#,
        ),
        (
            errors::state_save_etag_mismatch("mem", mismatch),
            409,
            r#"{"errorCode":"ERR_STATE_SAVE","message":"failed saving state in state store mem: possible etag mismatch. error from state store: state not exist or expired for key=x||k"}"#,
        ),
        (
            errors::malformed_request_bare("\"key\" is a required field"),
            400,
            r#"{"errorCode":"ERR_MALFORMED_REQUEST","message":"\"key\" is a required field"}"#,
        ),
        (
            errors::job_name_in_body("x"),
            400,
            r#"{"errorCode":"DAPR_SCHEDULER_JOB_NAME","message":"Set the job name in the url only","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"appID":"x"},"reason":"DAPR_SCHEDULER_JOB_NAME"}]}"#,
        ),
        (
            errors::state_query_not_supported("mem"),
            500,
            r#"{"errorCode":"ERR_STATE_STORE_NOT_SUPPORTED","message":"state store does not support querying","details":[{"@type":"type.googleapis.com/google.rpc.ResourceInfo","description":"","owner":"","resource_name":"mem","resource_type":"state"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":null,"reason":"DAPR_STATE_QUERYING_NOT_SUPPORTED"}]}"#,
        ),
        (
            errors::direct_invoke_no_app_id(),
            404,
            r#"{"errorCode":"ERR_DIRECT_INVOKE","message":"failed getting app id either from the URL path or the header dapr-app-id"}"#,
        ),
        (errors::api_token_invalid(), 401, "invalid api token\n"),
    ];
    for (error, status, body) in cases {
        let rendered = errors::http::render(&error);
        assert_eq!(rendered.status.as_u16(), status, "{}", error.row().key);
        assert_eq!(std::str::from_utf8(&rendered.body).unwrap(), body, "{}", error.row().key);
    }
}

/// The rest of what daprd d8450742 answered over gRPC is plain; these show each kind of detail and their order.
#[test]
fn grpc_details_are_those_of_the_target() {
    let status = errors::grpc::render(&errors::state_illegal_key("mem", "a||b", "no"));
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "no"));
    let details = errors::grpc::details_of(&status);
    let violations = details[0].unpack::<BadRequest>("google.rpc.BadRequest").unwrap().field_violations;
    assert_eq!((violations[0].field.as_str(), violations[0].description.as_str()), ("a||b", "no"));
    let resource = details[1].unpack::<ResourceInfo>("google.rpc.ResourceInfo").unwrap();
    assert_eq!((resource.resource_type.as_str(), resource.resource_name.as_str()), ("state", "mem"));
    let info = details[2].unpack::<ErrorInfo>("google.rpc.ErrorInfo").unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("DAPR_STATE_ILLEGAL_KEY", "dapr.io"));
    assert!(info.metadata.is_empty());
    assert_eq!(details.len(), 3);

    let status = errors::grpc::render(&errors::state_delete_etag_mismatch("k", "stale"));
    assert_eq!((status.code(), status.message()), (Code::Aborted, "failed deleting state with key k: stale"));
    assert_eq!(only_info(&status).reason, "ERR_STATE_DELETE");

    let status = errors::grpc::render(&errors::api_token_missing());
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "Unauthorized"));
    let info = only_info(&status);
    assert_eq!(info.reason, "Unauthorized");
    assert_eq!(info.metadata["http.code"], "401");
    assert_eq!(info.metadata["http.error_message"], "missing api token in request metadata");

    let status = errors::grpc::render(&errors::secret_stores_not_configured());
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.details().is_empty());
}

fn only_info(status: &tonic::Status) -> ErrorInfo {
    match errors::grpc::details_of(status).as_slice() {
        [only] => only.unpack("google.rpc.ErrorInfo").unwrap(),
        other => panic!("{} details", other.len()),
    }
}
