//! The secrets API over HTTP. Called by the HTTP door. No secret reaches a log or an error.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use blocks::Metadata;
use blocks::secrets::Error;
use errors::ApiError;
use http::{Response, StatusCode};
use service::Body;

use super::{Head, Routed, respond};
use crate::Api;
use crate::context::Requested;

pub(super) async fn get(api: &Api, request: Routed) -> Response<Body> {
    let (store, key) = (request.parameter("secretStoreName"), request.parameter("key"));
    let got = api.secrets.get(&Requested::http(&request.headers), store, key, &metadata(&request)).await;
    answer(got.map(|secret| serde_json::to_string(&secret.0)))
}

pub(super) async fn get_bulk(api: &Api, request: Routed) -> Response<Body> {
    let store = request.parameter("secretStoreName");
    let got = api.secrets.get_all(&Requested::http(&request.headers), store, &metadata(&request)).await;
    answer(got.map(|secrets| {
        let plain: BTreeMap<_, _> = secrets.iter().map(|(name, secret)| (name, &secret.0)).collect();
        serde_json::to_string(&plain)
    }))
}

/// The pairs of the query string that are for the component.
pub(super) fn metadata(request: &Head) -> Metadata {
    request.component_metadata().into_iter().collect()
}

/// A JSON object with a line end, names in order, as the target writes it.
fn answer(result: Result<serde_json::Result<String>, Error>) -> Response<Body> {
    let error = match result {
        Ok(Ok(json)) => return respond::json(StatusCode::OK, without_markup(&json) + "\n"),
        Ok(Err(error)) => errors::internal(error),
        Err(error) => refusal(error),
    };
    tracing::debug!(target: "dapr.runtime.http", "{error}");
    respond::error(&error)
}

/// Escapes what HTML would read as markup, as the target's encoder does. Such letters stand only in strings of a JSON
/// text, so that escaping keeps its meaning.
pub(super) fn without_markup(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out
}

/// The row of the catalogue that a failure of the block is.
fn refusal(error: Error) -> ApiError {
    match error {
        Error::NotConfigured => errors::secret_stores_not_configured(),
        Error::NotFound { store } => errors::secret_store_not_found(store),
        Error::PermissionDenied { store, secret } => errors::secret_permission_denied(secret, store),
        Error::Get { store, secret, source } => errors::secret_get(secret, store, source),
        Error::GetAll { store, source } => errors::secret_get_bulk(store, source),
    }
}
