//! `secretstores.local.env`: secrets out of the environment variables of the sidecar. Called by the loader and, through
//! `loaded`, by the secrets block. What is the runtime's own (its settings and tokens) it must never hand out.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use component::secrets::{Secret, SecretStore};
use component::{Backend, CallContext, Constructing, Error, Metadata, Settings, Setup, Variables};

const LOG_NAME: &str = "secretstores.local.env";
/// The token of the app, which is not called like the runtime's own.
const APP_TOKEN: &str = "APP_API_TOKEN";
/// What begins the names of the runtime's own variables.
const OWN: &str = "DAPR_";

/// The metadata of `secretstores.local.env`.
#[derive(Settings)]
pub(crate) struct LocalEnvSettings {
    /// What begins the names of the variables that are secrets; secrets are named without it. Without a prefix, every
    /// variable is a secret.
    prefix: String,
}

struct LocalEnv {
    prefix: String,
    variables: Variables,
}

/// Takes the variables of the host.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn SecretStore> {
    Box::pin(async move {
        let settings = LocalEnvSettings::parse(&setup.properties)?;
        let store: Arc<dyn SecretStore> =
            Arc::new(LocalEnv { prefix: settings.prefix, variables: setup.host.variables });
        Ok(store)
    })
}

/// Whether a variable may be handed out, by its whole name in any case.
fn is_allowed(variable: &str) -> bool {
    let name = variable.to_uppercase();
    name != APP_TOKEN && !name.starts_with(OWN)
}

fn single(name: &str, value: &str) -> Secret {
    Secret(BTreeMap::from([(name.to_owned(), value.to_owned())]))
}

impl Backend for LocalEnv {}

#[async_trait]
impl SecretStore for LocalEnv {
    /// As in the target, a variable that is not set, or may not be handed out, is an empty secret.
    async fn get(&self, _: &CallContext, name: &str, _: &Metadata) -> Result<Secret, Error> {
        let variable = format!("{}{name}", self.prefix);
        if !is_allowed(&variable) {
            tracing::warn!(target: "dapr.contrib", component = LOG_NAME, "Access to env var {name} is forbidden");
            return Ok(single(name, ""));
        }
        Ok(single(name, self.variables.get(&variable).unwrap_or("")))
    }

    async fn get_all(&self, _: &CallContext, _: &Metadata) -> Result<BTreeMap<String, Secret>, Error> {
        let named =
            self.variables.iter().filter(|(variable, _)| is_allowed(variable)).filter_map(|(variable, value)| {
                let name = variable.strip_prefix(self.prefix.as_str()).filter(|name| !name.is_empty())?;
                Some((name.to_owned(), single(name, value)))
            });
        Ok(named.collect())
    }
}

#[cfg(test)]
mod tests {
    use component::{Host, Tasks};

    use super::*;

    const VARIABLES: &[(&str, &str)] = &[
        ("APP_API_TOKEN", "hunter2"),
        ("DAPR_API_TOKEN", "hunter2"),
        ("dapr_http_port", "hunter2"),
        ("App_Api_Token", "hunter2"),
        ("MY_", "named like the prefix"),
        ("MY_KEY", "1"),
        ("my_key", "2"),
        ("MY_DAPR_KEY", "3"),
        ("EMPTY", ""),
    ];

    async fn store(prefix: &str) -> Arc<dyn SecretStore> {
        let host =
            Host { variables: VARIABLES.iter().copied().collect(), ..Host::new("app", "", Tasks::new(|_, _| ())) };
        let properties = [("Prefix", prefix)].into_iter().collect();
        construct(Setup { name: "env".to_owned(), properties, host }).await.unwrap()
    }

    async fn get(store: &dyn SecretStore, name: &str) -> String {
        let secret = store.get(&CallContext::default(), name, &Metadata::new()).await.unwrap();
        assert_eq!(secret.0.keys().collect::<Vec<_>>(), [name]);
        secret.0.into_values().next().unwrap()
    }

    async fn names(store: &dyn SecretStore) -> Vec<String> {
        let all = store.get_all(&CallContext::default(), &Metadata::new()).await.unwrap();
        for (name, secret) in &all {
            assert_eq!(secret.0[name], get(store, name).await, "{name} in bulk and alone");
        }
        all.into_keys().collect()
    }

    #[tokio::test]
    async fn variables_are_secrets_by_their_exact_names() {
        let store = store("").await;
        assert_eq!(names(&*store).await, ["EMPTY", "MY_", "MY_DAPR_KEY", "MY_KEY", "my_key"]);
        assert_eq!(get(&*store, "MY_KEY").await, "1");
        assert_eq!(get(&*store, "My_Key").await, "");
        assert!(store.capabilities().is_empty());
    }

    #[tokio::test]
    async fn a_prefix_chooses_variables_and_is_left_out_of_names() {
        let store = store("MY_").await;
        assert_eq!(names(&*store).await, ["DAPR_KEY", "KEY"]);
        assert_eq!(get(&*store, "KEY").await, "1");
        assert_eq!(get(&*store, "MY_KEY").await, "");
    }

    #[tokio::test]
    async fn what_is_the_runtimes_own_is_never_handed_out() {
        for (prefix, name) in [
            ("", "APP_API_TOKEN"),
            ("", "App_Api_Token"),
            ("", "DAPR_API_TOKEN"),
            ("", "dapr_http_port"),
            ("APP_", "API_TOKEN"),
            ("DAPR", "_API_TOKEN"),
            ("dapr_", "http_port"),
        ] {
            let store = store(prefix).await;
            assert_eq!(get(&*store, name).await, "", "{prefix}{name}");
            assert!(!names(&*store).await.contains(&name.to_owned()), "{prefix}{name}");
        }
    }
}
