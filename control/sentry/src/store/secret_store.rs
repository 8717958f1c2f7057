//! A bundle in a Secret of a cluster, with what is public of it in a ConfigMap of the same name, as the target keeps them. Both
//! exist before sentry does: it replaces their texts, only while nobody else has changed them, and creates and deletes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::{Watched, watch_files};
use kubernetes::{Client, Error, Resource};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{Change, Contents, FileNames, Part, Store, StoreError};

const TARGET: &str = "dapr.sentry.ca";
/// The name of both, which others of the control plane know.
const NAME: &str = "dapr-trust-bundle";
/// How often a change is tried again that somebody else came before.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);
/// What is public.
const PUBLIC: [Part; 2] = [Part::Anchors, Part::TokenKeySet];

/// A bundle in a Secret.
pub struct SecretStore {
    client: Client,
    namespace: String,
    /// What each text is called there.
    names: BTreeMap<Part, String>,
    /// Where the Secret is mounted. Nobody may watch Secrets, so this is how changes are noticed.
    mounted: Option<Mutex<Watched>>,
}

impl SecretStore {
    /// The bundle of this namespace. The names of files are those of the texts; if their folder is there, the Secret is mounted.
    ///
    /// # Errors
    /// Two texts with one name.
    pub fn open(client: Client, namespace: &str, files: &FileNames) -> Result<Self, StoreError> {
        let mut names = BTreeMap::new();
        for part in Part::ALL {
            let path = files.path(part);
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.is_empty() || names.values().any(|other| *other == name) {
                let reason = format!("two texts of the bundle, or none, are called {name:?} in the Secret {NAME}");
                return Err(StoreError(reason));
            }
            names.insert(part, name);
        }
        let paths: Vec<_> = Part::ALL.into_iter().map(|part| files.path(part)).collect();
        let mounted = watch_files(paths.iter().map(std::path::PathBuf::as_path));
        if let Err(reason) = &mounted {
            tracing::warn!(
                target: TARGET,
                "The Secret {NAME} is not mounted, and what others change in it is only seen at a restart: {reason}"
            );
        }
        Ok(Self { client, namespace: namespace.to_owned(), names, mounted: mounted.ok().map(Mutex::new) })
    }

    fn failed(&self, action: &str, kind: &str, error: &Error) -> StoreError {
        let mut told = format!("failed to {action} trust bundle {kind} {}/{NAME}: {error}", self.namespace);
        if error.is_not_found() {
            told.push_str("; it is made when the control plane is installed, and may be empty");
        }
        StoreError(told)
    }

    async fn get(&self, resource: Resource, kind: &str) -> Result<Value, StoreError> {
        let got = self.client.get::<Value>(resource, Some(&self.namespace), NAME).await;
        got.map_err(|error| self.failed("get", kind, &error))
    }

    /// Puts data into an object that was read, and replaces it; false when somebody else has changed it meanwhile.
    async fn put(
        &self,
        (resource, kind): (Resource, &str),
        mut object: Value,
        data: Map<String, Value>,
    ) -> Result<bool, StoreError> {
        let Some(fields) = object.as_object_mut() else {
            return Err(StoreError(format!("the trust bundle {kind} {}/{NAME} is no object", self.namespace)));
        };
        fields.insert("data".to_owned(), Value::Object(data));
        match self.client.replace::<Value>(resource, Some(&self.namespace), NAME, &object).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(self.failed("update", kind, &error)),
        }
    }

    fn contents(&self, secret: &Value) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        for (part, name) in &self.names {
            let Some(value) = secret.get("data").and_then(|data| data.get(name)) else { continue };
            let text = value.as_str().and_then(|text| STANDARD.decode(text).ok());
            let text = text.ok_or_else(|| StoreError(format!("{} is not in base64", self.place(*part))))?;
            contents.set(*part, text);
        }
        Ok(contents)
    }

    /// The data of an object with these texts in place of the ones that it has of them. What else is there stays.
    fn data(
        &self,
        object: &Value,
        parts: &[Part],
        contents: &Contents,
        write: fn(&[u8]) -> Value,
    ) -> Map<String, Value> {
        let mut data = object.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
        for (part, name) in self.names.iter().filter(|(part, _)| parts.contains(part)) {
            match contents.get(*part) {
                Some(text) => data.insert(name.clone(), write(text)),
                None => data.remove(name),
            };
        }
        data
    }
}

fn encoded(text: &[u8]) -> Value {
    STANDARD.encode(text).into()
}

fn plain(text: &[u8]) -> Value {
    String::from_utf8_lossy(text).into()
}

fn overtaken(kind: &str) -> StoreError {
    StoreError(format!("the trust bundle {kind} was changed by others {ATTEMPTS} times in a row"))
}

#[async_trait]
impl Store for SecretStore {
    async fn load(&self) -> Result<Contents, StoreError> {
        let secret = self.get(Resource::SECRETS, "secret").await?;
        self.contents(&secret)
    }

    async fn update(&self, mut change: Change) -> Result<Contents, StoreError> {
        for attempt in 1..=ATTEMPTS {
            let secret = self.get(Resource::SECRETS, "secret").await?;
            let old = self.contents(&secret)?;
            let Some(new) = change(&old).map_err(StoreError)? else { return Ok(old) };
            let data = self.data(&secret, &Part::ALL, &new, encoded);
            if self.put((Resource::SECRETS, "secret"), secret, data).await? {
                return Ok(new);
            }
            tracing::debug!(target: TARGET, "Somebody else has changed the Secret {NAME}: looking at it again");
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(overtaken("secret"))
    }

    async fn publish(&self, contents: &Contents) -> Result<(), StoreError> {
        for attempt in 1..=ATTEMPTS {
            let map = self.get(Resource::CONFIG_MAPS, "configmap").await?;
            let data = self.data(&map, &PUBLIC, contents, plain);
            if data == map.get("data").and_then(Value::as_object).cloned().unwrap_or_default() {
                return Ok(());
            }
            if self.put((Resource::CONFIG_MAPS, "configmap"), map, data).await? {
                tracing::info!(target: TARGET, "The trust anchors in use are in the ConfigMap {}/{NAME}", self.namespace);
                return Ok(());
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(overtaken("configmap"))
    }

    async fn changed(&self) {
        match &self.mounted {
            Some(mounted) => mounted.lock().await.changed().await,
            None => std::future::pending().await,
        }
    }

    fn place(&self, part: Part) -> String {
        let name = self.names.get(&part).map(String::as_str).unwrap_or_default();
        format!("{name} of the Secret {}/{NAME}", self.namespace)
    }
}

#[cfg(test)]
mod tests;
