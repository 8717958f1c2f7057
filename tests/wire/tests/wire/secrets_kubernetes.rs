//! `secretstores.kubernetes` against an API server of our own, and without any.

use serde_json::{Value, json};
use testkit::{KubernetesApi, Sidecar};

const SECRETS: &str = "/api/v1/secrets";

fn store(metadata: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: kubernetes\nspec:\n  type: secretstores.kubernetes\n  version: v1\n  metadata:\n{metadata}"
    )
}

fn secret(namespace: &str, name: &str, data: &Value) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "type": "Opaque", "data": data})
}

#[tokio::test]
async fn secrets_of_a_cluster_are_read_by_namespace() {
    let (api, folder) = (KubernetesApi::start().await, tempfile::tempdir().unwrap());
    api.put(SECRETS, secret("shop", "redis", &json!({"password": "aHVudGVyMg==", "user": "c2hvcA=="})));
    api.put(SECRETS, secret("shop", "empty", &Value::Null));
    api.put(SECRETS, secret("other", "redis", &json!({"password": "b3RoZXI="})));
    let metadata = format!(
        "    - name: kubeconfigPath\n      value: {}\n    - name: defaultNamespace\n      value: shop\n",
        api.kubeconfig(folder.path()).display()
    );
    let a = Sidecar::named("a").resource(&store(&metadata)).start().await;
    let get = async |path: &str| a.get(&format!("/v1.0/secrets/kubernetes/{path}")).send().await;
    assert_eq!(get("redis").await.json(), json!({"password": "hunter2", "user": "shop"}));
    assert_eq!(get("redis?metadata.namespace=other").await.json(), json!({"password": "other"}));
    let all = json!({"redis": {"password": "hunter2", "user": "shop"}, "empty": {}});
    assert_eq!(get("bulk").await.json(), all);
    let missing = get("nothing").await;
    assert_eq!((missing.status, missing.error_code().as_str()), (500, "ERR_SECRET_GET"));
    assert_eq!(get("..%2fpods").await.status, 500);
    api.refuse("GET", "/api/v1/namespaces/shop/secrets", 403, 2);
    assert_eq!((get("redis").await.status, get("bulk").await.status), (500, 500));
    assert_eq!(get("redis").await.status, 200);
    assert!(!a.logs().concat().contains("hunter2"));
}

#[tokio::test]
async fn a_resource_may_take_its_secrets_from_the_cluster() {
    let (api, folder) = (KubernetesApi::start().await, tempfile::tempdir().unwrap());
    api.put(SECRETS, secret("default", "vault", &json!({"file": "L2Nhbi1uZXZlci1leGlzdA=="})));
    let kubeconfig = api.kubeconfig(folder.path());
    let cluster = store(&format!("    - name: kubeconfigPath\n      value: {}\n", kubeconfig.display()));
    let user = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: vault\n  namespace: default\nauth:\n  secretStore: kubernetes\nspec:\n  type: secretstores.local.file\n  version: v1\n  metadata:\n    - name: secretsFile\n      secretKeyRef:\n        name: vault\n        key: file\n";
    let a = Sidecar::named("a").variable("NAMESPACE", "default").resource(&cluster).resource(user);
    let ended = a.start_failing().await;
    // The reference was followed, and its value is not told.
    assert!(ended.output.contains("secrets file *** cannot be read"), "{}", ended.output);
    assert!(!ended.output.contains("never-exist"), "{}", ended.output);
}

#[tokio::test]
async fn without_a_cluster_the_component_fails_cleanly() {
    let empty = tempfile::tempdir().unwrap();
    let builder = Sidecar::named("a").variable("HOME", empty.path().to_str().unwrap()).resource(&store("    []\n"));
    let ended = builder.start_failing().await;
    assert!(ended.output.contains("no way to the Kubernetes API"), "{}", ended.output);
    assert!(!ended.output.contains("panicked"), "{}", ended.output);
}
