//! The publishing API over HTTP: path, query string and body to the publishing block and back. Called by the HTTP door. Where the
//! target tells in Go's words what is wrong with a body, so do we: apps and SDKs compare them.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use blocks::Metadata;
use blocks::pubsub::{Content, Entry, Error, Event, NotTaken, canonical};
use bytes::Bytes;
use errors::ApiError;
use http::header::CONTENT_TYPE;
use http::{HeaderName, Response};
use serde_json::json;
use serde_json::value::RawValue;
use service::{Body, ReadError};
use telemetry::SpanContext;

use super::secrets::metadata;
use super::state::{Path, elements, fields, first_value, header_value, metadata_field, text_field};
use super::{Head, Routed, respond};
use crate::Api;
use crate::context::Requested;
use crate::grpc::publish_refusal;

const MISMATCH: &str = "error: mismatch between contentType and event";

pub(super) async fn publish(api: &Api, request: Routed) -> Response<Body> {
    let span = span(api, &request);
    let response = match published(api, &request.head, request.body, span.as_ref()).await {
        Ok(()) => respond::empty(),
        Err(error) => refuse(&error),
    };
    traced(response, span.as_ref())
}

pub(super) async fn publish_all(api: &Api, request: Routed) -> Response<Body> {
    let span = span(api, &request);
    let response = match all_published(api, request, span.as_ref()).await {
        Ok(Ok(())) => respond::empty(),
        Ok(Err((error, failure))) => partly(&error, &failure),
        Err(error) => refuse(&error),
    };
    traced(response, span.as_ref())
}

/// The answer tells the caller the span, as the target's does.
fn traced(mut response: Response<Body>, span: Option<&SpanContext>) -> Response<Body> {
    if let Some(span) = span {
        span.write_http(response.headers_mut());
    }
    response
}

fn refuse(error: &ApiError) -> Response<Body> {
    tracing::debug!(target: "dapr.runtime.http", "{error}");
    respond::error(error)
}

async fn published(api: &Api, request: &Head, body: Body, span: Option<&SpanContext>) -> Result<(), ApiError> {
    let (pubsub, topic, metadata) = (request.parameter("pubsubname"), request.parameter("rest"), metadata(request));
    let held = api.pubsub.topic(pubsub, topic).map_err(|error| refusal(error, &metadata))?;
    let context = Requested::http(&request.headers);
    let content_type = request.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.unwrap_or_default().into_owned();
    let data = read(api, body).await.map_err(|said| errors::pubsub_publish_message(pubsub, topic, said))?;
    let event = Event { data, content_type, metadata: metadata.clone() };
    held.publish(&context, event, span).await.map_err(|error| refusal(error, &metadata))
}

/// The inner error is that of entries which the broker did not take.
async fn all_published(
    api: &Api,
    request: Routed,
    span: Option<&SpanContext>,
) -> Result<Result<(), (ApiError, NotTaken)>, ApiError> {
    let Names { pubsub, topic, metadata } = Names::of(&request);
    let refused = |error| refusal(error, &metadata);
    let held = api.pubsub.topic(&pubsub, &topic).map_err(refused)?;
    held.is_raw(&metadata).map_err(refused)?;
    let context = Requested::http(&request.headers);
    let unreadable = |said: String| errors::pubsub_unmarshal_events(&pubsub, &topic, &api.app_id, said);
    let body = read(api, request.body).await.map_err(unreadable)?;
    let body = String::from_utf8_lossy(&body);
    let read = entries(body.as_bytes()).map_err(unreadable)?;
    let mut entries = Vec::with_capacity(read.len());
    for Read { id, event, content_type, metadata } in read {
        let data = data(event, &content_type)
            .map_err(|said| errors::pubsub_marshal_envelope(&pubsub, &topic, &api.app_id, said))?;
        entries.push(Entry { id, event: Event { data, content_type, metadata } });
    }
    let tracing = api.invoker.tracing();
    match held.publish_all(&context, (entries, metadata.clone()), (tracing, span)).await {
        Err(Error::NotTaken { failure, .. }) => {
            let error = errors::pubsub_publish_message(&pubsub, &topic, &failure.message);
            Ok(Err((error, failure)))
        }
        done => done.map(Ok).map_err(refused),
    }
}

/// What a request is about, as its path and query string say.
struct Names {
    pubsub: String,
    topic: String,
    metadata: Metadata,
}

impl Names {
    fn of(request: &Head) -> Self {
        let text = |name| request.parameter(name).to_owned();
        Self { pubsub: text("pubsubname"), topic: text("rest"), metadata: metadata(request) }
    }
}

fn span(api: &Api, request: &Head) -> Option<SpanContext> {
    api.invoker.tracing().next(SpanContext::from_http(&request.headers).as_ref())
}

async fn read(api: &Api, body: Body) -> Result<Bytes, String> {
    service::read_bounded(body, api.limits.max_body).await.map_err(|error| match error {
        ReadError::TooLarge(_) => "stream too large".to_owned(),
        ReadError::Failed(error) if error.is::<service::BodyTooLarge>() => "stream too large".to_owned(),
        ReadError::Failed(error) => error.to_string(),
    })
}

/// Unlike over gRPC, some of the errors tell the metadata of the request.
fn refusal(error: Error, metadata: &Metadata) -> ApiError {
    let tells = matches!(
        error,
        Error::NameEmpty | Error::NotFound { .. } | Error::TopicEmpty { .. } | Error::RawPayload { .. }
    );
    let error = publish_refusal(error);
    if tells { error.with_metadata(metadata.clone()) } else { error }
}

/// An element of a bulk request.
struct Read<'a> {
    id: String,
    event: Option<&'a RawValue>,
    content_type: String,
    metadata: Metadata,
}

fn entries(body: &[u8]) -> Result<Vec<Read<'_>>, String> {
    let list = elements(first_value(body)?, Path::Whole, "[]http.bulkPublishMessageEntry")?;
    let read = |element| {
        let fields = fields(element, Path::Whole, "http.bulkPublishMessageEntry")?;
        let text = |name: &str, field| text_field(&fields, name, Path::Field(field)).map(Option::unwrap_or_default);
        Ok(Read {
            id: text("entryid", "bulkPublishMessageEntry.entryId")?,
            event: fields.get("event").copied(),
            content_type: text("contenttype", "bulkPublishMessageEntry.contentType")?,
            metadata: metadata_field(&fields, Path::Field("bulkPublishMessageEntry.metadata"))?,
        })
    };
    list.into_iter().map(read).collect()
}

/// The data of an event that stands in JSON: text as its letters, bytes as base64, JSON as it is.
fn data(event: Option<&RawValue>, content_type: &str) -> Result<Bytes, String> {
    let text = || event.and_then(|event| serde_json::from_str::<String>(event.get()).ok());
    match Content::of(content_type) {
        Content::Binary => {
            let text = text().ok_or(MISMATCH)?;
            let decoded = STANDARD.decode(&text).map_err(|error| {
                let at = match error {
                    DecodeError::InvalidByte(at, _) => at,
                    _ => text.len(),
                };
                format!(
                    "error: unable to decode base64 application/octect-stream data: illegal base64 data at input byte {at}"
                )
            })?;
            Ok(decoded.into())
        }
        Content::Text => Ok(text().ok_or(MISMATCH)?.into()),
        Content::Json | Content::CloudEvent => match event {
            None => Ok(Bytes::from_static(b"null")),
            Some(event) => {
                let written = canonical(event).map(|text| Bytes::from(text.into_owned()));
                written.ok_or_else(|| "exceeded max depth".to_owned())
            }
        },
        Content::CloudEventProtobuf | Content::Protobuf | Content::Other => Err(MISMATCH.to_owned()),
    }
}

/// Which entries the broker did not take.
fn partly(error: &ApiError, failure: &NotTaken) -> Response<Body> {
    tracing::debug!(target: "dapr.runtime.http", "{error}");
    let failed: Vec<_> =
        failure.entries.iter().map(|(id, message)| json!({ "entryId": id, "error": message })).collect();
    let body = json!({ "failedEntries": failed, "errorCode": error.tag() }).to_string();
    let mut response = respond::json(error.http_status(), body.clone());
    for (name, value) in [("metadata.responsedata", body), ("metadata.error", error.to_string())] {
        if let Some(value) = header_value(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests;
