//! One failure as the blocks hand it to the doors: a row, its message, and what the details say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use ::http::StatusCode;
use tonic::Code;

use crate::{Category, Family, Help, Row, code_name};

type Source = Box<dyn Error + Send + Sync>;

/// A failure of the public API. One pointer wide, since it is the error of nearly every result.
#[derive(Debug)]
pub struct ApiError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    row: &'static Row,
    message: String,
    http: StatusCode,
    grpc: Code,
    tag: Cow<'static, str>,
    details: Details,
    source: Option<Source>,
}

/// What the details of one error say. Rows without details ignore it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// `reason` of the error info.
    pub reason: Cow<'static, str>,
    /// `domain` of the error info: `dapr.io` for all that is not passed through.
    pub domain: Cow<'static, str>,
    /// Metadata of the error info; absent is not the same as empty over HTTP (`null` and `{}`).
    pub metadata: Option<BTreeMap<String, String>>,
    /// The component that failed.
    pub resource: Option<Resource>,
    /// The field of the request that is wrong.
    pub violation: Option<FieldViolation>,
    /// Where to read on.
    pub help: Option<Help>,
}

/// `google.rpc.ResourceInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `state` or `pubsub`.
    pub kind: &'static str,
    /// Name of the component.
    pub name: String,
    /// The message again for pub/sub, empty for state.
    pub description: String,
}

/// `google.rpc.BadRequest` with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field or key.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// What a resource detail says beside the name. The words are those of the notation of the rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Described {
    /// Nothing.
    Bare,
    /// The message of the error.
    ByMessage,
}

impl ApiError {
    pub(crate) fn new(row: &'static Row, message: String) -> Self {
        let details = Details { reason: row.reason.into(), domain: "dapr.io".into(), ..Details::default() };
        let (http, grpc, tag) = (row.http, row.grpc, row.tag.into());
        Self { inner: Box::new(Inner { row, message, http, grpc, tag, details, source: None }) }
    }

    /// An error that a pluggable component made itself, or `None` if `status` is an ordinary one. Such a status has
    /// exactly one detail, an error info whose metadata says `kit_error: true` and names the HTTP status and the tag.
    pub fn from_component(status: &tonic::Status) -> Option<Self> {
        let info = crate::grpc::only_error_info(status)?;
        if info.metadata.get("kit_error").map(String::as_str) != Some("true") {
            return None;
        }
        let http = info.metadata.get("http_code")?.parse().ok()?;
        let mut error = Self::new(&crate::COMPONENT_ERROR, status.message().to_owned());
        error.inner.http = StatusCode::from_u16(http).ok()?;
        error.inner.grpc = status.code();
        error.inner.tag = info.metadata.get("tag").cloned().unwrap_or_default().into();
        error.inner.details.reason = info.reason.into();
        error.inner.details.domain = info.domain.into();
        Some(error)
    }

    /// The row it was made from.
    pub fn row(&self) -> &'static Row {
        self.inner.row
    }

    /// The message for people, without code.
    pub fn message(&self) -> &str {
        if self.inner.message.is_empty() { "unknown error" } else { &self.inner.message }
    }

    /// Status over HTTP, unless the family overrides it.
    pub fn http_status(&self) -> StatusCode {
        self.inner.http
    }

    /// Code over gRPC.
    pub fn grpc_code(&self) -> Code {
        self.inner.grpc
    }

    /// What the details say.
    pub fn details(&self) -> &Details {
        &self.inner.details
    }

    /// `errorCode` of the HTTP body; empty if there is none.
    pub fn tag(&self) -> &str {
        &self.inner.tag
    }

    /// The `error_code` and `category` labels of the error metric: the tag, or the reason where there is no tag. `None`
    /// for what the metric does not count.
    pub fn metric(&self) -> Option<(&str, Category)> {
        let code = if self.inner.tag.is_empty() { &self.inner.details.reason } else { &self.inner.tag };
        if matches!(self.inner.row.family, Family::Raw | Family::Text) || code.is_empty() {
            return None;
        }
        Some((code, self.inner.row.category))
    }

    /// Keeps what caused it, for the log.
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Takes the codes from a failed gRPC call, as scheduling a job does: the HTTP status follows from `code`, and an
    /// unknown failure is an internal one.
    pub fn with_grpc_code(mut self, code: Code) -> Self {
        self.inner.grpc = if code == Code::Unknown { Code::Internal } else { code };
        self.inner.http = crate::http_from_grpc(self.inner.grpc);
        self
    }

    /// Takes the HTTP status of an error that a pluggable component made, as reading state over HTTP does.
    pub fn with_http_status_of(mut self, other: &Self) -> Self {
        self.inner.http = other.inner.http;
        self
    }

    /// Adds metadata to the error info.
    pub fn with_metadata<N: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let metadata = self.inner.details.metadata.get_or_insert_with(BTreeMap::new);
        metadata.extend(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    pub(crate) fn with_resource(mut self, kind: &'static str, name: String, described: Described) -> Self {
        let description = match described {
            Described::Bare => String::new(),
            Described::ByMessage => self.inner.message.clone(),
        };
        self.inner.details.resource = Some(Resource { kind, name, description });
        self
    }

    pub(crate) fn with_violation(mut self, field: String) -> Self {
        self.inner.details.violation = Some(FieldViolation { field, description: self.inner.message.clone() });
        self
    }

    pub(crate) fn with_link(mut self, help: &Help) -> Self {
        self.inner.details.help = Some(*help);
        self
    }
}

/// As the target's errors read in logs and inside other messages.
impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inner.row.family == Family::Raw {
            return write!(formatter, "rpc error: code = {} desc = {}", code_name(self.inner.grpc), self.message());
        }
        write!(formatter, "api error: code = {} desc = {}", code_name(self.inner.grpc), self.message())
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::google_rpc::ErrorInfo;

    fn component_status(metadata: &[(&str, &str)]) -> tonic::Status {
        let info = ErrorInfo {
            reason: "WHY".to_owned(),
            domain: "broker.example".to_owned(),
            metadata: metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        crate::grpc::status_with_details(Code::ResourceExhausted, "too much", vec![crate::grpc::error_info(&info)])
    }

    #[test]
    fn error_of_a_component_passes_through() {
        let status = component_status(&[("kit_error", "true"), ("http_code", "429"), ("tag", "ERR_QUOTA")]);
        let error = ApiError::from_component(&status).unwrap();
        let http = crate::http::render(&error);
        assert_eq!(http.status.as_u16(), 429);
        let body: serde_json::Value = serde_json::from_slice(&http.body).unwrap();
        assert_eq!(body["errorCode"], "ERR_QUOTA");
        assert_eq!(body["details"][0]["domain"], "broker.example");
        assert_eq!(body["details"][0]["metadata"], serde_json::Value::Null);
        assert_eq!(crate::grpc::render(&error).code(), Code::ResourceExhausted);
        assert_eq!(error.metric(), Some(("ERR_QUOTA", Category::PluggableComponent)));
    }

    #[test]
    fn ordinary_status_of_a_component_is_no_error_of_its_own() {
        assert!(ApiError::from_component(&component_status(&[("http_code", "429")])).is_none());
        assert!(ApiError::from_component(&component_status(&[("kit_error", "true"), ("http_code", "x")])).is_none());
        assert!(ApiError::from_component(&tonic::Status::internal("no")).is_none());
    }

    #[test]
    fn code_of_a_failed_call_gives_both_codes() {
        let error = crate::job_schedule("a", "n", "exists").with_grpc_code(Code::AlreadyExists);
        assert_eq!((error.http_status().as_u16(), error.grpc_code()), (409, Code::AlreadyExists));
        let error = crate::job_schedule("a", "n", "?").with_grpc_code(Code::Unknown);
        assert_eq!((error.http_status().as_u16(), error.grpc_code()), (500, Code::Internal));
    }

    #[test]
    fn error_is_one_pointer_and_names_its_cause() {
        assert_eq!(size_of::<ApiError>(), size_of::<usize>());
        let error = crate::body_read("gone").with_source(std::io::Error::other("reset"));
        assert_eq!(error.source().unwrap().to_string(), "reset");
        assert_eq!(error.to_string(), "api error: code = InvalidArgument desc = failed to read request body: gone");
    }
}
