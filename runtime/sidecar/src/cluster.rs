//! The way to a Kubernetes cluster that components are offered, over the process's one client of that API. Nothing is
//! connected before a Secret is asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component::cluster::{ClusterSecrets, FindCluster, SecretData};
use component::{Cluster, Error, ErrorKind, Retry};
use kubernetes::{Client, Config, Object, Resource, Selection};
use serde::Deserialize;
use service::{Environment, Tasks};

/// The way for the components of a sidecar.
pub(crate) fn cluster(environment: &Environment, tasks: &Tasks) -> Cluster {
    Cluster::new(Arc::new(Finder { environment: environment.clone(), tasks: tasks.clone() }))
}

struct Finder {
    environment: Environment,
    tasks: Tasks,
}

#[async_trait::async_trait]
impl FindCluster for Finder {
    async fn secrets(&self, kubeconfig: Option<&str>) -> Result<Arc<dyn ClusterSecrets>, Error> {
        let config = Config::find(&self.environment, kubeconfig.map(Path::new)).await;
        let config = config.map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()))?;
        Ok(Arc::new(Secrets { client: Client::new(config, &self.tasks) }))
    }
}

struct Secrets {
    client: Client,
}

/// What is read of a Secret.
#[derive(Deserialize)]
struct Held {
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

impl Held {
    /// The texts are Base64. One that is not is told by its key alone.
    fn decode(self) -> Result<SecretData, Error> {
        let pairs = self.data.unwrap_or_default().into_iter().map(|(key, text)| {
            let value = STANDARD.decode(text).map_err(|_| {
                Error::new(ErrorKind::Internal, format!("the key {key} of a Kubernetes Secret is not Base64"))
            })?;
            Ok((key, Bytes::from(value)))
        });
        pairs.collect()
    }
}

#[async_trait::async_trait]
impl ClusterSecrets for Secrets {
    async fn get(&self, namespace: &str, name: &str) -> Result<SecretData, Error> {
        let held: Held = self.client.get(Resource::SECRETS, Some(namespace), name).await.map_err(failure)?;
        held.decode()
    }

    async fn get_all(&self, namespace: &str) -> Result<BTreeMap<String, SecretData>, Error> {
        let selection = Selection { namespace: Some(namespace.to_owned()), ..Selection::all(Resource::SECRETS) };
        let objects = self.client.list(&selection).await.map_err(failure)?;
        objects.iter().map(read).collect()
    }
}

fn read(object: &Object) -> Result<(String, SecretData), Error> {
    let held: Held = object.read().map_err(failure)?;
    Ok((object.key.name.to_string(), held.decode()?))
}

fn failure(error: kubernetes::Error) -> Error {
    let kind = match &error {
        _ if error.is_not_found() => ErrorKind::NotFound,
        _ if error.is_forbidden() || error.is_unauthorized() => ErrorKind::PermissionDenied,
        kubernetes::Error::Name(_) => ErrorKind::InvalidArgument,
        kubernetes::Error::Credentials(_) => ErrorKind::PermissionDenied,
        kubernetes::Error::Unreachable(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    // Reading changes nothing, so it may be done again.
    let retry = if kind == ErrorKind::Unavailable { Retry::NotProcessed } else { Retry::Never };
    Error::new(kind, error.to_string()).with_retry(retry)
}
