//! `secretstores.local.file`: secrets out of one JSON file, read once at start. Called by the loader and, through
//! `loaded`, by the secrets block; it must not show a value in an error or a log line.
//!
//! By default every value of the file is a secret of its own, named by the path to it (`a:b:0`). With `multiValued`
//! every top-level entry is one secret, and the paths below it are its keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use component::secrets::{Secret, SecretStore};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Metadata, Settings, Setup};
use serde_json::{Map, Value};

/// The metadata of `secretstores.local.file`.
#[derive(Settings)]
pub(crate) struct LocalFileSettings {
    /// Path of the JSON file; a relative one starts at the working directory of the sidecar.
    #[setting(required)]
    secrets_file: String,
    /// What stands between the parts of a path in the names of nested secrets.
    #[setting(default = ":")]
    nested_separator: String,
    /// Makes one secret with several keys out of each top-level entry.
    multi_valued: bool,
}

struct LocalFile {
    secrets: BTreeMap<String, Secret>,
    multi_valued: bool,
}

/// Reads the file.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn SecretStore> {
    Box::pin(async move {
        let mut settings = LocalFileSettings::parse(&setup.properties)?;
        if settings.nested_separator.is_empty() {
            settings.nested_separator = ":".to_owned();
        }
        let path = &settings.secrets_file;
        let content = tokio::fs::read(path).await.map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, format!("secrets file {path} cannot be read")).caused_by(error)
        })?;
        // The parser's own message could quote a secret, so only the place is told.
        let content: Map<String, Value> = serde_json::from_slice(&content).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::new(ErrorKind::InvalidArgument, format!("secrets file {path} is not a JSON object: see {place}"))
        })?;
        let store: Arc<dyn SecretStore> =
            Arc::new(LocalFile { secrets: read_secrets(content, &settings)?, multi_valued: settings.multi_valued });
        Ok(store)
    })
}

fn read_secrets(content: Map<String, Value>, settings: &LocalFileSettings) -> Result<BTreeMap<String, Secret>, Error> {
    let separator = &settings.nested_separator;
    if !settings.multi_valued {
        let values = flatten(content, separator)?;
        return Ok(values.into_iter().map(|(name, value)| (name.clone(), single(name, value))).collect());
    }
    let mut secrets = BTreeMap::new();
    for (name, value) in content {
        match value {
            Value::String(text) => secrets.insert(name.clone(), single(name, text)),
            Value::Object(entries) => secrets.insert(name, Secret(flatten(entries, separator)?)),
            // The target passes over everything else at the top level of a multi-valued file.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
    }
    Ok(secrets)
}

fn single(name: String, value: String) -> Secret {
    Secret(BTreeMap::from([(name, value)]))
}

/// Every value below `entries` by the path to it. Two ways to spell one path are an error: which value would win is a
/// matter of chance in the target, and a secret must not be.
fn flatten(entries: Map<String, Value>, separator: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut values = BTreeMap::new();
    let mut open: Vec<(String, Value)> = entries.into_iter().collect();
    while let Some((path, value)) = open.pop() {
        let below = |part: &str| format!("{path}{separator}{part}");
        let text = match value {
            Value::Object(entries) => {
                open.extend(entries.into_iter().map(|(name, value)| (below(&name), value)));
                continue;
            }
            Value::Array(items) => {
                open.extend(items.into_iter().enumerate().map(|(index, value)| (below(&index.to_string()), value)));
                continue;
            }
            Value::String(text) => text,
            Value::Null => String::new(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
        };
        if values.insert(path.clone(), text).is_some() {
            let message = format!("the secrets file has two values for {path}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    }
    Ok(values)
}

impl Backend for LocalFile {}

#[async_trait]
impl SecretStore for LocalFile {
    async fn get(&self, _: &CallContext, name: &str, _: &Metadata) -> Result<Secret, Error> {
        let found = self.secrets.get(name).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("secret {name} not found")))
    }

    async fn get_all(&self, _: &CallContext, _: &Metadata) -> Result<BTreeMap<String, Secret>, Error> {
        Ok(self.secrets.clone())
    }

    fn multiple_key_values(&self) -> bool {
        self.multi_valued
    }
}

#[cfg(test)]
mod tests {
    use component::{Host, Tasks};

    use super::*;

    async fn open(content: &str, pairs: &[(&str, &str)]) -> Result<Arc<dyn SecretStore>, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let path = ("SecretsFile", file.path().to_str().unwrap());
        let host = Host::new("app", "", Tasks::new(|_, _| ()));
        let properties = pairs.iter().copied().chain([path]).collect();
        construct(Setup { name: "secrets".to_owned(), properties, host }).await
    }

    async fn all(content: &str, pairs: &[(&str, &str)]) -> Vec<(String, Vec<(String, String)>)> {
        let store = open(content, pairs).await.unwrap();
        let all = store.get_all(&CallContext::default(), &Metadata::new()).await.unwrap();
        all.into_iter().map(|(name, secret)| (name, secret.0.into_iter().collect())).collect()
    }

    fn one(name: &str, value: &str) -> (String, Vec<(String, String)>) {
        (name.to_owned(), vec![(name.to_owned(), value.to_owned())])
    }

    const NESTED: &str = r#"{"plain":"p","nested":{"list":["x",{"deep":7}],"on":true,"none":null}}"#;

    #[tokio::test]
    async fn nested_values_are_named_by_their_path() {
        let expected = [
            one("nested:list:0", "x"),
            one("nested:list:1:deep", "7"),
            one("nested:none", ""),
            one("nested:on", "true"),
        ];
        let mut found = all(NESTED, &[]).await;
        assert_eq!(found.pop(), Some(one("plain", "p")));
        assert_eq!(found, expected);
        assert!(all(NESTED, &[("nestedSeparator", "/")]).await.contains(&one("nested/list/0", "x")));
    }

    #[tokio::test]
    async fn a_multi_valued_file_makes_one_secret_of_each_entry() {
        let found = all(NESTED, &[("multiValued", "yes")]).await;
        let keys: Vec<&str> = found.first().unwrap().1.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["list:0", "list:1:deep", "none", "on"]);
        assert_eq!(found.last(), Some(&one("plain", "p")));
        let store = open(NESTED, &[("multiValued", "true")]).await.unwrap();
        assert_eq!(store.capabilities(), ["MULTIPLE_KEY_VALUES_PER_SECRET"]);
        assert!(open(NESTED, &[]).await.unwrap().capabilities().is_empty());
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_not_found() {
        let store = open(NESTED, &[]).await.unwrap();
        let error = store.get(&CallContext::default(), "nested", &Metadata::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, "secret nested not found".to_owned()));
    }

    #[tokio::test]
    async fn a_path_with_two_values_is_refused() {
        let error = open(r#"{"a:b":"1","a":{"b":"2"}}"#, &[]).await.err().unwrap();
        assert_eq!(error.to_string(), "the secrets file has two values for a:b");
    }

    #[tokio::test]
    async fn a_file_that_is_no_json_object_is_named_without_its_content() {
        for content in ["{\"key\":\"hunter2\"", "hunter2", "[\"hunter2\"]", "\"hunter2\""] {
            let error = open(content, &[]).await.err().unwrap().to_string();
            assert!(error.contains("is not a JSON object"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let host = Host::new("app", "", Tasks::new(|_, _| ()));
        let properties = [("secretsFile", "no/such.json")].into_iter().collect();
        let error = construct(Setup { name: "s".to_owned(), properties, host }).await.err().unwrap().to_string();
        assert!(error.starts_with("secrets file no/such.json cannot be read: "), "{error}");
    }
}
