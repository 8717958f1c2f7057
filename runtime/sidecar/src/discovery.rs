//! Which name resolver this sidecar uses, and making itself known through it.

use std::sync::Arc;

use async_trait::async_trait;
use component::resolver::{
    Configuration as ResolverConfiguration, Error, Instance, ResolveRequest, Resolved, Resolver,
};
use resources::Configuration;
use service::Tasks;

const MDNS: &str = "mdns";

/// The resolver of the Configuration. As in the target, one that cannot be made stops nothing but lookups: they fail with the
/// reason.
pub(crate) async fn resolver(configuration: &Configuration) -> (Arc<dyn Resolver>, String) {
    let wanted = configuration.spec.name_resolution.clone().unwrap_or_default();
    let name = if wanted.component.is_empty() { MDNS.to_owned() } else { wanted.component.to_lowercase() };
    match make(&name, wanted.configuration.as_ref()).await {
        Ok(resolver) => (resolver, name),
        Err(error) => {
            let reason = format!("[INIT_COMPONENT_FAILURE]: initialization error occurred for nr ({name}/v1): {error}");
            tracing::error!(target: "dapr.runtime", "{reason}");
            (Arc::new(Broken(reason)), name)
        }
    }
}

async fn make(name: &str, settings: Option<&serde_json::Value>) -> Result<Arc<dyn Resolver>, Error> {
    let settings = match settings {
        Some(settings) => ResolverConfiguration::from_value(settings)?,
        None => ResolverConfiguration::from_pairs(Vec::<(String, String)>::new()),
    };
    components::resolver(name, &settings).await
}

/// Makes this sidecar known in the background: others wait for it, its own app does not.
pub(crate) fn register(resolver: Arc<dyn Resolver>, name: String, instance: Instance, tasks: &Tasks) {
    tasks.spawn("name registration", async move {
        match resolver.register(&instance).await {
            Ok(()) => tracing::info!(target: "dapr.runtime", "Initialized name resolution to {name}"),
            Err(error) => tracing::error!(
                target: "dapr.runtime",
                "[INIT_COMPONENT_FAILURE]: initialization error occurred for nr ({name}/v1): {error}"
            ),
        }
    });
}

/// A resolver that could not be made.
struct Broken(String);

#[async_trait]
impl Resolver for Broken {
    async fn register(&self, _: &Instance) -> Result<(), Error> {
        Err(Error::Unavailable(self.0.clone()))
    }

    async fn resolve(&self, _: &ResolveRequest) -> Result<Resolved, Error> {
        Err(Error::Unavailable(self.0.clone()))
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
