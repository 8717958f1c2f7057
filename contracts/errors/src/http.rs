//! The HTTP rendering of an error. Called by the HTTP door.

use ::http::StatusCode;
use bytes::Bytes;

use crate::{ApiError, DetailKind, Details, Family, json, reason_phrase};

/// An error as it leaves over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Status of the answer.
    pub status: StatusCode,
    /// Value of `content-type`. With text the answer also carries `x-content-type-options: nosniff`.
    pub content_type: &'static str,
    /// The body: JSON with `errorCode`, `message` and, if the row has any, `details`; or plain text and a line end.
    pub body: Bytes,
}

/// Renders an error byte by byte as the target does.
pub fn render(error: &ApiError) -> Rendered {
    let status = error.http_status();
    match error.row().family {
        Family::Plain | Family::DetailedOverGrpc => json(status, body(error.tag(), error.message(), None)),
        Family::Detailed | Family::PassedThrough => json(status, body(code(error), error.message(), Some(error))),
        Family::Raw => {
            let message = error.to_string();
            json(crate::GENERIC.http, body(crate::GENERIC.tag, &message, None))
        }
        Family::Text => Rendered {
            status,
            content_type: "text/plain; charset=utf-8",
            body: Bytes::from(format!("{}\n", error.message())),
        },
    }
}

fn json(status: StatusCode, body: String) -> Rendered {
    Rendered { status, content_type: "application/json", body: Bytes::from(body) }
}

/// The tag, else the reason, else the words of the status.
fn code(error: &ApiError) -> &str {
    if !error.tag().is_empty() {
        return error.tag();
    }
    let reason: &str = &error.details().reason;
    if reason.is_empty() { reason_phrase(error.http_status().as_u16()) } else { reason }
}

fn body(code: &str, message: &str, detailed: Option<&ApiError>) -> String {
    let mut out = String::with_capacity(64 + message.len());
    out.push_str("{\"errorCode\":");
    json::string(&mut out, code);
    out.push_str(",\"message\":");
    json::string(&mut out, message);
    if let Some(error) = detailed {
        out.push_str(",\"details\":[");
        for kind in error.row().details {
            let before = out.len();
            detail(&mut out, error.details(), *kind);
            if out.len() > before {
                out.push(',');
            }
        }
        error_info(&mut out, error.details());
        out.push(']');
    }
    out.push('}');
    out
}

/// Members stand in the order of their names, as the target's encoder sorts them.
fn error_info(out: &mut String, details: &Details) {
    out.push_str("{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"domain\":");
    json::string(out, &details.domain);
    out.push_str(",\"metadata\":");
    match &details.metadata {
        Some(metadata) => json::object(out, metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        None => out.push_str("null"),
    }
    out.push_str(",\"reason\":");
    json::string(out, &details.reason);
    out.push('}');
}

fn detail(out: &mut String, details: &Details, kind: DetailKind) {
    match (kind, &details.resource, &details.violation, &details.help) {
        (DetailKind::Resource, Some(resource), _, _) => json::object(
            out,
            [
                ("@type", "type.googleapis.com/google.rpc.ResourceInfo"),
                ("description", &resource.description),
                ("owner", ""),
                ("resource_name", &resource.name),
                ("resource_type", resource.kind),
            ],
        ),
        (DetailKind::FieldViolation, _, Some(violation), _) => {
            out.push_str("{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"field_violations\":[");
            // The encoder leaves out what is empty.
            let members = [("field", violation.field.as_str()), ("description", violation.description.as_str())];
            json::object(out, members.into_iter().filter(|(_, value)| !value.is_empty()));
            out.push_str("]}");
        }
        (DetailKind::Help, _, _, Some(link)) => {
            out.push_str("{\"@type\":\"type.googleapis.com/google.rpc.Help\",\"links\":[");
            json::object(out, [("description", link.description), ("url", link.url)]);
            out.push_str("]}");
        }
        _ => {}
    }
}
