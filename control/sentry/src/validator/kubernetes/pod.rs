//! What is known of a pod: whose it is, which identity it is to have, and what it runs. Annotation names are the target's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::images::{ContainerImage, Role};

const CONTROL_PLANE: &str = "dapr.io/control-plane";
const APP_ID: &str = "dapr.io/app-id";
const CONFIG: &str = "dapr.io/config";
/// The name of the container that the injector adds.
const SIDECAR: &str = "daprd";
/// The services of the control plane, as their pods call them.
const SERVICES: [&str; 5] = ["operator", "placement", "injector", "sentry", "scheduler"];

/// What is kept of a pod.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) uid: String,
    pub(super) service_account: String,
    /// The Configuration that it names.
    pub(super) configuration: Option<String>,
    pub(super) images: Vec<ContainerImage>,
    control_plane: Option<String>,
    app_id: Option<String>,
}

/// The identity that a pod is to have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) is_control_plane: bool,
}

impl Pod {
    /// Which identity the pod of this place is to have.
    pub(super) fn identity(&self, namespace: &str, name: &str, control_plane: &str) -> Result<Identity, String> {
        let Some(service) = &self.control_plane else {
            let id = self.app_id.as_deref().unwrap_or(name).to_owned();
            return Ok(Identity { id, is_control_plane: false });
        };
        if namespace != control_plane {
            return Err(format!("control plane service in namespace '{namespace}' is not allowed"));
        }
        if !SERVICES.contains(&service.as_str()) {
            return Err(format!("unknown control plane service '{name}'"));
        }
        if self.app_id.is_some() {
            return Err(format!("control plane service '{name}' cannot have annotation '{APP_ID}'"));
        }
        Ok(Identity { id: format!("dapr-{service}"), is_control_plane: true })
    }
}

/// A pod as the API describes it, as far as it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Described {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    uid: String,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    service_account_name: String,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    image: String,
    restart_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "imageID")]
    image_id: String,
}

impl From<Described> for Pod {
    fn from(described: Described) -> Self {
        let Described { metadata, spec, status } = described;
        let mut annotations = metadata.annotations.unwrap_or_default();
        let (before, beside) = (status.init_container_statuses, status.container_statuses);
        // Of what runs before the containers, only what stays: a sidecar can be one of these.
        let staying = spec.init_containers.into_iter().flatten();
        let staying = staying.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let mut images: Vec<ContainerImage> = staying.map(|container| image(container, before.as_deref())).collect();
        images.extend(spec.containers.into_iter().flatten().map(|container| image(container, beside.as_deref())));
        Self {
            uid: metadata.uid,
            service_account: spec.service_account_name,
            configuration: annotations.remove(CONFIG),
            images,
            control_plane: annotations.remove(CONTROL_PLANE),
            app_id: annotations.remove(APP_ID),
        }
    }
}

fn image(container: Container, statuses: Option<&[ContainerStatus]>) -> ContainerImage {
    let status = statuses.unwrap_or_default().iter().find(|status| status.name == container.name);
    let id = status.map_or("", |status| status.image_id.as_str());
    let digest = match id.rsplit_once('@') {
        Some((_, digest)) => digest,
        None if id.starts_with("sha256:") => id,
        // Not started yet.
        None => "",
    };
    ContainerImage {
        role: if container.name == SIDECAR { Role::Daprd } else { Role::App },
        container_name: container.name,
        image: container.image,
        digest: digest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(description: Value) -> Pod {
        serde_json::from_value::<Described>(description).unwrap().into()
    }

    fn annotated(annotations: Value) -> Pod {
        pod(json!({"metadata": {"annotations": annotations}}))
    }

    fn identity(annotations: Value, namespace: &str) -> Result<Identity, String> {
        annotated(annotations).identity(namespace, "web-0", "dapr-system")
    }

    #[test]
    fn an_app_is_called_as_its_annotation_says_or_as_its_pod() {
        let app = |id: &str| Ok(Identity { id: id.to_owned(), is_control_plane: false });
        assert_eq!(identity(json!({"dapr.io/app-id": "web"}), "default"), app("web"));
        assert_eq!(identity(json!({}), "default"), app("web-0"));
        assert_eq!(pod(json!({"metadata": {}})).identity("default", "web-0", "dapr-system"), app("web-0"));
    }

    #[test]
    fn only_known_services_in_the_own_namespace_are_the_control_plane() {
        let service = |name: &str, namespace| identity(json!({"dapr.io/control-plane": name}), namespace);
        for name in SERVICES {
            let expected = Identity { id: format!("dapr-{name}"), is_control_plane: true };
            assert_eq!(service(name, "dapr-system"), Ok(expected));
        }
        assert!(service("sentry", "default").unwrap_err().contains("namespace 'default' is not allowed"));
        assert!(service("other", "dapr-system").unwrap_err().contains("unknown control plane service 'web-0'"));
        let both = identity(json!({"dapr.io/control-plane": "sentry", "dapr.io/app-id": "x"}), "dapr-system");
        assert!(both.unwrap_err().contains("cannot have annotation 'dapr.io/app-id'"));
    }

    #[test]
    fn images_are_those_that_stay_and_digests_those_that_run() {
        let pod = pod(json!({
            "metadata": {"uid": "7", "annotations": {"dapr.io/config": "mine"}},
            "spec": {
                "serviceAccountName": "me",
                "initContainers": [
                    {"name": "setup", "image": "setup:1"},
                    {"name": "daprd", "image": "daprd:1", "restartPolicy": "Always"},
                ],
                "containers": [{"name": "app", "image": "app:1"}, {"name": "new", "image": "new:1"}],
            },
            "status": {
                "initContainerStatuses": [{"name": "daprd", "imageID": "docker.io/daprd@sha256:aa"}],
                "containerStatuses": [{"name": "app", "imageID": "sha256:bb"}, {"name": "new", "imageID": ""}],
            },
        }));
        let found: Vec<_> =
            pod.images.iter().map(|image| (image.role, image.image.as_str(), image.digest.as_str())).collect();
        let expected =
            [(Role::Daprd, "daprd:1", "sha256:aa"), (Role::App, "app:1", "sha256:bb"), (Role::App, "new:1", "")];
        assert_eq!(found, expected);
        assert_eq!((pod.uid.as_str(), pod.service_account.as_str()), ("7", "me"));
        assert_eq!(pod.configuration.as_deref(), Some("mine"));
    }

    #[test]
    fn lists_that_are_null_are_empty() {
        let pod = pod(
            json!({"metadata": {"annotations": null}, "spec": {"containers": null}, "status": {"containerStatuses": null}}),
        );
        assert_eq!(pod, Pod::default());
    }
}
