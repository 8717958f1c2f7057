//! Service invocation over HTTP: `/v1.0/invoke/{id}/method/{path}`, the `dapr-app-id` header, the basic-auth form, and
//! every path that is no other API.

use std::future::ready;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use call::{Answer, Call, Failure, Payload, Verb};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use security::path;
use service::Body;
use telemetry::trace::SpanContext;
use tonic::Code;
use wire::common::HttpExtension;

use super::{Operating, Routed, respond};
use crate::Api;

const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");

/// The name in an obfuscated API log.
pub(super) fn log_name(request: &Request<Body>) -> String {
    let decoded = path::decode(request.uri().path()).unwrap_or_default();
    match find_target(&decoded, request.headers()) {
        Some((target, _)) => format!("InvokeService/{target}"),
        None => "InvokeService".to_owned(),
    }
}

/// Not an asynchronous function: what is found here is not kept by the future of the call, which is one of two.
pub(super) fn invoke(api: &Api, mut request: Routed) -> Operating<'_> {
    let Ok(decoded) = path::decode(request.uri.path()) else {
        let refused = respond::text(StatusCode::BAD_REQUEST, "400 Bad Request: the path has an invalid escape");
        return Box::pin(ready(refused));
    };
    let Some((target, method)) = find_target(&decoded, &request.headers) else {
        return Box::pin(ready(respond::error(&errors::direct_invoke_no_app_id())));
    };
    let announced = announced_length(&request.headers);
    if announced.is_some_and(|length| length > api.limits.max_body) {
        return Box::pin(ready(failed(&target, &Failure::plain("stream too large"))));
    }
    let trace = api.invoker.tracing().next(SpanContext::from_http(&request.headers).as_ref());
    let hop = Hop {
        wants_events: wants_events(&request.headers),
        told: trace.clone().filter(|_| !request.headers.contains_key("traceparent")),
        target,
        method,
    };
    let headers = &mut request.head.headers;
    headers.remove(APP_ID);
    // A body that is shorter or longer than announced is told apart on the way of every call.
    let is_sized = announced.is_none() || announced == request.body.size_hint().exact();
    if !is_sized || !api.invoker.passes(&hop.target, headers, trace.is_some()) {
        let mut call = call_of(request, hop.method.clone(), trace);
        return Box::pin(async move {
            let answered = api.invoker.invoke(&hop.target, &mut call).await;
            hop.answer(answered.and_then(respond_with))
        });
    }
    if let Some(trace) = trace {
        trace.write_http(headers);
    }
    let mut passed = Request::new(request.body);
    *passed.method_mut() = request.head.method;
    *passed.uri_mut() = request.head.uri;
    *passed.headers_mut() = request.head.headers;
    Box::pin(async move {
        let answered = api.invoker.pass(&hop.target, &hop.method, &mut passed).await;
        hop.answer(answered)
    })
}

/// What has to be known until the answer is there.
struct Hop {
    target: String,
    method: String,
    wants_events: bool,
    /// The span, where the caller is told it.
    told: Option<SpanContext>,
}

impl Hop {
    fn answer(self, answered: Result<Response<Body>, Failure>) -> Response<Body> {
        let mut response = answered.unwrap_or_else(|failure| failed(&self.target, &failure));
        if self.wants_events && response.status().is_success() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        if let Some(trace) = self.told
            && !response.headers().contains_key("traceparent")
        {
            trace.write_http(response.headers_mut());
        }
        response
    }
}

fn call_of(request: Routed, method: String, trace: Option<SpanContext>) -> Call {
    let headers = request.head.headers;
    let verb =
        Verb::from_str_name(request.head.method.as_str()).filter(|verb| *verb != Verb::None).unwrap_or(Verb::Post);
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    Call {
        method,
        extension: Some(HttpExtension {
            verb: verb as i32,
            querystring: request.head.uri.query().unwrap_or("").to_owned(),
        }),
        content_type,
        type_url: String::new(),
        metadata: call::from_http_headers(&headers),
        trace,
        payload: Payload::Once(request.body),
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn failed(target: &str, failure: &Failure) -> Response<Body> {
    tracing::debug!(target: "dapr.runtime.http", "HTTP service invocation failed to complete with error: {failure}");
    respond::error(&match failure.code {
        Some(Code::PermissionDenied) => errors::direct_invoke_denied(target, failure.to_string()),
        _ => errors::direct_invoke(target, failure.to_string()),
    })
}

/// The app's answer. What a gRPC app answered is given an HTTP status; its error becomes a JSON body.
fn respond_with(answer: Answer) -> Result<Response<Body>, Failure> {
    let mut headers = HeaderMap::new();
    call::to_http_headers(&answer.headers, &mut headers).map_err(|error| Failure::plain(error.to_string()))?;
    if let Ok(value) = HeaderValue::from_str(answer.media_type())
        && !value.is_empty()
    {
        headers.insert(CONTENT_TYPE, value);
    }
    let (status, body) = if answer.is_http() {
        let code = u16::try_from(answer.status.code).ok().and_then(|code| StatusCode::from_u16(code).ok());
        let code = code.ok_or_else(|| Failure::plain(format!("the app answered status {}", answer.status.code)))?;
        (code, answer.payload.into_body())
    } else {
        let code = errors::http_from_grpc(Code::from_i32(answer.status.code));
        if code == StatusCode::OK {
            (code, answer.payload.into_body())
        } else {
            (code, service::body::full(status_json(&answer.status)))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The error of a gRPC app as the target writes it: the JSON form of its status. A detail keeps its bytes.
fn status_json(status: &wire::internals::Status) -> String {
    let mut object = serde_json::Map::new();
    if status.code != 0 {
        object.insert("code".into(), status.code.into());
    }
    if !status.message.is_empty() {
        object.insert("message".into(), status.message.as_str().into());
    }
    if !status.details.is_empty() {
        let details = status
            .details
            .iter()
            .map(|detail| serde_json::json!({ "@type": detail.type_url, "value": STANDARD.encode(&detail.value) }));
        object.insert("details".into(), details.collect());
    }
    serde_json::Value::Object(object).to_string()
}

/// Target and method of a request, from its header, its basic auth, or its path; `None` when it names no target.
fn find_target(decoded: &str, headers: &HeaderMap) -> Option<(String, String)> {
    let whole = || path::clean(decoded).trim_start_matches('/').to_owned();
    if let Some(id) = headers.get(APP_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty()) {
        return Some((id.to_owned(), whole()));
    }
    if let Some(id) = basic_auth_target(headers) {
        return Some((id, whole()));
    }
    let rest = after_prefix(decoded, &["v1.0", "invoke"])?;
    let (target, method) = split_once(rest, "/method/").filter(|(target, _)| !target.is_empty())?;
    let method = path::clean(method);
    let method = if method == "." { String::new() } else { method.into_owned() };
    let target = path::decode_parameter(target).ok().filter(|target| !target.is_empty());
    Some((target.map_or_else(String::new, |target| target.into_owned()), method))
        .filter(|(target, _)| !target.is_empty())
}

/// As the method of `str`, for a text that begins with a slash: what the standard library prepares for any text costs more than
/// to look at a path.
fn split_once<'a>(text: &'a str, slashed: &str) -> Option<(&'a str, &'a str)> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'/').find_map(|(at, _)| {
        let (before, from) = text.split_at_checked(at)?;
        Some((before, from.strip_prefix(slashed)?))
    })
}

fn basic_auth_target(headers: &HeaderMap) -> Option<String> {
    let encoded = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    (user.eq_ignore_ascii_case(APP_ID.as_str()) && !password.contains(':')).then(|| password.to_owned())
}

/// What follows these segments, however many slashes stand between them.
fn after_prefix<'a>(decoded: &'a str, segments: &[&str]) -> Option<&'a str> {
    let mut rest = decoded;
    for segment in segments {
        rest = rest.trim_start_matches('/').strip_prefix(segment)?;
        if !rest.starts_with('/') {
            return None;
        }
    }
    Some(rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<(String, String)> {
        find_target(path, &HeaderMap::new())
    }

    fn pair(target: &str, method: &str) -> Option<(String, String)> {
        Some((target.to_owned(), method.to_owned()))
    }

    #[test]
    fn the_path_names_target_and_method() {
        assert_eq!(target("/v1.0/invoke/a/method/b/c"), pair("a", "b/c"));
        assert_eq!(target("///v1.0////invoke//a/method//b"), pair("a", "/b"));
        assert_eq!(target("/v1.0/invoke/http://x:1/method/b"), pair("http://x:1", "b"));
        assert_eq!(target("/v1.0/invoke/http%3A%2F%2Fx/method/b"), pair("http://x", "b"));
        assert_eq!(target("/v1.0/invoke/a/method/x/../b"), pair("a", "b"));
        assert_eq!(target("/v1.0/invoke/a"), None);
        assert_eq!(target("/v1.0invoke/a/method/b"), None);
        assert_eq!(target("/v1.0/invoke//method/b"), None);
    }

    #[test]
    fn header_and_basic_auth_name_the_target() {
        let mut headers = HeaderMap::new();
        headers.insert(APP_ID, HeaderValue::from_static("a"));
        assert_eq!(find_target("///foo/../bar", &headers), pair("a", "bar"));
        headers.clear();
        let value = format!("Basic {}", STANDARD.encode("dapr-app-id:b"));
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        assert_eq!(find_target("/m", &headers), pair("b", "m"));
    }
}
