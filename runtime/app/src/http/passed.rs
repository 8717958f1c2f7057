//! A request that came over HTTP and goes on over HTTP, as it is. Called by the channel for servers outside. It must not look at
//! headers one by one: who calls has left out what does not go on.

use ::http::header::CONTENT_TYPE;
use ::http::response::Parts;
use ::http::{HeaderMap, Method, Request, Response};
use call::Failure;
use loaded::Pipeline;
use service::Body;
use tonic::Code;

use super::{Held, HttpChannel, Sent, failure, guarded, read_short};

impl HttpChannel {
    /// Sends a request for a method, which is canonical, with headers that replace those it has. Of the answer, what belongs to one
    /// hop is left out. The request is lent: each function on its way would hold it.
    pub(crate) async fn pass(
        &self,
        request: &mut Request<Body>,
        method: &str,
        fixed: &HeaderMap,
    ) -> Result<Response<Body>, Failure> {
        let verb = verb(request.method())?;
        *request.uri_mut() = self.uri(method, request.uri().query().unwrap_or(""))?;
        *request.method_mut() = verb;
        *request.version_mut() = self.version;
        for (name, value) in fixed {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let (sent, mut length) = (Sent::count(&self.counts, request), None);
        let answered = match &self.pipeline {
            None => self.passed(request, &mut length).await,
            // Boxed, since few sidecars have one and every call would carry the space for it.
            Some(pipeline) => Box::pin(self.guarded(pipeline, request, &mut length)).await,
        };
        sent.answered(answered.as_ref().ok().map(|response| response.status().as_u16()), length);
        answered
    }

    async fn passed(&self, request: &mut Request<Body>, length: &mut Option<u64>) -> Result<Response<Body>, Failure> {
        let response = self.client.send(std::mem::take(request)).await.map_err(failure)?;
        let (parts, body) = response.into_parts();
        let mut body = Held::new(body, None);
        *length = body.announced;
        let body = match *length {
            Some(length) if length <= call::SHORT => service::body::full(read_short(&mut body).await?),
            _ => service::body::boxed(body),
        };
        passed_back(parts, body)
    }

    async fn guarded(
        &self,
        pipeline: &Pipeline,
        request: &mut Request<Body>,
        length: &mut Option<u64>,
    ) -> Result<Response<Body>, Failure> {
        let response = guarded::send(pipeline, &self.client, std::mem::take(request), None).await?;
        *length = guarded::announced(&response);
        let (parts, mut body) = response.into_parts();
        let body = match *length {
            Some(length) if length <= call::SHORT => service::body::full(read_short(&mut body).await?),
            _ => body,
        };
        passed_back(parts, body)
    }
}

/// The method of a request; one that the target does not know becomes a POST.
fn verb(method: &Method) -> Result<Method, Failure> {
    match *method {
        Method::CONNECT => Err(Failure::new(Code::InvalidArgument, "invalid HTTP verb")),
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::PATCH => Ok(method.clone()),
        _ => Ok(Method::POST),
    }
}

fn passed_back(mut parts: Parts, body: Body) -> Result<Response<Body>, Failure> {
    if !call::pass_on(&mut parts.headers, &[], true) {
        parts.headers = changed(&parts.headers)?;
    }
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    Ok(response)
}

/// Headers of an answer that cannot pass as they are.
fn changed(headers: &HeaderMap) -> Result<HeaderMap, Failure> {
    let mut changed = HeaderMap::new();
    call::to_http_headers(&call::from_http_headers(headers), &mut changed)
        .map_err(|error| Failure::plain(error.to_string()))?;
    if let Some(kind) = headers.get(CONTENT_TYPE).filter(|kind| kind.to_str().is_ok_and(|kind| !kind.is_empty())) {
        changed.insert(CONTENT_TYPE, kind.clone());
    }
    Ok(changed)
}
