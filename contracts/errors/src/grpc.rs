//! The gRPC rendering of an error. Called by the gRPC doors and by whatever answers a call from another process.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};
use wire::Any;
use wire::google_rpc::{self, BadRequest, ErrorInfo, Help, ResourceInfo, bad_request, help};

use crate::{ApiError, DetailKind, Family};

const ERROR_INFO: &str = "google.rpc.ErrorInfo";

/// Code, message and, where the row carries them, details in `grpc-status-details-bin` as a `google.rpc.Status`.
pub fn render(error: &ApiError) -> Status {
    match error.row().family {
        Family::Plain | Family::Raw => Status::new(error.grpc_code(), error.message()),
        Family::Text => crate::status_from_http_response(error.http_status().as_u16(), error.message()),
        Family::Detailed | Family::DetailedOverGrpc | Family::PassedThrough => {
            status_with_details(error.grpc_code(), error.message(), details(error))
        }
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut status = render(&error);
        // So that the door can tell which error it was.
        status.set_source(Arc::new(error));
        status
    }
}

/// A status with details, as another process sent them.
pub fn status_with_details(code: Code, message: &str, details: Vec<Any>) -> Status {
    if details.is_empty() {
        return Status::new(code, message);
    }
    let status = google_rpc::Status { code: code as i32, message: message.to_owned(), details };
    Status::with_details(code, message, Bytes::from(status.encode_to_vec()))
}

/// The details a status carries; empty if it has none or they cannot be read.
pub fn details_of(status: &Status) -> Vec<Any> {
    google_rpc::Status::decode(status.details()).map(|status| status.details).unwrap_or_default()
}

pub(crate) fn error_info(info: &ErrorInfo) -> Any {
    Any::pack(ERROR_INFO, info)
}

/// The error info of a status that has exactly one detail.
pub(crate) fn only_error_info(status: &Status) -> Option<ErrorInfo> {
    match details_of(status).as_slice() {
        [only] => only.unpack(ERROR_INFO),
        _ => None,
    }
}

/// Details in the order of the row, the error info last.
fn details(error: &ApiError) -> Vec<Any> {
    let details = error.details();
    let mut packed: Vec<Any> = error.row().details.iter().filter_map(|kind| detail(error, *kind)).collect();
    packed.push(error_info(&ErrorInfo {
        reason: details.reason.to_string(),
        domain: details.domain.to_string(),
        metadata: details.metadata.clone().unwrap_or_default().into_iter().collect(),
    }));
    packed
}

fn detail(error: &ApiError, kind: DetailKind) -> Option<Any> {
    let details = error.details();
    match kind {
        DetailKind::Resource => details.resource.as_ref().map(|resource| {
            Any::pack(
                "google.rpc.ResourceInfo",
                &ResourceInfo {
                    resource_type: resource.kind.to_owned(),
                    resource_name: resource.name.clone(),
                    owner: String::new(),
                    description: resource.description.clone(),
                },
            )
        }),
        DetailKind::FieldViolation => details.violation.as_ref().map(|violation| {
            let violation = bad_request::FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
                ..bad_request::FieldViolation::default()
            };
            Any::pack("google.rpc.BadRequest", &BadRequest { field_violations: vec![violation] })
        }),
        DetailKind::Help => details.help.map(|link| {
            let link = help::Link { description: link.description.to_owned(), url: link.url.to_owned() };
            Any::pack("google.rpc.Help", &Help { links: vec![link] })
        }),
    }
}
