//! Resource files: what is loaded, what is skipped, and what stops a sidecar with which words.

use testkit::{Sidecar, ours_only};

fn component(name: &str, kind: &str, rest: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: {kind}\n  version: v1\n{rest}"
    )
}

async fn loaded(sidecar: &Sidecar) -> Vec<String> {
    let metadata = sidecar.get("/v1.0/metadata").send().await.json();
    let components = metadata["components"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> =
        components.iter().map(|component| component["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn all_documents_of_all_yaml_files_are_loaded_and_foreign_kinds_are_skipped() {
    let several = format!(
        "{}---\n{}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: foreign\n",
        component("one", "state.in-memory", ""),
        component("two", "state.in-memory", "")
    );
    let a = Sidecar::named("a")
        .resource_file("several.yaml", &several)
        .resource_file("three.yml", &component("three", "state.in-memory", ""))
        .resource_file("notes.txt", "not: [yaml")
        .start()
        .await;
    assert_eq!(loaded(&a).await, ["one", "three", "two"]);
}

#[tokio::test]
async fn components_are_loaded_for_their_scopes_only() {
    let a = Sidecar::named("a")
        .resource(&format!("{}scopes: [a]\n", component("mine", "state.in-memory", "")))
        .resource(&format!("{}scopes: [other]\n", component("foreign", "state.in-memory", "")))
        .start()
        .await;
    assert_eq!(loaded(&a).await, ["mine"]);
}

#[tokio::test]
async fn two_components_of_one_name_stop_the_sidecar() {
    let ended = Sidecar::named("a")
        .resource(&component("store", "state.in-memory", ""))
        .resource(&component("store", "secretstores.local.env", ""))
        .start_failing()
        .await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("store") && ended.output.contains("duplicate"), "{}", ended.output);
}

#[tokio::test]
async fn an_unknown_type_stops_the_sidecar_unless_errors_are_ignored() {
    let ended = Sidecar::named("a").resource(&component("store", "state.in-memroy", "")).start_failing().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("state.in-memroy"), "{}", ended.output);
    let a =
        Sidecar::named("a").resource(&component("store", "state.in-memroy", "  ignoreErrors: true\n")).start().await;
    assert_eq!(loaded(&a).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_unknown_type_is_answered_with_the_nearest_names() {
    ours_only!("the reference says no more than that it could not find it");
    let ended = Sidecar::named("a").resource(&component("store", "state.in-memroy", "")).start_failing().await;
    let output = ended.output.replace("state.in-memroy", "");
    assert!(output.contains("state.in-memory"), "{}", ended.output);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_named() {
    let a = Sidecar::named("a")
        .resource_file("broken.yaml", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: [x\nspec: {\n")
        .resource(&component("fine", "state.in-memory", ""))
        .start()
        .await;
    assert_eq!(loaded(&a).await, ["fine"]);
    a.logged("broken.yaml").await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_stops_the_sidecar() {
    for text in
        ["kind: Configuration\nspec: [", "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec:\n  tracing: 7\n"]
    {
        let ended = Sidecar::named("a").configuration_file(text).start_failing().await;
        assert_eq!(ended.code, Some(1), "{}", ended.output);
        assert!(ended.output.contains("configuration"), "{}", ended.output);
    }
    let ended = Sidecar::named("a").flag("--config=/nowhere/at-all.yaml").start_failing().await;
    assert_eq!(ended.code, Some(1), "{}", ended.output);
    assert!(ended.output.contains("/nowhere/at-all.yaml"), "{}", ended.output);
}

#[tokio::test]
async fn a_resources_folder_that_is_not_there_stops_the_sidecar() {
    let ended = Sidecar::named("a").flag("--resources-path=/nowhere/at-all").start_failing().await;
    assert_eq!(ended.code, Some(1), "{}", ended.output);
    assert!(ended.output.contains("/nowhere/at-all"), "{}", ended.output);
}

#[tokio::test]
async fn several_configurations_are_merged() {
    let a = Sidecar::named("a")
        .configuration("features:\n  - name: One\n    enabled: true\n")
        .configuration("logging:\n  apiLogging:\n    enabled: true\n")
        .start()
        .await;
    a.get("/v1.0/metadata").send().await;
    a.logged("HTTP API Called").await;
}
