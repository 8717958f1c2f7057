//! An API server, and a client of it.

use std::path::Path;

use kubernetes::{Client, Config};
use serde_json::{Value, json};
use service::{Environment, Shutdown, Tasks};
use testkit::KubernetesApi;

pub(crate) const PODS: &str = "/api/v1/pods";

pub(crate) struct Cluster {
    pub(crate) api: KubernetesApi,
    pub(crate) client: Client,
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::of(KubernetesApi::start().await).await
    }

    pub(crate) async fn of(api: KubernetesApi) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = api.kubeconfig(folder.path());
        let (client, tasks) = client(&path).await;
        Self { api, client, tasks, shutdown: Shutdown::new(), _folder: folder }
    }
}

pub(crate) async fn client(kubeconfig: &Path) -> (Client, Tasks) {
    let tasks = Tasks::new();
    let config = Config::find(&Environment::default(), Some(kubeconfig)).await.unwrap();
    (Client::new(config, &tasks), tasks)
}

pub(crate) fn pod(namespace: &str, name: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"serviceAccountName": "default"}})
}
