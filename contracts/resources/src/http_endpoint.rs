//! The kind `HTTPEndpoint`: a server outside of the fleet that apps call by name.
//!
//! Read by the loader, used by service invocation. It must not parse the URL or the certificates.

use serde::{Deserialize, Serialize};

use crate::component::Auth;
use crate::meta::{ObjectMeta, Resource, unset};
use crate::named_value::{DynamicValue, NamedValue, SecretKeyRef};

/// A server outside of the fleet (`dapr.io/v1alpha1`, kind `HTTPEndpoint`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpEndpoint {
    /// Always `dapr.io/v1alpha1`.
    pub api_version: String,
    /// Always `HTTPEndpoint`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Address, headers and TLS.
    pub spec: HttpEndpointSpec,
    /// Where `secretKeyRef` of this endpoint is looked up.
    #[serde(skip_serializing_if = "unset")]
    pub auth: Auth,
    /// App ids that may use it; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// Address, headers and TLS of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpEndpointSpec {
    /// The address calls are sent to, with its scheme.
    pub base_url: String,
    /// Headers added to every call.
    #[serde(skip_serializing_if = "unset")]
    pub headers: Vec<NamedValue>,
    /// Certificates; none means the system's trust roots and no client certificate.
    #[serde(rename = "clientTLS", skip_serializing_if = "unset")]
    pub client_tls: Option<ClientTls>,
}

/// Certificates for calls to an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientTls {
    /// PEM of the authority that signed the server's certificate.
    #[serde(rename = "rootCA", skip_serializing_if = "unset")]
    pub root_ca: Option<TlsDocument>,
    /// PEM of the client certificate.
    #[serde(skip_serializing_if = "unset")]
    pub certificate: Option<TlsDocument>,
    /// PEM of the client's private key.
    #[serde(skip_serializing_if = "unset")]
    pub private_key: Option<TlsDocument>,
    /// `Never`, `OnceAsClient` or `FreelyAsClient`; none means `Never`.
    #[serde(skip_serializing_if = "unset")]
    pub renegotiation: Option<String>,
}

/// A PEM document, in place or in a secret store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsDocument {
    /// The document itself.
    #[serde(skip_serializing_if = "unset")]
    pub value: Option<DynamicValue>,
    /// Where it is kept.
    #[serde(skip_serializing_if = "unset")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

impl Resource for HttpEndpoint {
    const KIND: &'static str = "HTTPEndpoint";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }

    fn log_name(&self) -> String {
        format!("{} ({})", self.metadata.name, self.spec.base_url)
    }

    fn secret_store(&self) -> &str {
        &self.auth.secret_store
    }

    fn named_values(&self) -> Vec<&NamedValue> {
        self.spec.headers.iter().collect()
    }

    fn named_values_mut(&mut self) -> Vec<&mut NamedValue> {
        self.spec.headers.iter_mut().collect()
    }

    fn tls_documents(&self) -> Vec<&TlsDocument> {
        let Some(tls) = &self.spec.client_tls else { return Vec::new() };
        [&tls.root_ca, &tls.certificate, &tls.private_key].into_iter().flatten().collect()
    }

    fn tls_documents_mut(&mut self) -> Vec<&mut TlsDocument> {
        let Some(tls) = &mut self.spec.client_tls else { return Vec::new() };
        [&mut tls.root_ca, &mut tls.certificate, &mut tls.private_key].into_iter().flatten().collect()
    }
}
