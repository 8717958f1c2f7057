//! How apps started by `run` find each other: a registry of names in the runtime folder, given to each sidecar as an
//! additional first `--config`. A configuration that names a resolver of its own is left alone. Nothing here talks to
//! the registry.

use std::path::{Path, PathBuf};

use anyhow::Result;
use resources::yaml::Document;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::folder::{Folder, write_file};

/// What of a Configuration document concerns the command line.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    name_resolution: Option<IgnoredAny>,
    mtls: Option<Mtls>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mtls {
    enabled: bool,
}

/// What the command line reads from the configuration file of an app.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Peek {
    /// It chooses a name resolver.
    pub(crate) has_resolver: bool,
    /// It asks for mTLS (`spec.mtls.enabled`).
    pub(crate) wants_mtls: bool,
}

/// Looks into the first document of a configuration file, the only one that a sidecar reads. One that cannot be read says nothing here: the sidecar reads it too, and tells.
pub(crate) fn peek(path: &Path) -> Peek {
    let content = std::fs::read_to_string(path).unwrap_or_default();
    let read = Document::parse(&content).and_then(|document| document.read::<Configuration>());
    let spec = read.unwrap_or_default().spec;
    Peek { has_resolver: spec.name_resolution.is_some(), wants_mtls: spec.mtls.is_some_and(|mtls| mtls.enabled) }
}

/// Writes the Configuration that makes a sidecar use the registry of the runtime folder, and returns where it is.
pub(crate) fn write_configuration(folder: &Folder) -> Result<PathBuf> {
    let path = folder.path().join("names.yaml");
    write_file(&path, configuration(&folder.path().join("names.db")).to_string().as_bytes())?;
    Ok(path)
}

/// JSON, which is YAML in which every path is safely quoted.
fn configuration(database: &Path) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Configuration",
        "metadata": { "name": "trilby-names" },
        "spec": {
            "nameResolution": {
                "component": "sqlite",
                "version": "v1",
                "configuration": { "connectionString": database.to_string_lossy() },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peek_at(content: &str) -> Peek {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        peek(file.path())
    }

    #[test]
    fn a_resolver_of_the_user_is_seen_where_the_sidecar_sees_it() {
        let with = "spec:\n  nameResolution:\n    component: mdns\n";
        assert!(peek_at(with).has_resolver);
        assert!(!peek_at(&format!("kind: Configuration\n---\n{with}")).has_resolver);
        assert_eq!(peek_at("spec:\n  tracing:\n    samplingRate: '1'\n"), Peek::default());
        assert_eq!(peek_at("spec: [broken"), Peek::default());
        assert_eq!(peek(Path::new("/does/not/exist")), Peek::default());
    }

    #[test]
    fn mtls_is_seen() {
        assert!(peek_at("spec:\n  mtls:\n    enabled: true\n").wants_mtls);
        assert!(!peek_at("spec:\n  mtls:\n    enabled: false\n").wants_mtls);
    }

    #[test]
    fn our_own_configuration_names_the_registry() {
        let content = configuration(Path::new("/run/a \"b\"/names.db")).to_string();
        assert!(peek_at(&content).has_resolver);
    }
}
