//! The certificate extension that names the container images of a workload, as the target writes it: object identifier
//! 1.3.6.1.4.1.57683.100.1, an octet string whose content is a JSON array. Filled by validators that know the images.

use rcgen::CustomExtension;
use serde::Serialize;

use crate::der;

const IDENTIFIER: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 100, 1];

/// What a container of the workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The sidecar.
    Daprd,
    /// Anything else.
    App,
}

/// The image of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerImage {
    /// What the container is.
    pub role: Role,
    /// Its name.
    pub container_name: String,
    /// The reference it was started from.
    pub image: String,
    /// The digest of what runs; empty while that is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// The extension for these images; `None` without any.
pub(crate) fn extension(images: &[ContainerImage]) -> Option<CustomExtension> {
    if images.is_empty() {
        return None;
    }
    let json = serde_json::to_vec(images).unwrap_or_default();
    Some(CustomExtension::from_oid_content(IDENTIFIER, der::octet_string(&json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_written_as_the_target_writes_them() {
        let sidecar = ContainerImage {
            role: Role::Daprd,
            container_name: "daprd".to_owned(),
            image: "daprio/daprd:1".to_owned(),
            digest: "sha256:00".to_owned(),
        };
        let app = ContainerImage { role: Role::App, digest: String::new(), ..sidecar.clone() };
        let extension = extension(&[sidecar, app]).unwrap();
        let json = r#"[{"role":"daprd","containerName":"daprd","image":"daprio/daprd:1","digest":"sha256:00"},{"role":"app","containerName":"daprd","image":"daprio/daprd:1"}]"#;
        assert_eq!(extension.content(), der::octet_string(json.as_bytes()));
        assert!(!extension.criticality());
    }

    #[test]
    fn without_images_there_is_no_extension() {
        assert!(extension(&[]).is_none());
    }
}
