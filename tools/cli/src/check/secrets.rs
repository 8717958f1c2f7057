//! The secret stores among the resources, as far as they can be asked without connecting to anything.

use std::collections::HashMap;
use std::sync::Arc;

use component::secrets::SecretStore;
use component::{CallContext, Constructor, Family, Host, Metadata, Properties, Registry, Setup, Tasks};
use resources::{Component, Found, Resource as _, SecretKeyRef, Survey};
use service::Environment;

/// What begins the types of stores that read a file or the environment.
const LOCAL: &str = "secretstores.local.";

/// The secret stores by name.
pub(super) struct Stores(HashMap<String, Known>);

enum Known {
    /// It can be asked.
    Open(Arc<dyn SecretStore>),
    /// It is there, but to ask it would mean to connect, or it cannot be opened.
    Closed,
    /// A component of another family has the name.
    Other(String),
}

/// What is known of a secret that a resource refers to.
pub(super) enum Answer {
    /// Its value.
    Value(String),
    /// It may be there.
    Unknown,
    /// It is not; the sentence says why.
    Missing(String),
}

impl Stores {
    /// Finds the stores, and opens those that are local.
    pub(super) async fn find(survey: &Survey, registry: &Registry, environment: &Environment) -> Self {
        let mut stores = HashMap::new();
        for found in &survey.components {
            let component = &found.resource;
            let family = Family::of(&component.spec.r#type);
            let known = match family {
                Some(Family::SecretStores) => {
                    open(found, registry, environment).await.map_or(Known::Closed, Known::Open)
                }
                _ => Known::Other(component.spec.r#type.clone()),
            };
            let name = component.name().to_owned();
            match (stores.get(&name), &known) {
                (Some(Known::Open(_) | Known::Closed), Known::Other(_)) => {}
                _ => drop(stores.insert(name, known)),
            }
        }
        Self(stores)
    }

    /// Looks a secret up for a resource whose `auth.secretStore` is `store`.
    pub(super) async fn look_up(&self, store: &str, reference: &SecretKeyRef) -> Answer {
        let name = &reference.name;
        if store.is_empty() {
            let why = format!("the secret {name:?} cannot be looked up: auth.secretStore names no secret store");
            return Answer::Missing(why);
        }
        match self.0.get(store) {
            None => Answer::Missing(format!(
                "the secret {name:?} cannot be looked up: there is no secret store {store:?} among these resources"
            )),
            Some(Known::Other(kind)) => Answer::Missing(format!(
                "the secret {name:?} cannot be looked up: {store:?} is a {kind}, not a secret store"
            )),
            Some(Known::Closed) => Answer::Unknown,
            Some(Known::Open(open)) => {
                let key = reference.key_or_name();
                match open.get(&CallContext::default(), name, &Metadata::new()).await {
                    Ok(secret) => match secret.0.get(key).filter(|value| !value.is_empty()) {
                        Some(value) => Answer::Value(value.clone()),
                        None => Answer::Missing(format!(
                            "the secret store {store} has no key {key:?} in the secret {name:?}"
                        )),
                    },
                    Err(_) => Answer::Missing(format!("the secret store {store} has no secret {name:?}")),
                }
            }
        }
    }
}

async fn open(
    found: &Found<Component>,
    registry: &Registry,
    environment: &Environment,
) -> Option<Arc<dyn SecretStore>> {
    let mut component = found.resource.clone();
    if !component.spec.r#type.to_lowercase().starts_with(LOCAL) {
        return None;
    }
    resources::resolve_environment(&mut component, &|name| environment.get(name).map(str::to_owned));
    let registration = registry.find(&component.spec.r#type, &component.spec.version).ok()?;
    let Constructor::SecretStore(make) = registration.constructor else { return None };
    let properties: Properties = component.spec.metadata.iter().map(|item| (item.name.clone(), item.text())).collect();
    let variables = environment.iter().collect();
    let host = Host { variables, ..Host::new("", "", Tasks::new(|_, _| ())) };
    make(Setup { name: component.name().to_owned(), properties, host }).await.ok()
}
