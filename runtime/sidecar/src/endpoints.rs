//! From HTTPEndpoint resources to endpoints that can be called: variables and secrets filled in.

use std::collections::HashMap;

use app::{Endpoint, EndpointSettings, Endpoints};
use component::{CallContext, MetadataItem, SecretReference};
use loaded::{LoadedComponents, Owner, Resolved};
use resources::{HttpEndpoint, Resource as _, SecretKeyRef, TlsDocument};
use service::Environment;

use crate::Fatal;

/// Prepares the endpoints. One that cannot be prepared stops the start: a call by its name would go nowhere.
pub(crate) async fn prepare(
    environment: &Environment,
    found: Vec<HttpEndpoint>,
    components: &LoadedComponents,
    settings: EndpointSettings,
) -> Result<Endpoints, Fatal> {
    let mut prepared = Vec::with_capacity(found.len());
    for mut endpoint in found {
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        for line in resources::resolve_environment(&mut endpoint, &variable) {
            tracing::warn!(target: "dapr.runtime", "{line}");
        }
        fill_secrets(&mut endpoint, components).await?;
        prepared.push(convert(&endpoint));
    }
    Endpoints::new(&prepared, settings).map_err(|error| Fatal::new(error.to_string()))
}

async fn fill_secrets(endpoint: &mut HttpEndpoint, components: &LoadedComponents) -> Result<(), Fatal> {
    let references = resources::secret_references(endpoint);
    let items: Vec<MetadataItem> = references.iter().enumerate().map(item).collect();
    let owner = Owner {
        kind: "HTTPEndpoint",
        name: endpoint.name(),
        namespace: endpoint.namespace(),
        secret_store: resources::secret_store_of(endpoint, false),
    };
    let Resolved::Ready(values) = loaded::resolve(components, owner, &items, &CallContext::default()).await else {
        let (name, store) = (endpoint.name(), endpoint.secret_store());
        return Err(Fatal::new(format!("HTTPEndpoint {name} needs the secret store {store}, which is not loaded")));
    };
    let mut fetched: HashMap<(String, String), String> = HashMap::new();
    for (index, reference) in references.iter().enumerate() {
        if let Some(value) = values.get(&index.to_string()) {
            fetched.insert((reference.name.clone(), reference.key_or_name().to_owned()), value.to_owned());
        }
    }
    let lookup = |name: &str, key: &str| fetched.get(&(name.to_owned(), key.to_owned())).cloned();
    for SecretKeyRef { name, key } in resources::apply_secrets(endpoint, &lookup) {
        let endpoint = endpoint.name();
        tracing::warn!(target: "dapr.runtime", "HTTPEndpoint {endpoint}: secret {name} has no key {key}");
    }
    Ok(())
}

fn item((index, reference): (usize, &SecretKeyRef)) -> MetadataItem {
    let secret = SecretReference { name: reference.name.clone(), key: reference.key.clone() };
    MetadataItem { name: index.to_string(), value: String::new(), secret: Some(secret) }
}

fn convert(endpoint: &HttpEndpoint) -> Endpoint {
    let tls = endpoint.spec.client_tls.as_ref();
    let document = |document: Option<&TlsDocument>| {
        document.and_then(|document| document.value.as_ref()).map(ToString::to_string).filter(|text| !text.is_empty())
    };
    if let Some(mode) = tls.and_then(|tls| tls.renegotiation.as_deref()).filter(|mode| *mode != "Never") {
        let name = endpoint.name();
        tracing::warn!(
            target: "dapr.runtime",
            "HTTPEndpoint {name}: TLS renegotiation {mode} is not supported; connections never renegotiate"
        );
    }
    Endpoint {
        name: endpoint.name().to_owned(),
        base_url: endpoint.spec.base_url.clone(),
        headers: endpoint.spec.headers.iter().map(|header| (header.name.clone(), header.text())).collect(),
        root_certificates: document(tls.and_then(|tls| tls.root_ca.as_ref())),
        certificate: document(tls.and_then(|tls| tls.certificate.as_ref())),
        private_key: document(tls.and_then(|tls| tls.private_key.as_ref())),
    }
}
