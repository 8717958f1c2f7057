//! Small documents from servers outside: discovery, keys, tokens. Bounded in size and time; redirects are not followed, so
//! that what answers is what the settings name.

use std::time::Duration;

use bytes::Bytes;
use component::http::{HttpBody, HttpClient, read_body};
use component::{Error, ErrorKind};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, Request, StatusCode};

/// Bytes of one document.
const MAX_BYTES: usize = 1 << 20;
/// How long one request may take, with its body. From the target.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a server answered.
pub(crate) struct Document {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Reads the URL of a setting.
///
/// # Errors
/// When it is no `http` or `https` URL of a host, or carries a user name.
pub(crate) fn url(setting: &str, text: &str) -> Result<Uri, Error> {
    let wrong = |why: &str| {
        let message = format!("metadata field {setting} {why}: expected an http or https URL");
        Error::new(ErrorKind::InvalidArgument, message)
    };
    let uri: Uri = text.parse().map_err(|error| wrong(&format!("is no URL ({error})")))?;
    if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
        return Err(wrong("has another scheme, or none"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(wrong("names no host, or carries a user name"));
    }
    Ok(uri)
}

/// Sends one request and reads its answer whole.
///
/// # Errors
/// When there is no whole answer in time.
pub(crate) async fn fetch(client: &HttpClient, request: Request<HttpBody>) -> Result<Document, Error> {
    match tokio::time::timeout(TIMEOUT, exchange(client, request)).await {
        Ok(document) => document,
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("no answer within {} seconds", TIMEOUT.as_secs()))),
    }
}

async fn exchange(client: &HttpClient, request: Request<HttpBody>) -> Result<Document, Error> {
    let (parts, body) = client.send(request).await?.into_parts();
    let body = read_body(body, MAX_BYTES).await?;
    Ok(Document { status: parts.status, headers: parts.headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_hosts_are_taken_and_none_with_a_password() {
        assert!(url("tokenURL", "https://host/token").is_ok());
        for wrong in ["", "host/token", "ftp://host", "https://user:secret@host/", "/token"] {
            let message = url("tokenURL", wrong).unwrap_err().to_string();
            assert!(message.starts_with("metadata field tokenURL") && !message.contains("secret"), "{message}");
        }
    }
}
