//! `secretstores.local.env` in a real process: what it hands out, and what it must not.

use serde_json::json;
use testkit::Sidecar;
use wire::runtime::{GetBulkSecretRequest, GetSecretRequest};

fn store(prefix: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: env\nspec:\n  type: secretstores.local.env\n  version: v1\n  metadata:\n    - name: prefix\n      value: {prefix:?}\n"
    )
}

async fn sidecar(prefix: &str) -> Sidecar {
    let a = Sidecar::named("a").resource(&store(prefix));
    let a = a.variable("APP_API_TOKEN", "canary-app-token").variable("DAPR_CANARY", "canary-own");
    a.variable("SHOP_PASSWORD", "hunter2").variable("shop_password", "other").start().await
}

#[tokio::test]
async fn variables_are_read_over_both_doors() {
    let a = sidecar("SHOP_").await;
    assert_eq!(a.get("/v1.0/secrets/env/PASSWORD").send().await.json(), json!({"PASSWORD": "hunter2"}));
    assert_eq!(a.get("/v1.0/secrets/env/password").send().await.json(), json!({"password": ""}));
    assert_eq!(a.get("/v1.0/secrets/env/bulk").send().await.json(), json!({"PASSWORD": {"PASSWORD": "hunter2"}}));
    let mut dapr = a.dapr().await;
    let request =
        GetSecretRequest { store_name: "env".to_owned(), key: "PASSWORD".to_owned(), ..GetSecretRequest::default() };
    assert_eq!(dapr.get_secret(request).await.unwrap().into_inner().data["PASSWORD"], "hunter2");
    let request = GetBulkSecretRequest { store_name: "env".to_owned(), ..GetBulkSecretRequest::default() };
    let all = dapr.get_bulk_secret(request).await.unwrap().into_inner().data;
    assert_eq!(all.keys().collect::<Vec<_>>(), ["PASSWORD"]);
    assert!(!a.logs().concat().contains("hunter2"));
}

#[tokio::test]
async fn tokens_and_the_runtimes_own_variables_are_kept_back() {
    let a = sidecar("").await;
    for name in ["APP_API_TOKEN", "app_api_token", "DAPR_CANARY", "dapr_canary", "DAPR_HTTP_PORT"] {
        let answer = a.get(&format!("/v1.0/secrets/env/{name}")).send().await;
        assert_eq!(answer.json(), json!({name: ""}));
        a.logged(&format!("Access to env var {name} is forbidden")).await;
    }
    let all = a.get("/v1.0/secrets/env/bulk").send().await;
    assert!(all.text().contains("hunter2") && !all.text().contains("canary"), "{}", all.text());
}

#[tokio::test]
async fn a_secret_that_breaks_a_component_is_not_told() {
    let broken = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: store\nauth:\n  secretStore: env\nspec:\n  type: secretstores.local.file\n  version: v1\n  metadata:\n    - name: secretsFile\n      value: x\n    - name: multiValued\n      secretKeyRef:\n        name: CANARY\n        key: CANARY\n";
    let a = Sidecar::named("a").resource(&store("")).resource(broken).variable("CANARY", "hunter2-canary");
    let ended = a.flag("--log-level=debug").start_failing().await;
    assert!(ended.output.contains("[INIT_COMPONENT_FAILURE]"), "{}", ended.output);
    assert!(!ended.output.contains("hunter2-canary"), "{}", ended.output);
}
