//! Sentry's connection to its cluster, its Configuration there, and how names inside the cluster end. Called once at start, in
//! Kubernetes mode only.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use kubernetes::{Client, Config, Error, Resource};
use resources::{Configuration, parse_resource};
use serde_json::Value;
use service::{Environment, Tasks};

use crate::options::InCluster;

const TARGET: &str = "dapr.sentry";
/// How often an API server is asked that cannot be reached: the network of a pod can come later than the pod.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);
/// What the resolver of this machine is told.
const RESOLVER: &str = "/etc/resolv.conf";

/// The cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// The namespace of the control plane.
    pub(crate) namespace: String,
}

impl Cluster {
    /// Finds out how to reach it. Nothing is sent yet.
    pub(crate) async fn find(options: &InCluster, environment: &Environment, tasks: &Tasks) -> Result<Self, String> {
        let config =
            Config::find(environment, options.kubeconfig.as_deref()).await.map_err(|error| error.to_string())?;
        tracing::info!(target: TARGET, "Using the Kubernetes API at {} as {} says", config.server(), config.origin());
        Ok(Self { client: Client::new(config, tasks), namespace: options.namespace.clone() })
    }

    /// Reads a Configuration, of the own namespace and no other.
    pub(crate) async fn configuration(&self, name: &str) -> Result<Configuration, String> {
        let get = || self.client.get::<Value>(Resource::CONFIGURATIONS, Some(&self.namespace), name);
        let found = patiently(get).await.map_err(|error| match error.is_not_found() {
            true => format!("config CRD not found: there is no Configuration {}/{name}", self.namespace),
            false => error.to_string(),
        })?;
        parse_resource(&found.to_string()).map_err(|problem| problem.to_string())
    }
}

/// Asks again while the API server cannot be reached, for a while.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    for attempt in 1..ATTEMPTS {
        match ask().await {
            Err(error @ Error::Unreachable(_)) => {
                tracing::warn!(target: TARGET, "{error}; attempt {attempt} of {ATTEMPTS}");
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// How names inside the cluster end, as the resolver of a pod is told: it searches `svc.<domain>`.
pub(crate) async fn domain() -> Option<String> {
    let text = tokio::fs::read_to_string(Path::new(RESOLVER)).await.ok()?;
    searched_domain(&text)
}

fn searched_domain(text: &str) -> Option<String> {
    // Of several lines the last one counts (resolv.conf(5)).
    let last = text.lines().rev().find_map(|line| {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        (words.next() == Some("search")).then(|| words.collect::<Vec<_>>())
    });
    let domain = last?.into_iter().find_map(|entry| entry.strip_prefix("svc."))?.trim_end_matches('.');
    (!domain.is_empty()).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_a_cluster_is_what_its_pods_search() {
        let text = "nameserver 10.96.0.10\nsearch dapr-system.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n";
        assert_eq!(searched_domain(text).as_deref(), Some("cluster.local"));
        let last = "search svc.first\n# search svc.comment\n  search a.svc.my.domain. svc.my.domain. # svc.no\n";
        assert_eq!(searched_domain(last).as_deref(), Some("my.domain"));
    }

    #[test]
    fn a_machine_outside_has_none() {
        assert_eq!(searched_domain("search home lan\n"), None);
        assert_eq!(searched_domain("search svc.\n"), None);
        assert_eq!(searched_domain(""), None);
    }
}
