//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::secret_store::{self, KubernetesSettings};

/// The secret store of this crate.
pub const REGISTRATIONS: &[Registration] = &[Registration {
    component_type: "secretstores.kubernetes",
    aliases: &[],
    version: Version::Any,
    summary: "Reads the Secrets of a Kubernetes cluster.",
    fields: KubernetesSettings::FIELDS,
    constructor: Constructor::SecretStore(secret_store::construct),
}];
