//! Puts secrets in the place of `secretKeyRef`. Used by the loader for components, and by `sidecar` for other resources
//! that hold such references.

use std::collections::HashMap;

use component::secrets::Secret;
use component::{CallContext, Error, Metadata, MetadataItem, Properties};

use crate::LoadedComponents;

/// The resource whose references are resolved.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Kind of the resource, such as `Component`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace, which secret stores are told; may be empty.
    pub namespace: &'a str,
    /// Name of the secret store its references mean; may be empty.
    pub secret_store: &'a str,
}

/// What came of resolving.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolved {
    /// All values as they are to be used.
    Ready(Properties),
    /// The secret store is not loaded: try again when it is.
    Waiting,
}

/// Resolves the references of a resource. As in the target, a secret that cannot be read or has no such key leaves the
/// value as it was written; the log says so.
pub async fn resolve(
    components: &LoadedComponents,
    owner: Owner<'_>,
    items: &[MetadataItem],
    context: &CallContext,
) -> Resolved {
    let mut known: HashMap<&str, Secret> = HashMap::new();
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let mut value = item.value.clone();
        if let Some(reference) = item.secret.as_ref().filter(|reference| !reference.name.is_empty()) {
            let Some(store) = components.secret_store(owner.secret_store) else {
                tracing::warn!(
                    target: "dapr.runtime.processor.secret",
                    "{} {} references a secret store that isn't loaded: {}",
                    owner.kind, owner.name, owner.secret_store
                );
                return Resolved::Waiting;
            };
            if !known.contains_key(reference.name.as_str()) {
                match fetch(&store, owner, &reference.name, context).await {
                    Ok(secret) => drop(known.insert(&reference.name, secret)),
                    Err(error) => {
                        tracing::error!(target: "dapr.runtime.processor.secret", "Error getting secret: {error}");
                    }
                }
            }
            let key = if reference.key.is_empty() { &reference.name } else { &reference.key };
            let secret = known.get(reference.name.as_str()).and_then(|secret| secret.0.get(key));
            if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
                value.clone_from(secret);
            }
        }
        values.push((item.name.clone(), value));
    }
    Resolved::Ready(values.into_iter().collect())
}

/// The values that came from secrets, to be kept out of what is told.
pub(crate) struct Hidden(Vec<String>);

/// Shorter values are no secrets, and hiding them would tear holes into every text.
const SHORTEST: usize = 3;

impl Hidden {
    /// The values of the items that refer to a secret.
    pub(crate) fn of(items: &[MetadataItem], properties: &Properties) -> Self {
        let refers = |item: &&MetadataItem| item.secret.as_ref().is_some_and(|reference| !reference.name.is_empty());
        let values = items.iter().filter(refers).filter_map(|item| properties.get(&item.name));
        let mut values: Vec<String> = values.filter(|value| value.len() >= SHORTEST).map(str::to_owned).collect();
        // One may be a part of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// The error without them. A backend hides what its settings call a secret; but a reference may stand for any setting.
    pub(crate) fn keep_out_of(&self, error: Error) -> Error {
        let told = error.to_string();
        // An error quotes with escapes where a value has such letters.
        let forms = self.0.iter().flat_map(|value| [value.clone(), value.escape_debug().to_string()]);
        let hidden = forms.fold(told.clone(), |told, form| told.replace(&form, "***"));
        if hidden == told { error } else { Error::new(error.kind(), hidden).with_retry(error.retry()) }
    }
}

async fn fetch(
    store: &crate::Loaded<dyn component::secrets::SecretStore>,
    owner: Owner<'_>,
    name: &str,
    context: &CallContext,
) -> Result<Secret, Error> {
    let metadata = Metadata::from([("namespace".to_owned(), owner.namespace.to_owned())]);
    let store = store.pin()?;
    store.call(context, "get secret", |store| store.get(context, name, &metadata)).await
}
