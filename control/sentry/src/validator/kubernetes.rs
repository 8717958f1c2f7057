//! The validator that asks the API server of a cluster whose token it is: a service account's, for sentry, bound to a pod. What
//! the pod says decides the identity: its annotations name the app, and the Configuration that names the trust domain.

mod pod;
mod review;

use std::sync::Arc;

use async_trait::async_trait;
use kubernetes::{Client, Error, Key, Mirror, Object, Resource, Selection};
use security::{SpiffeId, TrustDomain};
use serde::Deserialize;
use service::{HealthTarget, Shutdown, Tasks};
use wire::sentry::SignCertificateRequest;

use self::pod::Pod;
use self::review::{Bound, Reviewed};
use super::{PUBLIC, Refusal, Validated, Validator, check};

const TARGET: &str = "dapr.sentry.identity.kubernetes";

/// Asks the API server.
pub struct Kubernetes {
    client: Client,
    sentry: SpiffeId,
    pods: Mirror<Option<Arc<Pod>>>,
    trust_domains: Mirror<Named>,
}

/// The trust domain that a Configuration names, if it can be read and does.
type Named = Result<Option<Arc<str>>, Unreadable>;

/// A Configuration that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unreadable;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    access_control: Option<AccessControl>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AccessControl {
    trust_domain: Option<String>,
}

impl Configuration {
    fn trust_domain(self) -> Option<Arc<str>> {
        let named = self.spec?.access_control?.trust_domain?;
        (!named.is_empty()).then(|| named.into())
    }
}

impl Kubernetes {
    /// Accepts tokens for `sentry`, whose namespace is that of the control plane. Pods and Configurations of the whole cluster are
    /// followed in the background; `health` is not ready before all are known.
    pub fn start(client: &Client, sentry: SpiffeId, health: HealthTarget, shutdown: &Shutdown, tasks: &Tasks) -> Self {
        let select = |resource| (client.clone(), Selection::all(resource));
        let ((pods, all_pods), (configurations, all)) = (select(Resource::PODS), select(Resource::CONFIGURATIONS));
        let known_pod = |object: &Object| match object.read::<pod::Described>() {
            Ok(described) => Some(Arc::new(Pod::from(described))),
            Err(error) => {
                tracing::error!(target: TARGET, "The pod {} cannot be read: {error}", object.key);
                None
            }
        };
        let known_domain = |object: &Object| match object.read::<Configuration>() {
            Ok(configuration) => Ok(configuration.trust_domain()),
            Err(error) => {
                tracing::error!(target: TARGET, "The Configuration {} cannot be read: {error}", object.key);
                Err(Unreadable)
            }
        };
        let started = Self {
            client: client.clone(),
            sentry,
            pods: Mirror::start(pods, all_pods, known_pod, shutdown.clone(), tasks),
            trust_domains: Mirror::start(configurations, all, known_domain, shutdown.clone(), tasks),
        };
        let (pods, trust_domains, stop) = (started.pods.clone(), started.trust_domains.clone(), shutdown.clone());
        tasks.spawn("kubernetes validator", async move {
            tokio::select! {
                () = stop.requested() => return,
                () = async { tokio::join!(pods.complete(), trust_domains.complete()); } => health.ready(),
            }
            stop.requested().await;
            health.not_ready();
        });
        started
    }

    /// The pod of a token. One that is not known yet, or has been replaced by another of its name, is asked for.
    async fn pod(&self, namespace: &str, bound: &Bound) -> Result<Arc<Pod>, Refusal> {
        let is_it = |pod: &Pod| bound.uid.is_empty() || pod.uid.is_empty() || pod.uid == bound.uid;
        let known = self.pods.get(&Key::new(namespace, &bound.name)).flatten();
        if let Some(pod) = known.filter(|pod| is_it(pod)) {
            return Ok(pod);
        }
        let failed = |reason: &dyn std::fmt::Display| {
            tracing::error!(
                target: TARGET,
                "Failed to get pod {namespace}/{} for requested identity: {reason}",
                bound.name
            );
            Refusal("failed to get pod of identity".to_owned())
        };
        let described = self.client.get::<pod::Described>(Resource::PODS, Some(namespace), &bound.name).await;
        let pod = described.map(Pod::from).map_err(|error| failed(&error))?;
        if !is_it(&pod) {
            return Err(failed(&"the token is that of an earlier pod of this name"));
        }
        Ok(Arc::new(pod))
    }

    /// The trust domain that a Configuration names.
    async fn trust_domain(&self, namespace: &str, name: &str) -> Result<TrustDomain, Refusal> {
        let failed = |reason: &dyn std::fmt::Display| {
            tracing::error!(target: TARGET, "Failed to get configuration \"{name}\": {reason}");
            Refusal("failed to get configuration".to_owned())
        };
        let named = match self.trust_domains.get(&Key::new(namespace, name)) {
            Some(known) => known.map_err(|Unreadable| failed(&"it cannot be read"))?,
            None => {
                let asked = self.client.get::<Configuration>(Resource::CONFIGURATIONS, Some(namespace), name).await;
                asked.map_err(|error: Error| failed(&error))?.trust_domain()
            }
        };
        let named = named.as_deref().unwrap_or(PUBLIC);
        TrustDomain::parse(named)
            .map_err(|error| Refusal(format!("failed to parse trust domain {}: {error}", telemetry::quote(named))))
    }

    async fn judge(&self, request: &SignCertificateRequest) -> Result<Validated, Refusal> {
        let Reviewed { namespace, account, bound } = review::review(&self.client, &request.token, &self.sentry).await?;
        let pod = self.pod(&namespace, &bound).await?;
        if namespace != request.namespace {
            return Err(Refusal(format!("namespace mismatch; received namespace: {}", request.namespace)));
        }
        let whom = || format!("{namespace}/{}", bound.name);
        if pod.service_account != account {
            tracing::error!(target: TARGET, "Service account on pod {} does not match token", whom());
            return Err(Refusal("pod service account mismatch".to_owned()));
        }
        let expected = pod.identity(&namespace, &bound.name, self.sentry.namespace()).map_err(|reason| {
            tracing::error!(target: TARGET, "Failed to get expected ID for pod {}: {reason}", whom());
            Refusal(reason)
        })?;
        if expected.id != request.id {
            return Err(Refusal(format!("app-id mismatch. expected: {}, received: {}", expected.id, request.id)));
        }
        let trust_domain = if expected.is_control_plane {
            TrustDomain::parse(self.sentry.trust_domain()).map_err(|error| Refusal(error.to_string()))?
        } else if let Some(configuration) = &pod.configuration {
            self.trust_domain(&namespace, configuration).await?
        } else {
            TrustDomain::parse(PUBLIC).map_err(|error| Refusal(error.to_string()))?
        };
        Ok(Validated { trust_domain, images: pod.images.clone() })
    }
}

#[async_trait]
impl Validator for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    async fn validate(&self, request: &SignCertificateRequest) -> Result<Validated, Refusal> {
        if !self.pods.is_complete() || !self.trust_domains.is_complete() {
            return Err(Refusal("validator not ready".to_owned()));
        }
        // The trust domain that is asked for does not count: the Configuration says it.
        check(request)?;
        self.judge(request).await
    }
}

#[cfg(test)]
mod tests;
