//! The certificate of discovery, from two files that are waited for and followed. One that cannot be used after a change
//! changes nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use identity::{Watched, watch_files};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use security::certificate;
use service::Shutdown;

use super::TARGET;

/// A certificate and its key in files.
#[derive(Debug)]
pub(crate) struct FileCertificate {
    files: (PathBuf, PathBuf),
    current: RwLock<Arc<CertifiedKey>>,
}

/// Shows the certificate of the moment.
#[derive(Debug)]
struct Shown(Arc<FileCertificate>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl FileCertificate {
    /// Waits until both files are there and belong together. What happens to them afterwards is for [`FileCertificate::follow`].
    ///
    /// # Errors
    /// A sentence: a folder is missing.
    pub(crate) async fn open(files: (PathBuf, PathBuf)) -> Result<(Arc<Self>, Watched), String> {
        let names = format!("{}, {}", files.0.display(), files.1.display());
        let mut watched = watch_files([files.0.as_path(), files.1.as_path()])?;
        loop {
            if !(files.0.exists() && files.1.exists()) {
                tracing::warn!(target: TARGET, "Waiting for TLS certificate and key files to be available: {names}");
            } else {
                match read(&files) {
                    Ok(read) => {
                        tracing::info!(target: TARGET, "Loaded TLS certificate and key from {names}");
                        return Ok((Arc::new(Self { current: RwLock::new(read), files }), watched));
                    }
                    // They may be being written just now.
                    Err(reason) => tracing::error!(target: TARGET, "{reason}; waiting for a change of {names}"),
                }
            }
            watched.changed().await;
        }
    }

    /// The TLS configuration that shows it.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub(crate) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, String> {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Shown(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Follows the files until a stop is requested.
    pub(crate) async fn follow(self: Arc<Self>, mut watched: Watched, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = watched.changed() => {}
            }
            match read(&self.files) {
                Ok(read) => *self.current.write().unwrap_or_else(PoisonError::into_inner) = read,
                Err(reason) => tracing::error!(target: TARGET, "{reason}; the last TLS certificate stays"),
            }
        }
    }
}

fn read((certificate, key): &(PathBuf, PathBuf)) -> Result<Arc<CertifiedKey>, String> {
    let failed = |reason: String| format!("failed to load TLS certificate and key: {reason}");
    let text = |file: &PathBuf| fs::read(file).map_err(|error| failed(format!("{}: {error}", file.display())));
    let chain = certificate::from_pem(&text(certificate)?).map_err(|error| failed(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&text(key)?).map_err(|error| failed(error.to_string()))?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    certified.map(Arc::new).map_err(|error| failed(error.to_string()))
}
