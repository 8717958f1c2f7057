//! The addresses of the control plane's services. Called by the resolution of the options.

use service::Environment;
use service::flags::Given;

/// Where placement is. `--placement-host-address` wins over the older `--actors-service`.
pub(super) fn placement(given: &Given) -> Vec<String> {
    let service = given.text("actors-service");
    let older = service.strip_prefix("placement:").unwrap_or(service);
    let addresses = given.non_empty("placement-host-address").unwrap_or(older);
    unless_blank(addresses.split(',').map(str::to_owned).collect())
}

/// Where the scheduler is: the flag, or `DAPR_SCHEDULER_HOST_ADDRESS_DNS_A` when it is not given.
pub(super) fn schedulers(given: &Given, environment: &Environment) -> Vec<String> {
    let variable = environment.get("DAPR_SCHEDULER_HOST_ADDRESS_DNS_A");
    match variable.filter(|_| !given.is_set("scheduler-host-address")) {
        Some(addresses) => unless_blank(addresses.split(',').map(str::to_owned).collect()),
        None => unless_blank(given.list("scheduler-host-address")),
    }
}

/// A single address of nothing but blanks within quotes counts as none, as in the target: manifests write `""` and `' '`.
fn unless_blank(addresses: Vec<String>) -> Vec<String> {
    match addresses.as_slice() {
        [only] if only.trim_matches(['"', '\'']).trim().is_empty() => Vec::new(),
        _ => addresses,
    }
}
