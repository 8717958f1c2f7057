//! The identity of this sidecar: obtained before anything is served, offered to components, shown to other processes.

use std::sync::Arc;
use std::time::SystemTime;

use blocks::metadata::Provider;
use component::{Error, ErrorKind, IdentityCertificate, IdentitySource, IdentityToken};
use identity::{Credential, Observer, Security};
use service::{Connections, Dialer, Lifetimes, ServerTls, Shutdown, Tasks};
use telemetry::Metrics;
use telemetry::metrics::names;

use crate::{Fatal, Options};

/// Obtains the identity, where mTLS is asked for. Sentry that cannot be reached is waited for: until then no port is open.
pub(crate) async fn obtain(
    options: &Options,
    metrics: &Metrics,
    tasks: &Tasks,
    shutdown: &Shutdown,
) -> Result<Option<Security>, Fatal> {
    let Some(asked) = &options.identity else {
        tracing::warn!(
            target: "dapr.runtime.security",
            "mTLS is disabled. Skipping certificate request and tls validation"
        );
        return Ok(None);
    };
    let counted = Arc::new(Counted(metrics.clone()));
    let obtained = identity::obtain(asked.clone(), counted, tasks, shutdown).await;
    let security = obtained.map_err(|error| Fatal::new(error.to_string()))?;
    let id = security.id();
    if id.app_id() != options.app_id {
        tracing::warn!(
            target: "dapr.runtime.security",
            "sentry certified this sidecar as {id}: others will not find '{}' here",
            options.app_id
        );
    }
    Ok(Some(security))
}

/// The pool of connections to other sidecars.
pub(crate) fn connections(security: Option<&Security>, lifetimes: Lifetimes, tasks: Tasks) -> Connections {
    match security {
        Some(security) => {
            Connections::new(Dialer::with_credentials(security.towards_workloads()), true, lifetimes, tasks)
        }
        None => Connections::new(Dialer::plain(), false, lifetimes, tasks),
    }
}

/// What the metadata API tells of it, beside what the target tells: whose it is, and when it ends in seconds since 1970.
pub(crate) fn told(security: Security) -> Provider {
    Box::new(move |answer| {
        let credential = security.held().current();
        let until = credential.validity.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        answer.extended_metadata.insert("trilbyIdentity".to_owned(), credential.id.to_string());
        answer.extended_metadata.insert("trilbyIdentityUntil".to_owned(), until.as_secs().to_string());
    })
}

struct Counted(Metrics);

impl Observer for Counted {
    fn obtained(&self) {
        self.0.counter(&names::MTLS_INITIALISED, &[]).add(1);
    }

    fn renewed(&self) {
        self.0.counter(&names::MTLS_ROTATED, &[]).add(1);
    }

    fn failed(&self, reason: &'static str) {
        self.0.counter(&names::MTLS_ROTATION_FAILED, &[reason]).add(1);
    }
}

/// TLS of the port for other sidecars: whoever calls there proves who it is.
pub(crate) fn server_tls(security: Option<&Security>) -> Result<Option<ServerTls>, Fatal> {
    let tls = security.map(|security| security.server(&[b"h2"])).transpose();
    tls.map_err(|error| Fatal::new(format!("TLS of the internal port: {error}")))
}

/// What components see of it.
pub(crate) fn offered(security: &Security) -> Arc<dyn IdentitySource> {
    Arc::new(Offered(security.clone()))
}

#[derive(Debug)]
struct Offered(Security);

impl IdentitySource for Offered {
    fn certificate(&self) -> Option<IdentityCertificate> {
        let credential = self.0.held().valid()?;
        Some(IdentityCertificate {
            id: credential.id.to_string(),
            chain: credential.chain.iter().map(|certificate| certificate.to_vec()).collect(),
            key: credential.key().to_vec(),
            until: credential.validity.until,
        })
    }

    fn token(&self, audience: &str) -> Result<IdentityToken, Error> {
        let credential = self.0.held().current();
        let found = token_for(&credential, audience).filter(|token| token.until > SystemTime::now());
        let token = found.ok_or_else(|| {
            let hint = "sentry must issue tokens (--jwt-enabled), and the audience must be asked for at start \
                        (--sentry-request-jwt-audiences)";
            Error::new(ErrorKind::NotFound, format!("there is no token for the audience {audience:?}: {hint}"))
        })?;
        Ok(IdentityToken { token: token.reveal().to_owned(), until: token.until })
    }
}

/// The token that is for this audience alone, else the one that is for it among others.
fn token_for<'a>(credential: &'a Credential, audience: &str) -> Option<&'a identity::Jwt> {
    let general = credential.jwt.as_ref().filter(|token| token.audiences.iter().any(|own| own == audience));
    credential.jwts.get(audience).or(general)
}
