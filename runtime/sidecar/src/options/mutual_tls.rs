//! `--enable-mtls` and what it needs: where sentry is, who it must prove to be, what is trusted, what is shown to it.
//! Called by the resolution of the options. What is missing is told at once: without it there would be no identity.

use std::path::PathBuf;

use identity::{AnchorSource, KeyKind, TokenSource};
use security::{SpiffeId, TrustDomain};
use service::Environment;
use service::flags::Given;

/// The name of sentry in its SPIFFE id.
const SENTRY: &str = "dapr-sentry";

pub(super) fn identity(
    given: &Given,
    environment: &Environment,
    app_id: &str,
    (trust_domain, control_plane_namespace): &(String, String),
) -> Result<identity::Options, String> {
    let address = given.non_empty("sentry-address").ok_or(
        "mutual TLS (--enable-mtls) needs the address of sentry, which certifies this sidecar: give --sentry-address \
         host:port",
    )?;
    let trust_domain =
        TrustDomain::parse(trust_domain).map_err(|error| format!("invalid control plane trust domain: {error}"))?;
    let sentry = SpiffeId::of(&trust_domain, control_plane_namespace, SENTRY)
        .map_err(|error| format!("failed to parse sentry SPIFFE ID: {error}"))?;
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    Ok(identity::Options {
        sentry_address: address.to_owned(),
        sentry,
        name: set("SENTRY_LOCAL_IDENTITY").unwrap_or(app_id).to_owned(),
        namespace: set("NAMESPACE").unwrap_or("default").to_owned(),
        trust_domain: None,
        anchors: anchors(set("DAPR_TRUST_ANCHORS"), set("DAPR_TRUST_ANCHORS_FILE"))?,
        token: token(environment.get("DAPR_SENTRY_TOKEN_FILE"))?,
        audiences: given.list("sentry-request-jwt-audiences"),
        key: KeyKind::Ed25519,
    })
}

fn anchors(text: Option<&str>, file: Option<&str>) -> Result<AnchorSource, String> {
    match (text, file) {
        (Some(pem), None) => Ok(AnchorSource::Text(pem.as_bytes().to_vec())),
        (None, Some(path)) => Ok(AnchorSource::File(PathBuf::from(path))),
        (Some(_), Some(_)) => Err("trust anchors are given twice, in DAPR_TRUST_ANCHORS and in the file that \
                                   DAPR_TRUST_ANCHORS_FILE names: set one of them"
            .to_owned()),
        (None, None) => Err("trust anchors are required: mutual TLS (--enable-mtls) needs the root certificates of \
                             sentry as PEM in DAPR_TRUST_ANCHORS, or the path of their file in DAPR_TRUST_ANCHORS_FILE"
            .to_owned()),
    }
}

fn token(file: Option<&str>) -> Result<TokenSource, String> {
    match file {
        None => Ok(TokenSource::Nothing),
        Some("") => Err("environmental variable DAPR_SENTRY_TOKEN_FILE is set with an empty value".to_owned()),
        Some(path) => Ok(TokenSource::File(PathBuf::from(path))),
    }
}
