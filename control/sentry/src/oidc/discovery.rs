//! The document of discovery: as much of it as verifying a token needs.

use serde::Serialize;

use super::hosts::{base, base_of};
use crate::tokens::Algorithm;

/// What documents are made of.
pub(super) struct Discovery {
    /// What tokens call their issuer, if they do.
    pub(super) issuer: Option<String>,
    /// Where the public keys are, when that is elsewhere.
    pub(super) key_set_uri: Option<String>,
    /// Where they are here.
    pub(super) key_set_path: String,
    /// Whether we are asked over TLS.
    pub(super) is_secure: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    issuer: &'a str,
    jwks_uri: &'a str,
    response_types_supported: [&'a str; 1],
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: [&'a str; 1],
    scopes_supported: [&'a str; 1],
    claims_supported: [&'a str; 7],
}

impl Discovery {
    /// The document for whoever reached us as `host`; `None` when that is no host.
    pub(super) fn document(&self, host: &str, algorithm: Algorithm) -> Option<Vec<u8>> {
        let reached = base(self.is_secure, host);
        let issuer = match &self.issuer {
            Some(issuer) => issuer.clone(),
            None => reached.clone()?,
        };
        let key_set_uri = match &self.key_set_uri {
            Some(uri) => uri.clone(),
            None => format!("{}{}", base_of(&issuer).or(reached)?, self.key_set_path),
        };
        let document = Document {
            issuer: &issuer,
            jwks_uri: &key_set_uri,
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: [algorithm.as_str()],
            scopes_supported: ["openid"],
            claims_supported: ["sub", "iss", "aud", "exp", "iat", "nbf", "use"],
        };
        let mut text = serde_json::to_vec(&document).ok()?;
        text.push(b'\n');
        Some(text)
    }
}
