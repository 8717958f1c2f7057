//! The store against an API server on a real socket.

use std::path::Path;
use std::sync::Arc;

use kubernetes::Config;
use serde_json::json;
use service::{Environment, Tasks};
use testkit::KubernetesApi;

use super::*;

const SECRETS: &str = "/api/v1/secrets";
const MAPS: &str = "/api/v1/configmaps";

struct Cluster {
    api: KubernetesApi,
    store: Arc<SecretStore>,
    _tasks: Tasks,
    folder: tempfile::TempDir,
}

fn files(folder: &Path) -> FileNames {
    FileNames {
        folder: folder.to_owned(),
        anchors: "roots.pem".into(),
        issuer_certificate: "/elsewhere/issuer.crt".into(),
        issuer_key: "issuer.key".into(),
        token_key: "jwt.key".into(),
        token_key_set: "jwks.json".into(),
    }
}

async fn store(api: &KubernetesApi, folder: &Path, files: &FileNames) -> (Result<SecretStore, StoreError>, Tasks) {
    let tasks = Tasks::new();
    let config = Config::find(&Environment::default(), Some(&api.kubeconfig(folder))).await.unwrap();
    (SecretStore::open(Client::new(config, &tasks), "dapr-system", files), tasks)
}

impl Cluster {
    async fn with(secret: Value, map: Value) -> Self {
        let (api, folder) = (KubernetesApi::start().await, tempfile::tempdir().unwrap());
        let metadata = json!({"namespace": "dapr-system", "name": NAME, "labels": {"app": "dapr-sentry"}});
        api.put(SECRETS, json!({"kind": "Secret", "metadata": metadata, "type": "Opaque", "data": secret}));
        api.put(MAPS, json!({"kind": "ConfigMap", "metadata": metadata, "data": map}));
        let mut names = files(folder.path());
        names.issuer_certificate = folder.path().join("issuer.crt");
        let (store, tasks) = store(&api, folder.path(), &names).await;
        Self { api, store: Arc::new(store.unwrap()), _tasks: tasks, folder }
    }

    fn secret(&self) -> Value {
        self.api.get(SECRETS, "dapr-system", NAME).unwrap()
    }

    fn map(&self) -> Value {
        self.api.get(MAPS, "dapr-system", NAME).unwrap()
    }

    fn writes(&self) -> usize {
        self.api.asked("PUT").len()
    }
}

/// Sets a text, whatever is there.
fn setting(part: Part, text: &'static str) -> Change {
    Box::new(move |old| {
        let mut new = old.clone();
        new.set(part, text);
        Ok(Some(new))
    })
}

#[tokio::test]
async fn texts_have_the_names_of_their_files() {
    let cluster =
        Cluster::with(json!({"roots.pem": "cm9vdA==", "issuer.key": "a2V5", "other": "b3RoZXI="}), json!({})).await;
    let contents = cluster.store.load().await.unwrap();
    assert_eq!(contents.get(Part::Anchors), Some(b"root".as_slice()));
    assert_eq!(contents.get(Part::IssuerKey), Some(b"key".as_slice()));
    assert_eq!(contents.iter().count(), 2);
    assert_eq!(cluster.store.place(Part::Anchors), "roots.pem of the Secret dapr-system/dapr-trust-bundle");
}

#[tokio::test]
async fn every_text_of_a_rotation_is_kept_and_can_be_taken_out() {
    let cluster = Cluster::with(json!({"other": "b3RoZXI="}), json!({})).await;
    let all: Change = Box::new(|_| {
        let mut new = Contents::default();
        for part in Part::ALL {
            new.set(part, part.usual_name());
        }
        Ok(Some(new))
    });
    let written = cluster.store.update(all).await.unwrap();
    assert_eq!(cluster.store.load().await.unwrap(), written);
    let secret = cluster.secret();
    assert_eq!(secret["data"]["next-issuer.key"], STANDARD.encode("next-issuer.key"));
    let without: Change = Box::new(|old| {
        let mut new = old.clone();
        new.remove(Part::NextKey);
        Ok(Some(new))
    });
    cluster.store.update(without).await.unwrap();
    let secret = cluster.secret();
    assert_eq!(secret["data"].get("next-issuer.key"), None);
    assert_eq!(secret["data"]["other"], "b3RoZXI=", "what others put there stays");
    assert_eq!((&secret["type"], &secret["metadata"]["labels"]["app"]), (&json!("Opaque"), &json!("dapr-sentry")));
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let cluster = Cluster::with(json!({"roots.pem": "cm9vdA=="}), json!({})).await;
    let contents = cluster.store.update(Box::new(|_| Ok(None))).await.unwrap();
    assert_eq!(contents.get(Part::Anchors), Some(b"root".as_slice()));
    let error = cluster.store.update(Box::new(|_| Err("no".to_owned()))).await.unwrap_err();
    assert_eq!(error, StoreError("no".to_owned()));
    assert_eq!(cluster.writes(), 0);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let cluster = Cluster::with(json!({}), json!({})).await;
    let parts = [Part::Anchors, Part::IssuerCertificate, Part::IssuerKey, Part::TokenKey];
    let (first, second, third, fourth) = tokio::join!(
        cluster.store.update(setting(parts[0], "a")),
        cluster.store.update(setting(parts[1], "b")),
        cluster.store.update(setting(parts[2], "c")),
        cluster.store.update(setting(parts[3], "d")),
    );
    assert!([first, second, third, fourth].iter().all(Result::is_ok));
    let contents = cluster.store.load().await.unwrap();
    assert_eq!(contents.iter().count(), 4, "{contents:?}");
    assert!(cluster.writes() > 4, "nobody was overtaken, so nothing was shown");
}

#[tokio::test]
async fn a_change_is_asked_again_about_what_somebody_else_wrote() {
    let cluster = Cluster::with(json!({}), json!({})).await;
    cluster.api.refuse("PUT", "/api/v1/namespaces/dapr-system/secrets", 409, 2);
    let mut asked = 0;
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    let change: Change = Box::new(move |_| {
        asked += 1;
        let _ = say.send(asked);
        let mut new = Contents::default();
        new.set(Part::Anchors, format!("{asked}"));
        Ok(Some(new))
    });
    let contents = cluster.store.update(change).await.unwrap();
    assert_eq!(contents.get(Part::Anchors), Some(b"3".as_slice()));
    assert_eq!([said.recv().await, said.recv().await, said.recv().await], [Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn who_is_always_overtaken_gives_up_and_has_changed_nothing() {
    let cluster = Cluster::with(json!({}), json!({})).await;
    cluster.api.refuse("PUT", "/api", 409, 100);
    let error = cluster.store.update(setting(Part::Anchors, "a")).await.unwrap_err();
    assert!(error.to_string().contains("changed by others 8 times"), "{error}");
    assert_eq!(cluster.secret()["data"], json!({}));
}

#[tokio::test]
async fn only_what_is_public_is_published_and_only_when_it_differs() {
    let cluster = Cluster::with(json!({}), json!({"other": "stays", "jwks.json": "old"})).await;
    let mut contents = Contents::default();
    for part in Part::ALL {
        contents.set(part, part.usual_name());
    }
    cluster.store.publish(&contents).await.unwrap();
    assert_eq!(cluster.map()["data"], json!({"roots.pem": "ca.crt", "jwks.json": "jwks.json", "other": "stays"}));
    cluster.store.publish(&contents).await.unwrap();
    assert_eq!(cluster.writes(), 1);
    contents.remove(Part::TokenKeySet);
    cluster.store.publish(&contents).await.unwrap();
    assert_eq!(cluster.map()["data"], json!({"roots.pem": "ca.crt", "other": "stays"}));
}

#[tokio::test]
async fn a_map_that_somebody_else_changes_is_published_to_again() {
    let cluster = Cluster::with(json!({}), json!(null)).await;
    cluster.api.refuse("PUT", "/api/v1/namespaces/dapr-system/configmaps", 409, 1);
    let mut contents = Contents::default();
    contents.set(Part::Anchors, "root");
    cluster.store.publish(&contents).await.unwrap();
    assert_eq!(cluster.map()["data"], json!({"roots.pem": "root"}));
}

#[tokio::test]
async fn what_is_missing_or_unreadable_is_named() {
    let cluster = Cluster::with(json!({"issuer.key": "***"}), json!({})).await;
    let error = cluster.store.load().await.unwrap_err().to_string();
    assert_eq!(error, "issuer.key of the Secret dapr-system/dapr-trust-bundle is not in base64");
    cluster.api.delete(SECRETS, "dapr-system", NAME);
    cluster.api.delete(MAPS, "dapr-system", NAME);
    let error = cluster.store.load().await.unwrap_err().to_string();
    assert!(error.starts_with("failed to get trust bundle secret dapr-system/dapr-trust-bundle: "), "{error}");
    let error = cluster.store.publish(&Contents::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("failed to get trust bundle configmap"), "{error}");
}

#[tokio::test]
async fn two_texts_with_one_name_are_refused() {
    let (api, folder) = (KubernetesApi::start().await, tempfile::tempdir().unwrap());
    let mut names = files(folder.path());
    names.issuer_certificate = "/a/same".into();
    names.issuer_key = "/b/same".into();
    let error = store(&api, folder.path(), &names).await.0.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("\"same\""), "{error}");
}

#[tokio::test]
async fn a_change_of_the_mounted_secret_is_noticed() {
    let cluster = Cluster::with(json!({}), json!({})).await;
    let store = Arc::clone(&cluster.store);
    let noticed = testkit::spawn(async move { store.changed().await });
    // The kubelet writes a new folder and turns a link.
    for attempt in 0..100 {
        std::fs::write(cluster.folder.path().join("..data"), format!("{attempt}")).unwrap();
        if noticed.is_finished() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nothing was noticed");
}
