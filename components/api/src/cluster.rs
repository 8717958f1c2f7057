//! What backends read from a Kubernetes cluster. Given to them by `sidecar` in their [`crate::Host`], over the one client of
//! that API; a backend must not bring one of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, ErrorKind};

/// The data of one Secret.
pub type SecretData = BTreeMap<String, Bytes>;

/// The Secrets of one cluster.
#[async_trait]
pub trait ClusterSecrets: Send + Sync + 'static {
    /// The data of a Secret. One that is not there is an error of kind `NotFound`.
    async fn get(&self, namespace: &str, name: &str) -> Result<SecretData, Error>;

    /// The data of every Secret of a namespace, by name.
    async fn get_all(&self, namespace: &str) -> Result<BTreeMap<String, SecretData>, Error>;
}

/// Finds clusters. Implemented by `sidecar`.
#[async_trait]
pub trait FindCluster: Send + Sync + 'static {
    /// The Secrets of the cluster that a kubeconfig file means, or, without one, of the cluster that the process is in or
    /// that the user's kubeconfig means. Nothing is asked of the cluster yet.
    async fn secrets(&self, kubeconfig: Option<&str>) -> Result<Arc<dyn ClusterSecrets>, Error>;
}

/// A way to the cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster(Arc<dyn FindCluster>);

struct Nowhere;

#[async_trait]
impl FindCluster for Nowhere {
    async fn secrets(&self, _: Option<&str>) -> Result<Arc<dyn ClusterSecrets>, Error> {
        Err(Error::new(ErrorKind::NotSupported, "there is no way to a Kubernetes cluster here"))
    }
}

impl Cluster {
    /// A way that `find` knows.
    pub fn new(find: Arc<dyn FindCluster>) -> Self {
        Self(find)
    }

    /// No way to any cluster.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Nowhere))
    }

    /// The Secrets of the cluster that a kubeconfig file means, or, without one, of the cluster that the process is in or
    /// that the user's kubeconfig means. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// When there is no such file, or no cluster at all.
    pub async fn secrets(&self, kubeconfig: Option<&str>) -> Result<Arc<dyn ClusterSecrets>, Error> {
        self.0.secrets(kubeconfig).await
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cluster")
    }
}
