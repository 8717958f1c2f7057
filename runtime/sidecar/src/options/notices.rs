//! What is accepted and has no effect yet, told in one line each.
//! Called by the resolution of the options. It must not hold what would weaken security: that refuses to start.

use service::Environment;

use super::command_line::Given;

/// One line for each setting that is accepted and has no effect yet.
pub(super) fn notices(given: &Given, environment: &Environment) -> Vec<String> {
    let mut notices = Vec::new();
    let placement = given.non_empty("placement-host-address").or(given.non_empty("actors-service"));
    if let Some(address) = placement {
        notices.push(format!("The placement address {address} is not used yet: this release has no actors"));
    }
    let mut schedulers = given.list("scheduler-host-address");
    if !given.is_set("scheduler-host-address")
        && let Some(addresses) = environment.get("DAPR_SCHEDULER_HOST_ADDRESS_DNS_A")
    {
        schedulers = addresses.split(',').map(str::to_owned).collect();
    }
    schedulers.retain(|address| !address.is_empty());
    if !schedulers.is_empty() {
        let addresses = schedulers.join(",");
        notices.push(format!(
            "The scheduler addresses {addresses} are not used yet: this release has no jobs and reminders"
        ));
    }
    for (name, reason) in [
        ("sentry-address", "this release has no mutual TLS"),
        ("sentry-request-jwt-audiences", "this release has no mutual TLS"),
        ("control-plane-address", "this release has no Kubernetes mode"),
    ] {
        if let Some(value) = given.non_empty(name) {
            notices.push(format!("--{name} {value} is not used yet: {reason}"));
        }
    }
    notices
}
