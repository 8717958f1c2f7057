//! Reads what a process shows to sentry. It is read for each request, since it is replaced while the process runs.

use wire::sentry::sign_certificate_request::TokenValidator;

use crate::TokenSource;

/// A token of more bytes is no token.
const MAX_LENGTH: u64 = 64 << 10;

/// The token, and which of sentry's validators it is for.
pub(crate) async fn read(source: &TokenSource) -> Result<(String, TokenValidator), String> {
    let (path, validator) = match source {
        TokenSource::Nothing => return Ok((String::new(), TokenValidator::Unknown)),
        TokenSource::File(path) => (path, TokenValidator::Jwks),
        TokenSource::Kubernetes(path) => (path, TokenValidator::Kubernetes),
    };
    let failed = |error: std::io::Error| format!("failed to read token at path '{}': {error}", path.display());
    if tokio::fs::metadata(path).await.map_err(failed)?.len() > MAX_LENGTH {
        return Err(format!("token at path '{}' is longer than {MAX_LENGTH} bytes", path.display()));
    }
    let token = tokio::fs::read_to_string(path).await.map_err(failed)?;
    if token.trim().is_empty() {
        return Err(format!("token at path '{}' is empty", path.display()));
    }
    Ok((token.trim().to_owned(), validator))
}
