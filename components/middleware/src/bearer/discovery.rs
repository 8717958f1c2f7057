//! OpenID Connect discovery: where an issuer keeps its keys.

use component::http::{HttpClient, empty_body};
use component::{Error, ErrorKind};
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::Deserialize;

use crate::fetch::{self, Document, fetch};

/// What we read of a discovery document.
#[derive(Deserialize)]
struct ProviderConfiguration {
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    jwks_uri: String,
}

/// Asks the issuer where its keys are.
///
/// # Errors
/// When it does not say, or is another issuer.
pub(super) async fn find_keys(client: &HttpClient, issuer: &str) -> Result<Uri, Error> {
    let address = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
    let found = get(client, &fetch::url("issuer", &address)?).await.and_then(|document| read(&document, issuer));
    found.map_err(|cause| {
        let kind = cause.kind();
        Error::new(kind, "failed to retrieve OpenID Configuration document").caused_by(cause)
    })
}

/// Fetches one document.
///
/// # Errors
/// When there is no answer, or another one than 200.
pub(super) async fn get(client: &HttpClient, url: &Uri) -> Result<Document, Error> {
    let mut request = Request::new(empty_body());
    *request.uri_mut() = url.clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let document = fetch(client, request).await?;
    if document.status != StatusCode::OK {
        let message =
            format!("invalid response status code: {} (redirects are not followed)", document.status.as_u16());
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    Ok(document)
}

fn read(document: &Document, issuer: &str) -> Result<Uri, Error> {
    let unusable = |message: String| Error::new(ErrorKind::InvalidArgument, message);
    let found: ProviderConfiguration = serde_json::from_slice(&document.body)
        .map_err(|error| unusable(format!("failed to decode JSON response: {error}")))?;
    if found.jwks_uri.is_empty() {
        return Err(unusable("the OpenID Configuration document does not contain a 'jwks_uri'".to_owned()));
    }
    if found.issuer != issuer {
        return Err(unusable(format!(
            "the issuer found in the OpenID Configuration document ('{}') doesn't match the one provided in the \
             component's metadata ('{issuer}')",
            found.issuer
        )));
    }
    fetch::url("jwks_uri", &found.jwks_uri)
}
