//! One request to sentry: certify this key. The connection proves to be sentry's before anything is shown to it.
//! Called by `provider`, which decides when to ask and what a failure means.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use security::{SpiffeId, certificate};
use service::{Channel, Connections, Credentials, Dialer, Lifetimes, Tasks};
use tonic::Code;
use wire::sentry::ca_client::CaClient;
use wire::sentry::{SignCertificateRequest, SignCertificateResponse};

use crate::{Anchors, Credential, Expected, Jwt, NewKey, Options, TrustAnchors, token};

/// One request may take as long, connecting included.
const LIMIT: Duration = Duration::from_secs(5);

/// Why sentry gave nothing.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The metric's word for it.
    pub(crate) label: &'static str,
    pub(crate) message: String,
    /// Asking again in the same way would be answered in the same way.
    pub(crate) is_final: bool,
}

impl Refusal {
    pub(crate) fn new(label: &'static str, message: String) -> Self {
        Self { label, message, is_final: false }
    }
}

/// What sentry gave.
pub(crate) struct Certified {
    pub(crate) credential: Credential,
    /// The trust anchors that sentry knows, if it says.
    pub(crate) anchors: Option<TrustAnchors>,
}

/// Asks sentry to certify a new key.
pub(crate) async fn request(options: &Options, anchors: &Anchors, tasks: &Tasks) -> Result<Certified, Refusal> {
    let late = |_| Refusal::new("sentry_conn", format!("sentry at {} did not answer in time", options.sentry_address));
    tokio::time::timeout(LIMIT, ask(options, anchors, tasks)).await.map_err(late)?
}

async fn ask(options: &Options, anchors: &Anchors, tasks: &Tasks) -> Result<Certified, Refusal> {
    let key = NewKey::generate(options.key).map_err(|error| Refusal::new("csr", error.to_string()))?;
    let (token, validator) = token::read(&options.token)
        .await
        .map_err(|reason| Refusal::new("sentry_token", format!("error obtaining token: {reason}")))?;
    let request = SignCertificateRequest {
        id: options.name.clone(),
        token,
        trust_domain: options.trust_domain.clone().unwrap_or_default(),
        namespace: options.namespace.clone(),
        certificate_signing_request: certificate::block("CERTIFICATE REQUEST", &key.request).into_bytes().into(),
        token_validator: validator.into(),
        jwt_audiences: options.audiences.clone(),
    };
    let credentials = ToSentry { anchors: anchors.clone(), sentry: options.sentry.clone() };
    let dialer = Dialer::with_credentials(Arc::new(credentials));
    let connections = Connections::new(dialer, true, Lifetimes::default(), tasks.clone());
    connections
        .reserve(options.sentry_address.as_str().into())
        .await
        .map_err(|reason| Refusal::new("sentry_conn", format!("error establishing connection to sentry: {reason}")))?;
    let mut client = CaClient::new(Channel::new(connections, options.sentry_address.as_str()));
    let answer = client.sign_certificate(request).await.map_err(|status| Refusal {
        label: "sign",
        message: format!("error from sentry SignCertificate: {:?}: {}", status.code(), status.message()),
        is_final: matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated),
    })?;
    read(answer.into_inner(), &key)
}

fn read(answer: SignCertificateResponse, key: &NewKey) -> Result<Certified, Refusal> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Refusal::new("sign", format!("error parsing newly signed certificate: {error}"))
    };
    let chain: Vec<CertificateDer<'static>> =
        certificate::from_pem(&answer.workload_certificate).map_err(|error| unreadable(&error))?;
    let mut credential = key.certified(chain).map_err(|error| unreadable(&error))?;
    let parse = |token: &str| Jwt::parse(token).map_err(|reason| Refusal::new("jwt_parse", reason));
    credential.jwt = answer.jwt.filter(|token| !token.is_empty()).map(|token| parse(&token)).transpose()?;
    for (audience, token) in answer.per_audience_jwts {
        let token = parse(&token)?;
        if token.audiences != [audience.as_str()] {
            return Err(Refusal::new("jwt_aud", "JWT audience mismatch".to_owned()));
        }
        credential.jwts.insert(audience, token);
    }
    let told: Vec<u8> =
        answer.trust_chain_certificates.iter().flat_map(|pem| pem.iter().copied().chain([b'\n'])).collect();
    let anchors = TrustAnchors::from_pem(&told).ok();
    Ok(Certified { credential, anchors })
}

/// Towards sentry: it proves its id, we show no certificate.
struct ToSentry {
    anchors: Anchors,
    sentry: SpiffeId,
}

impl Credentials for ToSentry {
    fn client(&self, _: &str) -> io::Result<Arc<rustls::ClientConfig>> {
        crate::client_config(None, &self.anchors, Expected::Id(self.sentry.clone())).map_err(io::Error::other)
    }

    fn generation(&self) -> u64 {
        0
    }

    fn until(&self) -> SystemTime {
        // No certificate of ours ends: only sentry's own bounds the connection.
        SystemTime::now() + Duration::from_secs(24 * 3600)
    }
}
