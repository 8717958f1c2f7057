//! What is accepted and has no effect yet, told in one line each.
//! Called by the resolution of the options. It must not hold what would weaken security: that refuses to start.

use service::Environment;
use service::flags::Given;

const NO_KUBERNETES: &str = "this release has no Kubernetes mode";

/// Variables that nothing reads yet, and why. Their values are never shown: some are secrets.
const VARIABLES: [(&[&str], &str); 5] = [
    (&["DAPR_COMPONENTS_SOCKETS_FOLDER"], "this release has no pluggable components"),
    (&["DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK"], NO_KUBERNETES),
    (
        &[
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_INSECURE",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_SERVICE_NAME",
            "OTEL_RESOURCE_ATTRIBUTES",
        ],
        "this release does not export spans",
    ),
    (
        &[
            "DAPR_WORKFLOW_JANITOR_PERIOD",
            "DAPR_WORKFLOW_REAPER_SCAN_INTERVAL",
            "DAPR_WORKFLOW_REAPER_IDLE_TTL",
            "DAPR_WORKFLOW_FOLD_WAIT_TIMEOUT",
            "DAPR_WORKFLOW_TEST_DROP_FOLD_DRIVES",
            "DAPR_WORKFLOW_TEST_DROP_ACTIVITY_DRIVES",
            "DAPR_WORKFLOW_TEST_DROP_ACTIVITY_COMPLETIONS",
            "DAPR_WORKFLOW_TEST_DUPLICATE_TURN_COMPLETIONS",
        ],
        "this release has no workflows",
    ),
    (
        &[
            "OPENAI_MODEL",
            "AZURE_OPENAI_MODEL",
            "ANTHROPIC_MODEL",
            "GOOGLEAI_MODEL",
            "MISTRAL_MODEL",
            "HUGGINGFACE_MODEL",
            "OLLAMA_MODEL",
        ],
        "this release has no conversation components",
    ),
];

/// One line for each setting, or group of variables, that is accepted and has no effect yet.
pub(super) fn notices(
    given: &Given,
    environment: &Environment,
    placement: &[String],
    schedulers: &[String],
) -> Vec<String> {
    let mut notices = Vec::new();
    if !placement.is_empty() {
        let addresses = placement.join(",");
        notices.push(format!("The placement address {addresses} is not used yet: this release has no actors"));
    }
    if !schedulers.is_empty() {
        let addresses = schedulers.join(",");
        notices.push(format!(
            "The scheduler addresses {addresses} are not used yet: this release has no jobs and reminders"
        ));
    }
    if let Some(value) = given.non_empty("control-plane-address") {
        notices.push(format!("--control-plane-address {value} is not used yet: {NO_KUBERNETES}"));
    }
    for (names, reason) in VARIABLES {
        let is_set = |name: &&str| environment.get(name).is_some_and(|value| !value.is_empty());
        let set: Vec<&str> = names.iter().copied().filter(is_set).collect();
        if !set.is_empty() {
            notices.push(format!("Not used yet: {}: {reason}", set.join(", ")));
        }
    }
    notices
}
