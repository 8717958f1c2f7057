//! The token endpoint of an OAuth2 server (RFC 6749). Used by the `oauth2` middlewares. Neither the client's secret nor a
//! token may reach a log or an error.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use component::http::{HttpBody, HttpClient, full_body};
use component::{Error, ErrorKind};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use serde_json::Value;

use crate::fetch::{Document, fetch};

const FORM: &str = "application/x-www-form-urlencoded";

/// Name and value of a parameter of a grant.
pub(crate) type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// How a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Both ways are tried; the one that works is kept.
    Unknown = 0,
    /// In the body of the request.
    InBody = 1,
    /// By HTTP basic authentication.
    InHeader = 2,
}

impl Style {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::InBody,
            2 => Self::InHeader,
            _ => Self::Unknown,
        }
    }
}

/// A client of a token endpoint.
pub(crate) struct TokenEndpoint {
    http: HttpClient,
    url: Uri,
    client_id: String,
    client_secret: String,
    style: AtomicU8,
}

/// A token, ready to be a header.
#[derive(Clone)]
pub(crate) struct Token {
    /// Its type and itself; marked as sensitive.
    pub(crate) header: HeaderValue,
    /// How long it counts, if the server said so.
    pub(crate) lifetime: Option<Duration>,
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl TokenEndpoint {
    pub(crate) fn new(http: HttpClient, url: Uri, client: (String, String), style: Style) -> Self {
        let (client_id, client_secret) = client;
        Self { http, url, client_id, client_secret, style: AtomicU8::new(style as u8) }
    }

    /// Asks for a token with the parameters of a grant.
    ///
    /// # Errors
    /// When the server gives none.
    pub(crate) async fn request(&self, grant: &[Parameter<'_>]) -> Result<Token, Error> {
        match Style::of(self.style.load(Ordering::Relaxed)) {
            Style::Unknown => match self.request_by(grant, Style::InHeader).await {
                Ok(token) => {
                    self.style.store(Style::InHeader as u8, Ordering::Relaxed);
                    Ok(token)
                }
                Err(error) if error.kind() == ErrorKind::Unavailable || error.kind() == ErrorKind::Timeout => {
                    Err(error)
                }
                Err(_) => {
                    let token = self.request_by(grant, Style::InBody).await?;
                    self.style.store(Style::InBody as u8, Ordering::Relaxed);
                    Ok(token)
                }
            },
            style => self.request_by(grant, style).await,
        }
    }

    async fn request_by(&self, grant: &[Parameter<'_>], style: Style) -> Result<Token, Error> {
        read(&fetch(&self.http, self.compose(grant, style)?).await?)
    }

    fn compose(&self, grant: &[Parameter<'_>], style: Style) -> Result<Request<HttpBody>, Error> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(grant);
        if style == Style::InBody {
            form.append_pair("client_id", &self.client_id).append_pair("client_secret", &self.client_secret);
        }
        let mut request = Request::new(full_body(form.finish()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if style == Style::InHeader {
            headers.insert(AUTHORIZATION, self.basic()?);
        }
        Ok(request)
    }

    fn basic(&self) -> Result<HeaderValue, Error> {
        let escape = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", escape(&self.client_id), escape(&self.client_secret));
        sensitive(&format!("Basic {}", STANDARD.encode(pair)))
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::new(ErrorKind::Internal, "the token has characters that a header may not have"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads the answer of the endpoint (RFC 6749, section 5), or the older form-encoded kind.
fn read(answer: &Document) -> Result<Token, Error> {
    let media = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fields = if media == FORM || media == "text/plain" {
        let pairs = form_urlencoded::parse(&answer.body);
        Value::Object(pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect())
    } else {
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let refused = |why: String| Err(Error::new(ErrorKind::PermissionDenied, why));
    if let Some(code) = text("error") {
        return refused(format!("the token endpoint answered {}: {:?}", answer.status, shortened(code)));
    }
    if !answer.status.is_success() {
        let message = format!("the token endpoint answered {}", answer.status);
        let kind = match answer.status.is_server_error() {
            true => ErrorKind::Internal,
            false => ErrorKind::PermissionDenied,
        };
        return Err(Error::new(kind, message));
    }
    let Some(token) = text("access_token") else {
        return refused("the answer of the token endpoint has no access_token".to_owned());
    };
    let seconds = fields.get("expires_in").and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    });
    let header = sensitive(&format!("{} {token}", kind(text("token_type").unwrap_or_default())))?;
    Ok(Token { header, lifetime: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs) })
}

/// The start of an error code that a server sent: enough to look it up.
fn shortened(code: &str) -> String {
    code.chars().take(64).collect()
}

/// The type of a token as it stands in a header.
fn kind(given: &str) -> &str {
    match given {
        "" => "Bearer",
        given if given.eq_ignore_ascii_case("bearer") => "Bearer",
        given if given.eq_ignore_ascii_case("mac") => "MAC",
        given if given.eq_ignore_ascii_case("basic") => "Basic",
        given => given,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(status: u16, media: &str, body: &str) -> Result<(String, Option<u64>), String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, media.parse().unwrap());
        let body = Bytes::copy_from_slice(body.as_bytes());
        let read = read(&Document { status: StatusCode::from_u16(status).unwrap(), headers, body });
        read.map(|token| (token.header.to_str().unwrap().to_owned(), token.lifetime.map(|time| time.as_secs())))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn tokens_are_read_from_json_and_from_forms() {
        let token = |text: &str, seconds| Ok((text.to_owned(), seconds));
        let json = "application/json; charset=utf-8";
        assert_eq!(answer(200, json, r#"{"access_token":"t","expires_in":60}"#), token("Bearer t", Some(60)));
        assert_eq!(
            answer(201, json, r#"{"access_token":"t","token_type":"mac","expires_in":"7"}"#),
            token("MAC t", Some(7))
        );
        assert_eq!(answer(200, FORM, "access_token=t&token_type=Custom"), token("Custom t", None));
    }

    #[test]
    fn what_is_no_token_is_refused_without_quoting_the_answer() {
        for (status, body) in [
            (200, r#"{"secret":"hush"}"#),
            (400, r#"{"access_token":"hush"}"#),
            (500, "hush"),
            (200, "hush"),
            (200, r#"{"access_token":"hu\nsh"}"#),
        ] {
            let message = answer(status, "application/json", body).unwrap_err();
            assert!(!message.contains("hu"), "{message}");
        }
        let message = answer(200, "application/json", r#"{"error":"invalid_client"}"#).unwrap_err();
        assert_eq!(message, "the token endpoint answered 200 OK: \"invalid_client\"");
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token { header: sensitive("Bearer hush").unwrap(), lifetime: None };
        assert!(!format!("{token:?} {:?}", token.header).contains("hush"));
    }
}
