//! Where the API server is, what vouches for it, and what this process proves itself with. Found once at start, from what the
//! pod has or from kubeconfig files; files that are named here are read again later, by `access`.

use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;
use service::Environment;

use crate::exec::Plugin;
use crate::kubeconfig;

/// Where pods find what they prove themselves with.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Why there is no configuration, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A text that is known, or stands in a file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Text(String),
    File(PathBuf),
}

/// What goes into the header `authorization`.
#[derive(Clone, Default, PartialEq)]
pub(crate) enum Login {
    #[default]
    Nothing,
    Password {
        user: String,
        password: String,
    },
    Token(Source),
    Plugin(Plugin),
}

/// How to reach an API server. Its debug form shows no secret.
#[derive(Clone)]
pub struct Config {
    pub(crate) server: Uri,
    /// What the server is called in its certificate, where that is not its host.
    pub(crate) server_name: Option<String>,
    /// What vouches for the server; without it, what the system trusts.
    pub(crate) authority: Option<Source>,
    /// Certificate and key.
    pub(crate) identity: Option<(Source, Source)>,
    pub(crate) login: Login,
    pub(crate) namespace: String,
    pub(crate) origin: String,
    pub(crate) environment: Environment,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Config");
        shown.field("server", &self.server).field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Config {
    /// Finds it: in this kubeconfig file if one is named; else in the pod, if this is one; else in the files of `KUBECONFIG`, or
    /// in `~/.kube/config`.
    ///
    /// # Errors
    /// [`ConfigError`], when there is nothing, or what is there cannot be used.
    pub async fn find(environment: &Environment, kubeconfig: Option<&Path>) -> Result<Self, ConfigError> {
        if let Some(path) = kubeconfig {
            return kubeconfig::load(&[path.to_owned()], environment).await;
        }
        let in_pod = match Self::in_pod(environment, Path::new(SERVICE_ACCOUNT)).await {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let files = files(environment);
        match kubeconfig::load(&files, environment).await {
            Ok(config) => Ok(config),
            Err(error) => Err(ConfigError(format!("no way to the Kubernetes API: {in_pod}; {error}"))),
        }
    }

    /// The one of a pod, whose service account is in this folder.
    ///
    /// # Errors
    /// [`ConfigError`], when this is no pod, or its service account cannot be read.
    pub async fn in_pod(environment: &Environment, service_account: &Path) -> Result<Self, ConfigError> {
        let variable = |name: &str| {
            let value = environment.get(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| ConfigError(format!("{name} is not set, so this is no pod")))
        };
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let server = format!("https://{host}:{port}");
        let token = service_account.join("token");
        let unread = |error| ConfigError(format!("the token of the service account, {}: {error}", token.display()));
        tokio::fs::metadata(&token).await.map_err(unread)?;
        let namespace = tokio::fs::read_to_string(service_account.join("namespace")).await.unwrap_or_default();
        Ok(Self {
            server: server.parse().map_err(|error| ConfigError(format!("{server} is not an address: {error}")))?,
            server_name: None,
            authority: Some(Source::File(service_account.join("ca.crt"))),
            identity: None,
            login: Login::Token(Source::File(token)),
            namespace: namespace.trim().to_owned(),
            origin: "the service account of this pod".to_owned(),
            environment: environment.clone(),
        })
    }

    /// The namespace that is meant where none is named; empty when it is not known.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where this comes from, for messages.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The address of the API server, for messages.
    #[must_use]
    pub fn server(&self) -> String {
        self.server.to_string()
    }
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    match environment.get("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => {
            let home = environment.get("HOME").filter(|home| !home.is_empty());
            home.map(|home| Path::new(home).join(".kube").join("config")).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn account() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "secret").unwrap();
        fs::write(folder.path().join("namespace"), "dapr-system\n").unwrap();
        folder
    }

    #[tokio::test]
    async fn a_pod_has_the_address_in_variables_and_the_rest_in_files() {
        let folder = account();
        let environment =
            Environment::from_pairs([("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "6443")]);
        let config = Config::in_pod(&environment, folder.path()).await.unwrap();
        assert_eq!(config.server(), "https://[fd00::1]:6443/");
        assert_eq!(config.namespace(), "dapr-system");
        assert!(config.login == Login::Token(Source::File(folder.path().join("token"))));
        assert!(config.authority == Some(Source::File(folder.path().join("ca.crt"))));
    }

    #[tokio::test]
    async fn half_a_pod_is_none() {
        let folder = account();
        let host = Environment::from_pairs([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        let reason = Config::in_pod(&host, folder.path()).await.unwrap_err().to_string();
        assert!(reason.contains("KUBERNETES_SERVICE_PORT is not set"), "{reason}");
        let both = host.with([("KUBERNETES_SERVICE_PORT", "443")]);
        let reason = Config::in_pod(&both, Path::new("/nowhere")).await.unwrap_err().to_string();
        assert!(reason.contains("/nowhere/token"), "{reason}");
    }

    #[tokio::test]
    async fn without_anything_the_error_names_what_was_looked_for() {
        let environment = Environment::from_pairs([("HOME", "/nowhere")]);
        let reason = Config::find(&environment, None).await.unwrap_err().to_string();
        assert!(reason.contains("KUBERNETES_SERVICE_HOST"), "{reason}");
        assert!(reason.contains("/nowhere/.kube/config"), "{reason}");
    }

    #[tokio::test]
    async fn a_named_file_must_be_there() {
        let reason = Config::find(&Environment::default(), Some(Path::new("/nowhere/config"))).await.unwrap_err();
        assert!(reason.to_string().contains("/nowhere/config"), "{reason}");
    }
}
