//! Kubeconfig files: several of them are one, in which the first to name something counts. What they ask for and is not built
//! is refused, since to leave it out would mean to talk to somebody else, or as somebody else.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use resources::yaml::Document;
use serde::Deserialize;
use service::Environment;

use crate::config::{Config, ConfigError, Login, Source};
use crate::exec::Plugin;

/// Bytes of a file; those of people with many clusters have a tenth.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    current_context: String,
    clusters: Vec<NamedCluster>,
    contexts: Vec<NamedContext>,
    users: Vec<NamedUser>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: String,
    certificate_authority_data: String,
    insecure_skip_tls_verify: bool,
    tls_server_name: String,
    proxy_url: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
    namespace: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    username: String,
    password: String,
    exec: Option<Plugin>,
    auth_provider: Option<AuthProvider>,
    r#as: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct AuthProvider {
    name: String,
}

/// Reads these files, of which those that are missing do not count as long as one is there.
pub(crate) async fn load(paths: &[PathBuf], environment: &Environment) -> Result<Config, ConfigError> {
    let mut merged = File::default();
    let mut found = Vec::new();
    for path in paths {
        let Some(file) = read(path).await? else { continue };
        found.push(path.display().to_string());
        merged.add(file);
    }
    let named = |paths: Vec<String>| if paths.is_empty() { "none named".to_owned() } else { paths.join(", ") };
    if found.is_empty() {
        let paths = named(paths.iter().map(|path| path.display().to_string()).collect());
        return Err(ConfigError(format!("there is no kubeconfig file ({paths})")));
    }
    let origin = format!("the kubeconfig file {}", named(found));
    let wrong = |reason: String| ConfigError(format!("{origin}: {reason}"));
    Ok(Config { origin: origin.clone(), ..merged.chosen(environment).map_err(wrong)? })
}

async fn read(path: &Path) -> Result<Option<File>, ConfigError> {
    let wrong = |reason: String| ConfigError(format!("the kubeconfig file {}: {reason}", path.display()));
    match tokio::fs::metadata(path).await {
        Ok(about) if about.len() > MAX_BYTES => return Err(wrong(format!("it has more than {MAX_BYTES} bytes"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let text = tokio::fs::read_to_string(path).await.map_err(|error| wrong(error.to_string()))?;
    let read = Document::parse(&text).and_then(|document| document.read::<File>());
    let mut file = read.map_err(|problem| wrong(problem.to_string()))?;
    file.resolve(path.parent().unwrap_or(Path::new("")));
    Ok(Some(file))
}

impl File {
    /// Makes the paths in it those of its own folder.
    fn resolve(&mut self, folder: &Path) {
        let absolute = |path: &mut String| {
            if !path.is_empty() {
                *path = folder.join(path.as_str()).to_string_lossy().into_owned();
            }
        };
        for named in &mut self.clusters {
            absolute(&mut named.cluster.certificate_authority);
        }
        for NamedUser { user, .. } in &mut self.users {
            absolute(&mut user.client_certificate);
            absolute(&mut user.client_key);
            absolute(&mut user.token_file);
            if let Some(plugin) = &mut user.exec
                && plugin.command.contains('/')
            {
                absolute(&mut plugin.command);
            }
        }
    }

    /// Adds what this one has not.
    fn add(&mut self, other: Self) {
        if self.current_context.is_empty() {
            self.current_context = other.current_context;
        }
        for new in other.clusters {
            if self.clusters.iter().all(|known| known.name != new.name) {
                self.clusters.push(new);
            }
        }
        for new in other.contexts {
            if self.contexts.iter().all(|known| known.name != new.name) {
                self.contexts.push(new);
            }
        }
        for new in other.users {
            if self.users.iter().all(|known| known.name != new.name) {
                self.users.push(new);
            }
        }
    }

    /// What the current context says.
    fn chosen(self, environment: &Environment) -> Result<Config, String> {
        let current = &self.current_context;
        if current.is_empty() {
            return Err("current-context is not set".to_owned());
        }
        let context = self.contexts.iter().find(|named| named.name == *current).map(|named| &named.context);
        let context = context.ok_or_else(|| format!("there is no context {current:?}"))?;
        let cluster = self.clusters.iter().find(|named| named.name == context.cluster).map(|named| &named.cluster);
        let cluster = cluster.ok_or_else(|| format!("there is no cluster {:?}", context.cluster))?;
        let user = if context.user.is_empty() {
            User::default()
        } else {
            let user = self.users.iter().find(|named| named.name == context.user).map(|named| named.user.clone());
            user.ok_or_else(|| format!("there is no user {:?}", context.user))?
        };
        let server = cluster.address()?;
        let identity = user.identity()?;
        let login = user.login()?;
        let config = Config {
            server_name: Some(cluster.tls_server_name.clone()).filter(|name| !name.is_empty()),
            authority: source(&cluster.certificate_authority, &cluster.certificate_authority_data)?,
            identity,
            login,
            namespace: context.namespace.clone(),
            origin: String::new(),
            environment: environment.clone(),
            server,
        };
        if config.server.scheme_str() == Some("http") && config.login != Login::Nothing && !is_here(&config.server) {
            return Err("tokens and passwords are not sent to another machine without TLS".to_owned());
        }
        Ok(config)
    }
}

impl Cluster {
    fn address(&self) -> Result<Uri, String> {
        if self.insecure_skip_tls_verify {
            return Err("insecure-skip-tls-verify is not supported: name the certificate-authority instead".to_owned());
        }
        if !self.proxy_url.is_empty() {
            return Err("proxy-url is not supported".to_owned());
        }
        let given = if self.server.contains("://") { self.server.clone() } else { format!("https://{}", self.server) };
        let wrong =
            |reason: &dyn std::fmt::Display| format!("the server {:?} is not an address: {reason}", self.server);
        let uri: Uri = given.parse().map_err(|error| wrong(&error))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(wrong(&"http(s)://host:port is due"));
        }
        Ok(uri)
    }
}

impl User {
    fn identity(&self) -> Result<Option<(Source, Source)>, String> {
        let certificate = source(&self.client_certificate, &self.client_certificate_data)?;
        match (certificate, source(&self.client_key, &self.client_key_data)?) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => Err("client certificate and client key go together".to_owned()),
        }
    }

    fn login(self) -> Result<Login, String> {
        if !self.r#as.is_empty() {
            return Err("acting as somebody else (as) is not supported".to_owned());
        }
        if let Some(provider) = self.auth_provider {
            return Err(format!("the auth-provider {:?} is not supported: use exec", provider.name));
        }
        if !self.token_file.is_empty() {
            return Ok(Login::Token(Source::File(self.token_file.into())));
        }
        if !self.token.is_empty() {
            return Ok(Login::Token(Source::Text(self.token)));
        }
        if !self.username.is_empty() {
            return Ok(Login::Password { user: self.username, password: self.password });
        }
        match self.exec {
            Some(plugin) => {
                plugin.check()?;
                Ok(Login::Plugin(plugin))
            }
            None => Ok(Login::Nothing),
        }
    }
}

/// What is written in the file itself counts more than what it names.
fn source(path: &str, data: &str) -> Result<Option<Source>, String> {
    if !data.is_empty() {
        let bytes = STANDARD.decode(data.trim()).map_err(|error| format!("certificate or key data: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|_| "certificate or key data are not PEM text".to_owned())?;
        return Ok(Some(Source::Text(text)));
    }
    Ok((!path.is_empty()).then(|| Source::File(path.into())))
}

fn is_here(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: here
clusters:
- name: one
  cluster: {server: 'https://one:6443/base', certificate-authority: ca.crt, tls-server-name: cluster.local}
contexts:
- name: here
  context: {cluster: one, user: me, namespace: mine}
users:
- name: me
  user: {client-certificate: /abs/tls.crt, client-key: keys/tls.key, token: abc}
";

    async fn loaded(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, text).unwrap();
        load(&[path], &Environment::default()).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_current_context_names_server_certificates_and_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, FILE).unwrap();
        let config = load(&[path], &Environment::default()).await.unwrap();
        assert_eq!(config.server(), "https://one:6443/base");
        assert_eq!(config.server_name.as_deref(), Some("cluster.local"));
        assert_eq!(config.namespace(), "mine");
        assert!(config.authority == Some(Source::File(folder.path().join("ca.crt"))));
        let identity = (Source::File("/abs/tls.crt".into()), Source::File(folder.path().join("keys/tls.key")));
        assert!(config.identity == Some(identity));
        assert!(config.login == Login::Token(Source::Text("abc".to_owned())));
        assert!(!format!("{config:?}").contains("abc"));
    }

    #[tokio::test]
    async fn of_several_files_the_first_to_name_something_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&first, "clusters: [{name: one, cluster: {server: https://other}}]").unwrap();
        fs::write(&second, FILE).unwrap();
        let paths = [folder.path().join("missing"), first, second];
        let config = load(&paths, &Environment::default()).await.unwrap();
        assert_eq!(config.server(), "https://other/");
        assert_eq!(config.namespace(), "mine");
    }

    #[tokio::test]
    async fn data_in_the_file_count_more_than_paths() {
        let text = FILE.replace(
            "certificate-authority: ca.crt",
            "certificate-authority: ca.crt, certificate-authority-data: aGk=",
        );
        assert!(loaded(&text).await.unwrap().authority == Some(Source::Text("hi".to_owned())));
        let text = FILE.replace("certificate-authority: ca.crt", "certificate-authority-data: '***'");
        assert!(loaded(&text).await.unwrap_err().contains("certificate or key data"));
    }

    #[tokio::test]
    async fn what_is_not_built_is_refused() {
        for (old, new, reason) in [
            ("certificate-authority: ca.crt", "insecure-skip-tls-verify: true", "insecure-skip-tls-verify"),
            ("certificate-authority: ca.crt", "proxy-url: 'http://proxy'", "proxy-url"),
            ("token: abc", "auth-provider: {name: gcp}", "auth-provider \"gcp\""),
            ("token: abc", "as: somebody", "acting as"),
            ("token: abc", "exec: {command: x, interactiveMode: Always}", "interactive"),
        ] {
            let error = loaded(&FILE.replace(old, new)).await.unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_together_is_refused() {
        for (old, new, reason) in [
            ("current-context: here", "current-context: there", "no context \"there\""),
            ("cluster: one", "cluster: two", "no cluster \"two\""),
            ("user: me", "user: you", "no user \"you\""),
            ("client-key: keys/tls.key, ", "", "go together"),
            ("https://one:6443/base", "ftp://one", "http(s)://host:port"),
            ("https://one:6443/base", "http://one", "without TLS"),
            ("clusters:", "clusters: 7\nx:", "config"),
        ] {
            let error = loaded(&FILE.replace(old, new)).await.unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn lists_that_are_null_and_unknown_fields_do_not_matter() {
        let text = "preferences: {}\nusers: null\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n\
                    clusters: [{name: a, cluster: {server: '10.0.0.1:6443', extensions: [{name: x, extension: {a: 1}}]}}]\n";
        assert_eq!(loaded(text).await.unwrap().server(), "https://10.0.0.1:6443/");
    }

    #[tokio::test]
    async fn the_own_machine_needs_no_tls() {
        let text = FILE.replace("https://one:6443/base", "http://127.0.0.1:8001");
        assert_eq!(loaded(&text).await.unwrap().server(), "http://127.0.0.1:8001/");
    }
}
