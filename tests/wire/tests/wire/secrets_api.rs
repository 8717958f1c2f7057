//! The secrets API over both doors, on a local file, and secrets that resources refer to.

use serde_json::json;
use testkit::{Sidecar, SidecarBuilder};
use tonic::Code;
use wire::runtime::{GetBulkSecretRequest, GetSecretRequest};

fn with_secrets(builder: SidecarBuilder, folder: &tempfile::TempDir) -> SidecarBuilder {
    let file = folder.path().join("secrets.json");
    std::fs::write(&file, r#"{"plain": "canary-secret", "nested": {"inner": "canary-inner"}}"#).unwrap();
    builder.resource(&format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: vault\nspec:\n  type: secretstores.local.file\n  version: v1\n  metadata:\n    - name: secretsFile\n      value: {}\n",
        file.display()
    ))
}

#[tokio::test]
async fn secrets_are_read_over_both_doors() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_secrets(Sidecar::named("a"), &folder).start().await;
    assert_eq!(a.get("/v1.0/secrets/vault/plain").send().await.json(), json!({"plain": "canary-secret"}));
    assert_eq!(a.get("/v1.0/secrets/vault/nested:inner").send().await.json(), json!({"nested:inner": "canary-inner"}));
    let bulk = a.get("/v1.0/secrets/vault/bulk").send().await.json();
    assert_eq!(bulk["plain"], json!({"plain": "canary-secret"}));
    let mut dapr = a.dapr().await;
    let request =
        GetSecretRequest { store_name: "vault".to_owned(), key: "plain".to_owned(), ..GetSecretRequest::default() };
    assert_eq!(dapr.get_secret(request).await.unwrap().into_inner().data["plain"], "canary-secret");
    let request = GetBulkSecretRequest { store_name: "vault".to_owned(), ..GetBulkSecretRequest::default() };
    assert_eq!(
        dapr.get_bulk_secret(request).await.unwrap().into_inner().data["plain"].secrets["plain"],
        "canary-secret"
    );
}

#[tokio::test]
async fn what_is_not_there_is_an_error_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let a = with_secrets(Sidecar::named("a"), &folder).start().await;
    let answer = a.get("/v1.0/secrets/nowhere/plain").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "ERR_SECRET_STORE_NOT_FOUND"));
    let answer = a.get("/v1.0/secrets/vault/none").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_SECRET_GET"));
    let b = Sidecar::named("b").start().await;
    let answer = b.get("/v1.0/secrets/vault/plain").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_SECRET_STORES_NOT_CONFIGURED"));
}

#[tokio::test]
async fn scopes_deny_over_both_doors() {
    let folder = tempfile::tempdir().unwrap();
    let scopes =
        "secrets:\n  scopes:\n    - storeName: vault\n      defaultAccess: allow\n      deniedSecrets: [plain]\n";
    let a = with_secrets(Sidecar::named("a").configuration(scopes), &folder).start().await;
    let answer = a.get("/v1.0/secrets/vault/plain").send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (403, "ERR_PERMISSION_DENIED"));
    assert!(!answer.everything().contains("canary"), "{answer:?}");
    let bulk = a.get("/v1.0/secrets/vault/bulk").send().await;
    assert!(!bulk.text().contains("canary-secret"), "{}", bulk.text());
    assert!(bulk.text().contains("canary-inner"), "{}", bulk.text());
    let request =
        GetSecretRequest { store_name: "vault".to_owned(), key: "plain".to_owned(), ..GetSecretRequest::default() };
    assert_eq!(a.dapr().await.get_secret(request).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn secrets_that_resources_refer_to_are_used_and_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let outside = testkit::App::http().otherwise(testkit::reply("ok")).start().await;
    let endpoint = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata:\n  name: outside\nauth:\n  secretStore: vault\nspec:\n  baseUrl: {}\n  headers:\n    - name: x-key\n      secretKeyRef:\n        name: plain\n        key: plain\n",
        outside.url()
    );
    let a = with_secrets(Sidecar::named("a").flag("--log-level=debug").resource(&endpoint), &folder).start().await;
    assert_eq!(a.invoke("outside", "x").send().await.text(), "ok");
    assert_eq!(outside.only("/x").values("x-key"), ["canary-secret"]);
    assert!(!a.logs().join("\n").contains("canary"));
    assert!(!a.get("/v1.0/metadata").send().await.everything().contains("canary"));
}
