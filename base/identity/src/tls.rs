//! TLS configurations in which certificates are SPIFFE workloads': for our listeners, and towards other processes. The
//! credential and the anchors are read at each handshake. Sessions are never resumed: a resumed one would show nobody the
//! certificates of today.

use std::fmt;
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};
use security::SpiffeId;

use crate::credential::provider;
use crate::verify::Verifier;
use crate::{Anchors, Held};

/// Which id the other end has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any of our trust anchors: a policy judges later.
    Any,
    /// This path, whatever the trust domain.
    Path(Arc<str>),
    /// This very id.
    Id(SpiffeId),
}

impl Expected {
    pub(crate) fn is(&self, id: &SpiffeId) -> bool {
        match self {
            Self::Any => true,
            Self::Path(path) => id.path() == &**path,
            Self::Id(expected) => id == expected,
        }
    }
}

/// The configuration of a listener. With `clients`, a client has to prove a workload of these anchors.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn server_config(
    held: &Held,
    clients: Option<&Anchors>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider())).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(anchors) => {
            let verifier = Verifier { anchors: anchors.clone(), expected: Expected::Any };
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Shown(held.clone())));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The configuration towards another process, for HTTP/2. Without `held` it shows no certificate.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn client_config(
    held: Option<&Held>,
    anchors: &Anchors,
    expected: Expected,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider())).with_safe_default_protocol_versions()?;
    let verifier = Arc::new(Verifier { anchors: anchors.clone(), expected });
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match held {
        Some(held) => builder.with_client_cert_resolver(Arc::new(Shown(held.clone()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Shows what is held, as long as it counts.
struct Shown(Held);

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shown")
    }
}

impl Shown {
    fn valid(&self) -> Option<Arc<CertifiedKey>> {
        self.0.valid().map(|credential| Arc::clone(credential.certified()))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.valid()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.valid()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
