//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::jwks::{self, JwksSettings};
use crate::local_storage::{self, LocalStorageSettings};

/// The providers of cryptography of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "crypto.dapr.jwks",
        aliases: &[],
        version: Version::Any,
        summary: "Works with the keys of a JSON Web Key Set: given, in a file, or fetched from a URL.",
        fields: JwksSettings::FIELDS,
        constructor: Constructor::CryptoProvider(jwks::construct),
    },
    Registration {
        component_type: "crypto.dapr.localstorage",
        aliases: &[],
        version: Version::Any,
        summary: "Works with the keys in the files of a folder.",
        fields: LocalStorageSettings::FIELDS,
        constructor: Constructor::CryptoProvider(local_storage::construct),
    },
];
