//! The resources of a sidecar as they were found in its folders. Made by `run`; what this build does not act on is told here.

use crate::providers;
use crate::run::Fatal;

/// What was found in the folders.
pub(crate) struct Found {
    pub(crate) components: Result<Vec<resources::Component>, resources::Error>,
    pub(crate) http_endpoints: Result<Vec<resources::HttpEndpoint>, resources::Error>,
    pub(crate) subscriptions: Vec<resources::Subscription>,
    pub(crate) names: providers::Names,
}

impl Found {
    /// Kinds whose runtime is not built yet are known and told, not ignored.
    pub(crate) fn from(loaded: resources::Loaded) -> Result<Self, Fatal> {
        use resources::Resource as _;
        let fatal = |error: resources::Error| Fatal::new(format!("failed to load resources from disk: {error}"));
        let policies = loaded.workflow_access_policies.map_err(fatal)?;
        let servers = loaded.mcp_servers.map_err(fatal)?;
        let unused: [(&str, usize); 3] = [
            ("Resiliency", loaded.resiliencies.len()),
            ("MCPServer", servers.len()),
            ("WorkflowAccessPolicy", policies.len()),
        ];
        for (kind, count) in unused.iter().filter(|(_, count)| *count > 0) {
            tracing::warn!(
                target: "dapr.runtime",
                "{count} {kind} resource(s) found: this build reads them, but does not act on them yet"
            );
        }
        let names = providers::Names {
            resiliencies: loaded.resiliencies.iter().map(|resource| resource.name().to_owned()).collect(),
            workflow_access_policies: policies.iter().map(|resource| resource.name().to_owned()).collect(),
        };
        let (components, http_endpoints) = (loaded.components, loaded.http_endpoints);
        Ok(Self { components, http_endpoints, subscriptions: loaded.subscriptions, names })
    }
}
