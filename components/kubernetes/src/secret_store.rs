//! `secretstores.kubernetes`: the Secrets of a cluster. Called by the loader and, through `loaded`, by the secrets block; it
//! must not show a value in an error or a log line.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use component::cluster::{ClusterSecrets, SecretData};
use component::secrets::{Secret, SecretStore};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Metadata, Settings, Setup};

/// The metadata of a request that names the namespace.
const NAMESPACE: &str = "namespace";
/// The variable that names the namespace of the pod.
const NAMESPACE_VARIABLE: &str = "NAMESPACE";

/// The metadata of `secretstores.kubernetes`.
#[derive(Settings)]
pub(crate) struct KubernetesSettings {
    /// Namespace of the Secrets where neither the request nor the variable `NAMESPACE` names one.
    default_namespace: String,
    /// Path of a kubeconfig file. Without it, the cluster is the one the process runs in, else the one of the user's
    /// kubeconfig.
    kubeconfig_path: String,
}

struct KubernetesSecrets {
    secrets: Arc<dyn ClusterSecrets>,
    /// The namespace where a request names none.
    namespace: Option<String>,
}

/// Finds the cluster. It is not asked anything yet.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn SecretStore> {
    Box::pin(async move {
        let settings = KubernetesSettings::parse(&setup.properties)?;
        let kubeconfig = Some(settings.kubeconfig_path.as_str()).filter(|path| !path.is_empty());
        let secrets = setup.host.cluster.secrets(kubeconfig).await?;
        let of_the_pod = setup.host.variables.get(NAMESPACE_VARIABLE).map(str::to_owned);
        let namespace = of_the_pod.into_iter().chain([settings.default_namespace]).find(|name| !name.is_empty());
        let store: Arc<dyn SecretStore> = Arc::new(KubernetesSecrets { secrets, namespace });
        Ok(store)
    })
}

impl KubernetesSecrets {
    fn namespace<'a>(&'a self, metadata: &'a Metadata) -> Result<&'a str, Error> {
        let asked = metadata.get(NAMESPACE).map(String::as_str).filter(|name| !name.is_empty());
        asked.or(self.namespace.as_deref()).ok_or_else(|| {
            let missing =
                "namespace is missing on metadata and NAMESPACE env variable, and no default namespace is set";
            Error::new(ErrorKind::InvalidArgument, missing)
        })
    }
}

/// Bytes that are no UTF-8 are shown as U+FFFD, as the target's JSON has them.
fn secret(data: SecretData) -> Secret {
    Secret(data.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned())).collect())
}

impl Backend for KubernetesSecrets {}

#[async_trait]
impl SecretStore for KubernetesSecrets {
    async fn get(&self, _: &CallContext, name: &str, metadata: &Metadata) -> Result<Secret, Error> {
        self.secrets.get(self.namespace(metadata)?, name).await.map(secret)
    }

    async fn get_all(&self, _: &CallContext, metadata: &Metadata) -> Result<BTreeMap<String, Secret>, Error> {
        let all = self.secrets.get_all(self.namespace(metadata)?).await?;
        Ok(all.into_iter().map(|(name, data)| (name, secret(data))).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use component::cluster::FindCluster;
    use component::{Cluster, Host, Tasks};

    use super::*;

    /// A cluster whose Secrets are called after what was asked.
    struct Echo;

    #[async_trait]
    impl ClusterSecrets for Echo {
        async fn get(&self, namespace: &str, name: &str) -> Result<SecretData, Error> {
            Ok(SecretData::from([(format!("{namespace}/{name}"), Bytes::from_static(b"a\xff"))]))
        }

        async fn get_all(&self, namespace: &str) -> Result<BTreeMap<String, SecretData>, Error> {
            Ok(BTreeMap::from([("one".to_owned(), self.get(namespace, "one").await?)]))
        }
    }

    #[async_trait]
    impl FindCluster for Echo {
        async fn secrets(&self, kubeconfig: Option<&str>) -> Result<Arc<dyn ClusterSecrets>, Error> {
            assert_eq!(kubeconfig, None);
            Ok(Arc::new(Echo))
        }
    }

    async fn store(pairs: &[(&str, &str)], variables: &[(&str, &str)]) -> Arc<dyn SecretStore> {
        let host = Host {
            cluster: Cluster::new(Arc::new(Echo)),
            variables: variables.iter().copied().collect(),
            ..Host::new("app", "", Tasks::new(|_, _| ()))
        };
        let properties = pairs.iter().copied().collect();
        construct(Setup { name: "kubernetes".to_owned(), properties, host }).await.unwrap()
    }

    async fn asked(store: &dyn SecretStore, metadata: &[(&str, &str)]) -> Result<String, String> {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let got = store.get(&CallContext::default(), "name", &metadata).await;
        let all = store.get_all(&CallContext::default(), &metadata).await;
        assert_eq!(got.is_ok(), all.is_ok());
        let secret = got.map_err(|error| error.to_string())?;
        assert_eq!(secret.0.values().collect::<Vec<_>>(), ["a\u{fffd}"]);
        Ok(secret.0.into_keys().next().unwrap())
    }

    #[tokio::test]
    async fn the_namespace_is_the_requests_then_the_pods_then_the_default() {
        let (default, pod) = ([("DefaultNamespace", "default")], [("NAMESPACE", "pod")]);
        let all = store(&default, &pod).await;
        assert_eq!(asked(&*all, &[("namespace", "mine")]).await.unwrap(), "mine/name");
        assert_eq!(asked(&*all, &[("namespace", "")]).await.unwrap(), "pod/name");
        assert_eq!(asked(&*store(&default, &[]).await, &[]).await.unwrap(), "default/name");
        let error = asked(&*store(&[], &[("NAMESPACE", "")]).await, &[]).await.unwrap_err();
        assert!(error.starts_with("namespace is missing on metadata"), "{error}");
    }

    #[tokio::test]
    async fn without_a_cluster_it_cannot_be_made() {
        let host = Host::new("app", "", Tasks::new(|_, _| ()));
        let setup = Setup { name: "kubernetes".to_owned(), properties: [("a", "b")].into_iter().collect(), host };
        let error = construct(setup).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    }
}
