//! `crypto.dapr.localstorage`: each file of a folder is a key, named by its path in the folder. Called by the loader
//! and, through `local_keys`, by the cryptography block. It must not read anything outside the folder.
//!
//! A key is read when it is used, as in the target, so that a replaced file counts at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use component::crypto::CryptoProvider;
use component::{Constructing, Error, ErrorKind, Settings, Setup};
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use crate::key::{Key, Material};
use crate::key_text::{self, Form};
use crate::local_keys::{KeySource, LocalKeys};

/// The longest file that can be a key.
const MAX_FILE: u64 = 1 << 20;

/// The metadata of `crypto.dapr.localstorage`.
#[derive(Settings)]
pub(crate) struct LocalStorageSettings {
    /// Path of the folder with the keys: files in PEM or JSON (one JSON Web Key each), or with the bytes of a symmetric
    /// key. The path of a file in the folder is the name of its key. Links that lead out of the folder are refused.
    #[setting(required)]
    path: String,
}

struct Folder {
    path: PathBuf,
}

/// Looks whether the folder is there.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn CryptoProvider> {
    Box::pin(async move {
        let settings = LocalStorageSettings::parse(&setup.properties)?;
        let failed = |text: String| Error::new(ErrorKind::InvalidArgument, format!("failed to load metadata: {text}"));
        let about = tokio::fs::metadata(&settings.path).await;
        let about = about.map_err(|error| failed(format!("could not stat path '{}': {error}", settings.path)))?;
        if !about.is_dir() {
            return Err(failed(format!("path '{}' is not a directory", settings.path)));
        }
        let provider: Arc<dyn CryptoProvider> = Arc::new(LocalKeys(Folder { path: settings.path.into() }));
        Ok(provider)
    })
}

#[async_trait]
impl KeySource for Folder {
    async fn key(&self, name: &str) -> Result<Arc<Key>, Error> {
        let invalid = |text: &str| Error::new(ErrorKind::InvalidArgument, format!("invalid key path: {text}"));
        if name.contains("..") {
            return Err(invalid("cannot contain '..'"));
        }
        if name.contains(['\0', '\\']) || name.trim_matches('/').is_empty() {
            return Err(invalid("not the name of a file"));
        }
        // A name that begins with a slash stays below the folder, as in the target.
        let content = self.read(name.trim_start_matches('/')).await.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Internal,
            };
            Error::new(kind, format!("failed to load key '{name}'"))
                .with_retry(component::Retry::Never)
                .caused_by(error)
        })?;
        let unreadable =
            |text: String| Error::new(ErrorKind::InvalidArgument, format!("failed to parse key from secret: {text}"));
        let key = key_text::read(&content, form(name)).map_err(|error| unreadable(error.to_string()))?;
        match &key.material {
            Material::Unusable(what) => Err(unreadable(format!("invalid key type {what}"))),
            _ => Ok(Arc::new(key)),
        }
    }
}

impl Folder {
    async fn read(&self, name: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        let outside = || io::Error::new(io::ErrorKind::PermissionDenied, "it leads out of the folder");
        let folder = tokio::fs::canonicalize(&self.path).await?;
        // Mounted secrets are links to files beside them, so links are followed, but not out of the folder.
        let file = tokio::fs::canonicalize(self.path.join(name)).await?;
        if !file.starts_with(&folder) {
            return Err(outside());
        }
        // A pipe would never end, a device might not either.
        let about = tokio::fs::metadata(&file).await?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        if about.len() > MAX_FILE {
            return Err(io::Error::other("it is too long to be a key"));
        }
        let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default()));
        tokio::fs::File::open(&file).await?.take(MAX_FILE).read_to_end(&mut content).await?;
        Ok(content)
    }
}

/// How a key is written, from the end of its name.
fn form(name: &str) -> Form {
    let extension = Path::new(name).extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_deref().and_then(|extension| extension.to_str()) {
        Some("json") => Form::Json,
        Some("pem") => Form::Pem,
        _ => Form::Any,
    }
}

#[cfg(test)]
mod tests;
