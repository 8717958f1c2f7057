//! The two maps between gRPC codes and HTTP statuses, and the words of the target for both. They are not inverse: an app
//! that answers 400 is an internal failure to a gRPC caller.

use std::collections::HashMap;

use ::http::StatusCode;
use tonic::{Code, Status};
use wire::google_rpc::ErrorInfo;

/// HTTP status that stands for a gRPC code.
pub fn http_from_grpc(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// gRPC code that stands for the status of an HTTP answer. `status` is what an app sent, so any number.
pub fn grpc_from_http(status: u16) -> Code {
    match status {
        200..=299 => Code::Ok,
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        408 => Code::Cancelled,
        409 => Code::AlreadyExists,
        429 => Code::ResourceExhausted,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}

/// What a gRPC caller gets for an HTTP answer: the standard words of the status as message and reason, and an error info
/// with `http.code` and `http.error_message`, the first 63 bytes of `detail`. For 2xx it is a status of code OK, which
/// is not an error: ask [`grpc_from_http`] first.
pub fn status_from_http_response(status: u16, detail: &str) -> Status {
    let words = reason_phrase(status);
    let info = ErrorInfo {
        reason: words.to_owned(),
        domain: "dapr.io".to_owned(),
        metadata: HashMap::from([
            ("http.code".to_owned(), status.to_string()),
            ("http.error_message".to_owned(), first_bytes(detail, MAX_METADATA_VALUE).to_owned()),
        ]),
    };
    crate::grpc::status_with_details(grpc_from_http(status), words, vec![crate::grpc::error_info(&info)])
}

/// Longest metadata value of an error info, in bytes.
const MAX_METADATA_VALUE: usize = 63;

/// The longest start of `text` of at most `limit` bytes that is still text.
fn first_bytes(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A gRPC failure as text, the way the target writes it into its own messages.
pub fn rpc_error_text(status: &Status) -> String {
    format!("rpc error: code = {} desc = {}", code_name(status.code()), status.message())
}

/// Name of a gRPC code as the target writes it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// Standard words of an HTTP status as the target has them, empty for a number without any. A few differ from ours.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        203 => "Non-Authoritative Information",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        416 => "Requested Range Not Satisfiable",
        425 => "Too Early",
        _ => StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_maps_are_those_of_the_target() {
        let grpc: Vec<u16> = (0..=16).map(|code| http_from_grpc(Code::from_i32(code)).as_u16()).collect();
        assert_eq!(grpc, [200, 408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
        let http = [(204, 0), (400, 13), (401, 16), (403, 7), (404, 5), (408, 1), (409, 6), (429, 8), (500, 2)];
        for (status, code) in http.into_iter().chain([(501, 12), (503, 14), (504, 4), (302, 2), (418, 2), (0, 2)]) {
            assert_eq!(grpc_from_http(status) as i32, code, "{status}");
        }
    }

    #[test]
    fn long_detail_is_cut_between_letters() {
        let detail = format!("{}ä{}", "x".repeat(62), "y".repeat(10));
        let status = status_from_http_response(502, &detail);
        let info = crate::grpc::only_error_info(&status).unwrap();
        assert_eq!((status.code(), status.message()), (Code::Unknown, "Bad Gateway"));
        assert_eq!(info.metadata["http.error_message"], "x".repeat(62));
    }

    #[test]
    fn standard_words_are_those_of_the_target() {
        assert_eq!(reason_phrase(413), "Request Entity Too Large");
        assert_eq!(reason_phrase(418), "I'm a teapot");
        assert_eq!(reason_phrase(999), "");
        assert_eq!(reason_phrase(0), "");
    }
}
