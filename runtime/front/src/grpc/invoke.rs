//! `InvokeService`: service invocation over gRPC in the older, unary form.

use call::{Answer, Call, Failure, Metadata, Payload};
use http::{HeaderMap, HeaderValue};
use telemetry::trace::{SpanContext, baggage};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use wire::common::InvokeResponse;
use wire::runtime::InvokeServiceRequest;

use crate::Api;

const HTTP_STATUS: &str = "dapr-http-status";

pub(super) async fn invoke_service(
    api: &Api,
    request: Request<InvokeServiceRequest>,
) -> Result<Response<InvokeResponse>, Status> {
    let (metadata, _, InvokeServiceRequest { id, message }) = request.into_parts();
    let mut headers = metadata.into_headers();
    check_baggage(api, &mut headers)?;
    let message = message.unwrap_or_default();
    let trace = api.invoker.tracing().next(SpanContext::from_grpc(&headers).as_ref());
    let data = message.data.unwrap_or_default();
    let mut call = Call {
        method: message.method,
        extension: message.http_extension,
        content_type: message.content_type,
        type_url: data.type_url,
        metadata: incoming(&headers),
        trace,
        payload: Payload::Replayable(data.value),
    };
    match api.invoker.invoke(&id, &mut call).await {
        Ok(answer) => respond(api, &id, answer).await,
        Err(failure) => Err(refused(&id, &failure)),
    }
}

/// The metadata of the caller. gRPC libraries keep `content-type` and `:authority` to themselves, but the hop needs the
/// first to tell a gRPC caller from an HTTP one. A length is that of the gRPC message, not of what the app gets.
fn incoming(headers: &HeaderMap) -> Metadata {
    let mut metadata = call::from_grpc_headers(headers, None);
    call::set(&mut metadata, "content-type", "application/grpc");
    call::remove_ignoring_case(&mut metadata, "content-length");
    metadata
}

/// Baggage must be well formed while tracing is on, and goes on as one header.
fn check_baggage(api: &Api, headers: &mut HeaderMap) -> Result<(), Status> {
    if !api.invoker.tracing().is_on() {
        return Ok(());
    }
    let values = headers.get_all(telemetry::trace::BAGGAGE).into_iter().filter_map(|value| value.to_str().ok());
    let checked = baggage::check(values).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if let Some(value) = checked.and_then(|baggage| HeaderValue::from_str(&baggage.header).ok()) {
        headers.insert(telemetry::trace::BAGGAGE, value);
    }
    Ok(())
}

fn refused(id: &str, failure: &Failure) -> Status {
    let mut error = errors::direct_invoke(id, failure.to_string());
    if failure.code == Some(Code::PermissionDenied) {
        error = errors::direct_invoke_denied(id, failure.to_string());
    }
    error.into()
}

/// The answer as one message. What an HTTP app answered with an error status becomes a gRPC error with its code and text.
async fn respond(api: &Api, id: &str, answer: Answer) -> Result<Response<InvokeResponse>, Status> {
    let is_http = answer.is_http();
    let content_type = answer.content_type;
    let body = service::read_bounded(answer.payload.into_body(), api.limits.max_body).await;
    let value = body.map_err(|error| refused(id, &Failure::plain(error.to_string())))?;
    let mut headers = HeaderMap::new();
    let written = call::to_invoke_service_headers(&answer.headers, true, &mut headers);
    written.map_err(|error| refused(id, &Failure::plain(error.to_string())))?;
    let status = if is_http {
        let code = u16::try_from(answer.status.code).unwrap_or(500);
        headers.insert(HTTP_STATUS, HeaderValue::from(code));
        errors::status_from_http_response(code, &String::from_utf8_lossy(&value))
    } else {
        errors::grpc::status_with_details(
            Code::from_i32(answer.status.code),
            &answer.status.message,
            answer.status.details,
        )
    };
    if status.code() != Code::Ok {
        return Err(with_headers(status, headers, &answer.trailers, is_http));
    }
    let data = Some(wire::Any { type_url: answer.type_url, value });
    let mut response = Response::new(InvokeResponse { data, content_type });
    *response.metadata_mut() = MetadataMap::from_headers(headers);
    Ok(response)
}

/// An error carries the app's headers and trailers too.
fn with_headers(mut status: Status, mut headers: HeaderMap, trailers: &Metadata, is_http: bool) -> Status {
    if !is_http {
        // Trailers that are no legal headers are left out of an error that is already on its way.
        let _ = call::to_invoke_service_headers(trailers, false, &mut headers);
    }
    let metadata = status.metadata_mut();
    for (name, value) in &headers {
        metadata.as_mut().append(name.clone(), value.clone());
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_the_grpc_message_is_not_that_of_the_app() {
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from_static("17"));
        headers.insert("x-own", HeaderValue::from_static("a"));
        let metadata = incoming(&headers);
        assert_eq!(call::first(&metadata, "content-length"), None);
        assert_eq!(call::first(&metadata, "x-own"), Some("a"));
        assert_eq!(call::first(&metadata, "content-type"), Some("application/grpc"));
    }
}
