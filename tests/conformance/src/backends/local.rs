//! `secretstores.local.file` in both its shapes, and `secretstores.local.env`.

use std::io::Write as _;
use std::sync::Arc;

use component::Variables;
use tempfile::NamedTempFile;

use crate::Capability::SeveralKeys;
use crate::secrets::{SecretStores, SecretsProfile};
use crate::{Backend, Ground, Starting};

const FILE: &str = r#"{
    "plain": "canary-plain",
    "empty": "",
    "redis": {"password": "canary-password", "hosts": ["canary-a", "canary-b"], "tls": {"key": "canary-key"}}
}"#;

const NESTED: SecretsProfile = SecretsProfile {
    held: &[
        ("plain", &[("plain", "canary-plain")]),
        ("empty", &[("empty", "")]),
        ("redis/password", &[("redis/password", "canary-password")]),
        ("redis/hosts/0", &[("redis/hosts/0", "canary-a")]),
        ("redis/hosts/1", &[("redis/hosts/1", "canary-b")]),
        ("redis/tls/key", &[("redis/tls/key", "canary-key")]),
    ],
    kept_back: &["redis", "redis/tls", "redis:password"],
    missing_is_an_error: true,
};

const MULTI_VALUED: SecretsProfile = SecretsProfile {
    held: &[
        ("plain", &[("plain", "canary-plain")]),
        ("empty", &[("empty", "")]),
        (
            "redis",
            &[
                ("password", "canary-password"),
                ("hosts:0", "canary-a"),
                ("hosts:1", "canary-b"),
                ("tls:key", "canary-key"),
            ],
        ),
    ],
    kept_back: &["redis:password"],
    missing_is_an_error: true,
};

const ENVIRONMENT: SecretsProfile = SecretsProfile {
    held: &[("PASSWORD", &[("PASSWORD", "canary-password")]), ("EMPTY", &[("EMPTY", "")])],
    kept_back: &["APP_API_TOKEN", "DAPR_API_TOKEN", "SHOP_PASSWORD", "HOME", "password"],
    missing_is_an_error: false,
};

pub(super) const SECRETS: &[Backend<SecretStores>] = &[
    Backend {
        name: "local-file",
        component_type: "secretstores.local.file",
        version: "v1",
        capabilities: &[],
        start: || file(&[("nestedSeparator", "/")]),
        profile: NESTED,
    },
    Backend {
        name: "local-file-multi-valued",
        component_type: "secretstores.local.file",
        version: "v1",
        capabilities: &[SeveralKeys],
        start: || file(&[("multiValued", "true")]),
        profile: MULTI_VALUED,
    },
    Backend {
        name: "local-env",
        component_type: "secretstores.local.env",
        version: "v1",
        capabilities: &[],
        start: || Box::pin(async { Ok(Arc::new(Environment) as Arc<dyn Ground>) }),
        profile: ENVIRONMENT,
    },
];

struct SecretsFile {
    file: NamedTempFile,
    settings: &'static [(&'static str, &'static str)],
}

fn file(settings: &'static [(&'static str, &'static str)]) -> Starting {
    Box::pin(async move {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(FILE.as_bytes()).expect("it can be written");
        Ok(Arc::new(SecretsFile { file, settings }) as Arc<dyn Ground>)
    })
}

impl Ground for SecretsFile {
    fn properties(&self) -> Vec<(String, String)> {
        let path = ("secretsFile", self.file.path().to_str().expect("a path of ours is text"));
        let settings = self.settings.iter().copied().chain([path]);
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

struct Environment;

impl Ground for Environment {
    fn properties(&self) -> Vec<(String, String)> {
        vec![("prefix".to_owned(), "SHOP_".to_owned())]
    }

    fn variables(&self) -> Variables {
        let pairs = [
            ("SHOP_PASSWORD", "canary-password"),
            ("SHOP_EMPTY", ""),
            ("HOME", "/root"),
            ("APP_API_TOKEN", "canary-token"),
            ("DAPR_API_TOKEN", "canary-token"),
        ];
        pairs.into_iter().collect()
    }
}
