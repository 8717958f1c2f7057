//! A client of OpenAI's chat completions protocol: one request, one answer. The key reaches neither a log nor an error.

mod answer;
mod payload;

use std::time::Duration;

use async_trait::async_trait;
use component::conversation::{Conversation, Request, Response};
use component::http::{HttpBody, HttpClient, full_body, read_body};
use component::{Backend, CallContext, Error, ErrorKind, Retry};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request as HttpRequest, StatusCode, Uri};

use crate::cache::Cache;

/// Bytes of an answer.
const MAX_BYTES: usize = 32 << 20;
/// How long an answer may take where the caller sets no deadline: models think for minutes.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Letters of a message of the service that are told.
const TOLD: usize = 512;

/// What a service wants differently from others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dialect {
    /// The role that the protocol has for developers.
    pub(crate) developer: &'static str,
    /// Temperature where the app says none.
    pub(crate) default_temperature: f64,
    /// Tokens of an answer, at most.
    pub(crate) max_tokens: Option<u64>,
    /// Whether metadata of the request is understood.
    pub(crate) metadata: bool,
    /// Whether `prompt_cache_retention` is understood.
    pub(crate) prompt_cache_retention: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            developer: "system",
            default_temperature: 0.0,
            max_tokens: None,
            metadata: true,
            prompt_cache_retention: false,
        }
    }
}

/// A model behind a service.
pub(crate) struct Chat {
    pub(crate) http: HttpClient,
    pub(crate) url: Uri,
    pub(crate) key: (HeaderName, HeaderValue),
    /// The key itself, to keep it out of what the service answers.
    pub(crate) secret: String,
    pub(crate) model: String,
    pub(crate) cache: Option<Cache>,
    pub(crate) dialect: Dialect,
}

impl Backend for Chat {}

#[async_trait]
impl Conversation for Chat {
    async fn converse(&self, _: &CallContext, request: &Request) -> Result<Response, Error> {
        let body = payload::build(&self.model, self.dialect, request)?;
        let key = self.cache.as_ref().map(|cache| (cache, Cache::key(&body)));
        let kept = key.as_ref().and_then(|(cache, key)| cache.get(key));
        let answer = match kept {
            Some(answer) => answer,
            None => {
                let answer = self.ask(body).await?;
                if let Some((cache, key)) = key {
                    cache.put(key, answer.clone());
                }
                answer
            }
        };
        check_required(request, &answer)?;
        Ok(answer)
    }
}

/// A model that had to call a tool and said nothing at all did not do its work.
fn check_required(request: &Request, answer: &Response) -> Result<(), Error> {
    let required = request.tool_choice.as_deref() == Some("required") && !request.tools.is_empty();
    let empty = answer.outputs.iter().flatten().all(|choice| choice.content.is_empty() && choice.tool_calls.is_empty());
    if required && empty {
        let message = format!(
            "LLM returned empty response with no tool calls despite {} tools being available",
            request.tools.len()
        );
        return Err(Error::new(ErrorKind::Internal, message));
    }
    Ok(())
}

impl Chat {
    async fn ask(&self, body: Vec<u8>) -> Result<Response, Error> {
        match tokio::time::timeout(TIMEOUT, self.exchange(body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(ErrorKind::Timeout, "request timeout: API call exceeded deadline")),
        }
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<Response, Error> {
        let answer = self.http.send(self.compose(body)).await.map_err(|cause| {
            let retry = cause.retry();
            Error::new(ErrorKind::Unavailable, "network error: failed to reach API server")
                .caused_by(cause)
                .with_retry(retry)
        })?;
        let (parts, body) = answer.into_parts();
        let body = read_body(body, MAX_BYTES).await?;
        if parts.status == StatusCode::OK {
            return answer::read(&body, &self.model);
        }
        let again = parts.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok());
        Err(self.refused(parts.status, answer::reason(&body), again))
    }

    fn compose(&self, body: Vec<u8>) -> HttpRequest<HttpBody> {
        let mut request = HttpRequest::new(full_body(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (name, key) = &self.key;
        headers.insert(name.clone(), key.clone());
        request
    }

    /// What an answer other than 200 means. Services quote parts of a key that they refuse, so that then only the status
    /// is told.
    fn refused(&self, status: StatusCode, reason: Option<String>, again: Option<&str>) -> Error {
        let code = status.as_u16();
        let (kind, retry) = match code {
            401 | 403 => (ErrorKind::PermissionDenied, Retry::Never),
            429 => (ErrorKind::Unavailable, Retry::NotProcessed),
            400..500 => (ErrorKind::InvalidArgument, Retry::Never),
            _ => (ErrorKind::Unavailable, Retry::MaybeProcessed),
        };
        let mut message = format!("API returned unexpected status code: {code}");
        let reason = match kind {
            ErrorKind::PermissionDenied => Some("the service refuses the key or what it asks for".to_owned()),
            _ => reason.map(|reason| self.without_key(&reason)),
        };
        if let Some(reason) = reason {
            message.push_str(": ");
            message.push_str(&reason);
        }
        if let Some(seconds) = again.and_then(|again| again.parse::<u32>().ok()) {
            message.push_str(&format!(" (to be tried again after {seconds} seconds)"));
        }
        Error::new(kind, message).with_retry(retry)
    }

    fn without_key(&self, reason: &str) -> String {
        let reason = if self.secret.is_empty() { reason.to_owned() } else { reason.replace(&self.secret, "***") };
        reason.chars().take(TOLD).collect()
    }
}

#[cfg(test)]
mod tests {
    use component::conversation::{Choice, Tool};

    use super::*;

    fn chat() -> Chat {
        Chat {
            http: HttpClient::none(),
            url: Uri::from_static("http://localhost/v1/chat/completions"),
            key: (http::header::AUTHORIZATION, HeaderValue::from_static("Bearer hush")),
            secret: "hush".to_owned(),
            model: "m".to_owned(),
            cache: None,
            dialect: Dialect::default(),
        }
    }

    #[test]
    fn a_refusal_says_what_it_is_and_never_the_key() {
        let refused = |status: u16, reason: &str, again| {
            let error = chat().refused(StatusCode::from_u16(status).unwrap(), Some(reason.to_owned()), again);
            (error.to_string(), error.kind(), error.retry())
        };
        let (message, kind, _) = refused(401, "Incorrect API key provided: hu**", None);
        assert_eq!(
            message,
            "API returned unexpected status code: 401: the service refuses the key or what it asks for"
        );
        assert_eq!(kind, ErrorKind::PermissionDenied);
        let (message, kind, retry) = refused(429, "Rate limit of hush", Some("7"));
        let expected =
            "API returned unexpected status code: 429: Rate limit of *** (to be tried again after 7 seconds)";
        assert_eq!((message.as_str(), kind, retry), (expected, ErrorKind::Unavailable, Retry::NotProcessed));
        assert_eq!(refused(400, "bad", None).1, ErrorKind::InvalidArgument);
        assert_eq!(refused(503, "later", None).1, ErrorKind::Unavailable);
        assert!(refused(500, &"x".repeat(10_000), None).0.len() < 600);
    }

    #[test]
    fn a_required_call_that_is_missing_is_an_error() {
        let request =
            Request { tools: vec![Tool::default()], tool_choice: Some("required".to_owned()), ..Request::default() };
        let answer = |content: &str| Response {
            outputs: vec![vec![Choice { content: content.to_owned(), ..Choice::default() }]],
            ..Response::default()
        };
        assert!(check_required(&request, &answer("")).is_err());
        assert!(check_required(&request, &answer("text")).is_ok());
        assert!(check_required(&Request::default(), &answer("")).is_ok());
    }
}
