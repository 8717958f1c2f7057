//! `crypto.dapr.localstorage` and `crypto.dapr.jwks`, with keys made for the run.

mod fresh;

use std::sync::Arc;

use tempfile::TempDir;

use crate::Capability::{PublicKeys, SymmetricKeys};
use crate::crypto::{CryptoProviders, KEYS};
use crate::{Backend, Ground, Starting};

use fresh::Fresh;

pub(super) const CRYPTO: &[Backend<CryptoProviders>] = &[
    Backend {
        name: "localstorage",
        component_type: "crypto.dapr.localstorage",
        version: "v1",
        capabilities: &[SymmetricKeys, PublicKeys],
        start: folder,
        profile: (),
    },
    Backend {
        name: "jwks",
        component_type: "crypto.dapr.jwks",
        version: "v1",
        capabilities: &[SymmetricKeys, PublicKeys],
        start: key_set,
        profile: (),
    },
];

/// A folder, and what the component is told of it.
struct Files {
    _folder: TempDir,
    setting: (&'static str, String),
}

impl Ground for Files {
    fn properties(&self) -> Vec<(String, String)> {
        vec![(self.setting.0.to_owned(), self.setting.1.clone())]
    }
}

fn text_of(path: &std::path::Path) -> String {
    path.to_str().expect("a path of ours is text").to_owned()
}

/// One file for each key: PEM, or bare bytes.
fn folder() -> Starting {
    Box::pin(async {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).expect("a file");
        for (name, kind) in KEYS {
            let key = Fresh::new(*kind);
            write(name, &key.file());
            if let Some(public) = key.public_pem() {
                write(&format!("{name}-public"), public.as_bytes());
            }
        }
        let setting = ("path", text_of(folder.path()));
        Ok(Arc::new(Files { _folder: folder, setting }) as Arc<dyn Ground>)
    })
}

/// One JSON Web Key Set in a file.
fn key_set() -> Starting {
    Box::pin(async {
        let mut keys = Vec::new();
        for (name, kind) in KEYS {
            let key = Fresh::new(*kind);
            keys.push(key.json(name));
            keys.extend(key.public_json(&format!("{name}-public")));
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("keys.json");
        std::fs::write(&path, format!(r#"{{"keys":[{}]}}"#, keys.join(","))).expect("a file");
        let setting = ("jwks", text_of(&path));
        Ok(Arc::new(Files { _folder: folder, setting }) as Arc<dyn Ground>)
    })
}
