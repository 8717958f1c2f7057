//! Proof that what is measured does its work: its metrics count the calls that were sent, a forbidden call is denied, a body that is
//! too long is refused, and the build has every component. Called by `compare`, of each side.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;

use super::case::{Case, Kind};
use super::results::Results;
use super::stage::{Stage, Troupe};
use crate::client::{Call, Http, Protocol};
use crate::fleet::{Extras, Fleet, Side};
use crate::sidecar::Sidecar;

/// The limit of a body is 4 MiB when nobody sets another.
const TOO_LONG: usize = (4 << 20) + 1;
const COUNTED_WITHIN: Duration = Duration::from_secs(5);
const DENIED_WITHIN: Duration = Duration::from_secs(20);
const DENY: &str = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: deny}\nspec:\n  accessControl:\n    \
     defaultAction: deny\n    trustDomain: public\n";
/// One type of each component crate of the full build that the target has too; they need not work here, only be known.
const TYPES: &[&str] = &[
    "conversation.echo",
    "crypto.dapr.jwks",
    "lock.redis",
    "middleware.http.uppercase",
    "secretstores.kubernetes",
    "secretstores.local.env",
    "state.etcd",
    "state.in-memory",
    "state.postgresql",
    "state.redis",
    "state.sqlite",
];
/// Those the target has not.
const OWN_TYPES: &[&str] = &["state.embedded"];

/// The metrics that count a case, and whether the callee counts them.
fn families(case: Case) -> Vec<(&'static str, bool)> {
    let door = match case.protocol {
        Protocol::Grpc => Some("dapr_grpc_io_server_completed_rpcs"),
        // The target counts none of some and few of other calls at its HTTP door; the other families count all.
        Protocol::Http => None,
    };
    let mut families = match case.kind {
        Kind::Invoke => vec![
            ("dapr_runtime_service_invocation_req_sent_total", false),
            ("dapr_runtime_service_invocation_req_recv_total", true),
        ],
        // The target does not count at the callee what passes through.
        Kind::ProxyUnary | Kind::ProxyStream => vec![("dapr_runtime_service_invocation_req_sent_total", false)],
        Kind::StateGet | Kind::StateSet => vec![("dapr_component_state_count", false)],
        Kind::Publish => vec![("dapr_component_pubsub_egress_count", false)],
        Kind::Deliver => {
            vec![("dapr_component_pubsub_egress_count", false), ("dapr_component_pubsub_ingress_count", false)]
        }
    };
    families.extend(door.map(|door| (door, false)));
    families
}

/// What the metrics of one side said at a moment.
pub(crate) struct Counted(Vec<(&'static str, u64)>);

/// Reads the metrics that count this case.
///
/// # Errors
/// When a metrics port does not answer.
pub(crate) async fn count(troupe: &Troupe, case: Case) -> anyhow::Result<Counted> {
    let callee = troupe.grpc_callee.as_ref().filter(|_| case.calls_grpc_app()).unwrap_or(&troupe.callee);
    let subscriber =
        troupe.subscribers.iter().find(|(backend, ..)| *backend == case.backend).map(|(.., sidecar)| sidecar);
    let caller = subscriber.filter(|_| case.kind == Kind::Deliver).unwrap_or(&troupe.caller);
    let mut counted = Vec::new();
    for (family, at_callee) in families(case) {
        let sidecar: &Sidecar = if at_callee { callee } else { caller };
        counted.push((family, sidecar.metric(family).await?));
    }
    Ok(Counted(counted))
}

/// Reads them again and again until they count all calls, or for so long that they never will: a process may count later than it
/// answers.
///
/// # Errors
/// When a metrics port does not answer.
pub(crate) async fn count_all(troupe: &Troupe, case: Case, (before, sent): (&Counted, u64)) -> anyhow::Result<Counted> {
    let started = Instant::now();
    loop {
        let now = count(troupe, case).await?;
        if started.elapsed() > COUNTED_WITHIN || before.missing(&now, sent).is_empty() {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Counted {
    /// The families that do not count all calls that were sent between two readings, and what they count.
    fn missing(&self, after: &Self, sent: u64) -> Vec<(&'static str, u64)> {
        let grown =
            self.0.iter().zip(&after.0).map(|((family, before), (_, after))| (*family, after.saturating_sub(*before)));
        // What is still on its way when the metrics are read may be missing: one in a thousand.
        grown.filter(|(_, counted)| counted + sent / 1000 < sent).collect()
    }
}

/// Holds two readings against the calls that were sent between them; whether every family counted them all.
pub(crate) fn tell(results: &mut Results, what: &str, before: &Counted, after: &Counted, sent: u64) -> bool {
    let missing = before.missing(after, sent);
    let proven = missing.is_empty();
    for (family, counted) in missing {
        results.tell(format!("NOT COUNTED {what}: {family} grew by {counted}, and {sent} calls were sent"));
    }
    if proven {
        results.tell(format!("COUNTED {what}: all {sent} calls are in its metrics"));
    }
    proven
}

/// A forbidden call, a body that is too long, the components of the build; whether all was as it should be of ours. What the peer does
/// otherwise, or was built without, is told.
///
/// # Errors
/// When a sidecar does not start or answer.
pub(crate) async fn behaves(fleet: &Fleet, stage: &Stage, results: &mut Results) -> anyhow::Result<bool> {
    let mut proven = true;
    for troupe in &stage.troupes {
        let name = troupe.side.name();
        for (what, found) in [
            ("denies a forbidden call", denies(fleet, stage, troupe).await),
            ("refuses a body over 4 MiB", refuses(fleet, troupe).await),
        ] {
            match found {
                Ok(()) => results.tell(format!("PROVEN {name} {what}")),
                Err(error) => {
                    results.tell(format!("NOT PROVEN {name} {what}: {error:#}"));
                    proven &= troupe.side == Side::Peer;
                }
            }
        }
        let unknown = unknown(fleet, troupe.side).await?;
        proven &= tell_unknown(results, troupe.side, &unknown);
    }
    Ok(proven)
}

/// Tells which types a side does not know; whether it is ours and knows too little.
fn tell_unknown(results: &mut Results, side: Side, unknown: &[&str]) -> bool {
    let (name, lacks) = (side.name(), unknown.join(", "));
    results.tell(match (side, unknown.is_empty()) {
        (_, true) => format!("PROVEN {name} has the components of the full build"),
        (Side::Ours, false) => format!("NOT PROVEN {name} has the components of the full build: it lacks {lacks}"),
        // It has less to load and to hold than ours: that is in its favour.
        (Side::Peer, false) => format!("TOLD {name} was built without {lacks}"),
    });
    unknown.is_empty() || side == Side::Peer
}

async fn denies(fleet: &Fleet, stage: &Stage, troupe: &Troupe) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("deny.yaml");
    std::fs::write(&file, DENY)?;
    let file = file.display().to_string();
    let extras = Extras { flags: &["--config", &file], ..Extras::default() };
    let strict = fleet.start_with(troupe.side, "denying", Some(stage.app.http_port()), &extras).await?;
    let call = Call::get(&format!("/v1.0/invoke/{}/method/hello", strict.app_id));
    let started = Instant::now();
    loop {
        let answer = Http::connect(troupe.caller.http, &fleet.tasks).await?.call(&call).await?;
        ensure!(!answer.status.is_success(), "it was answered {} {:?}", answer.status, answer.body);
        if answer.status.as_u16() == 403 {
            return strict.stop().await;
        }
        // Until it is found, calls fail otherwise.
        ensure!(started.elapsed() < DENIED_WITHIN, "it was answered {} {:?}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn refuses(fleet: &Fleet, troupe: &Troupe) -> anyhow::Result<()> {
    let path = format!("/v1.0/invoke/{}/method/echo", troupe.callee.app_id);
    let call = Call::post(&path, "application/octet-stream", Bytes::from(vec![b'x'; TOO_LONG]));
    let mut client = Http::connect(troupe.caller.http, &fleet.tasks).await?;
    // The connection may be closed under the body: that is a refusal too.
    if let Ok(answer) = client.call(&call).await {
        ensure!(answer.status.as_u16() >= 400, "it was answered {}", answer.status);
    }
    let small = Call::post(&path, "application/octet-stream", Bytes::from_static(b"x"));
    let answer = Http::connect(troupe.caller.http, &fleet.tasks).await?.call(&small).await?;
    ensure!(answer.status.is_success(), "and afterwards a short one too: {}", answer.status);
    Ok(())
}

/// The types of the full build that a side does not know.
async fn unknown(fleet: &Fleet, side: Side) -> anyhow::Result<Vec<&'static str>> {
    let own = OWN_TYPES.iter().filter(|_| side == Side::Ours);
    let wanted: Vec<&'static str> = TYPES.iter().chain(own).copied().collect();
    let document = |kind: &&str| {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {}}}\nspec:\n  type: {kind}\n  version: v1\n  \
             ignoreErrors: true\n  initTimeout: 1s\n",
            kind.replace('.', "-")
        )
    };
    let resources: Vec<String> = wanted.iter().map(document).collect();
    let extras = Extras { resources: &resources, ..Extras::default() };
    let sidecar = fleet.start_with(side, "full", None, &extras).await?;
    let log = sidecar.log();
    sidecar.stop().await?;
    Ok(wanted.into_iter().filter(|kind| is_unknown(&log, kind)).collect())
}

/// Whether a log says that nothing of this type can be made.
fn is_unknown(log: &str, kind: &str) -> bool {
    let named = format!("{kind}/v1");
    log.lines().any(|line| line.contains("couldn't find") && line.contains(&named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ours_lacks_is_a_fault_and_what_the_peer_lacks_is_told() {
        let mut results = Results::default();
        assert!(tell_unknown(&mut results, Side::Ours, &[]));
        assert!(!tell_unknown(&mut results, Side::Ours, &["lock.redis"]));
        assert!(tell_unknown(&mut results, Side::Peer, &["lock.redis"]));
        assert!(results.lines[1].starts_with("NOT PROVEN ours") && results.lines[1].contains("lock.redis"));
        assert!(results.lines[2].starts_with("TOLD peer"));
    }

    #[test]
    fn a_type_is_unknown_when_the_log_says_so_of_it() {
        let log = "level=warning msg=\"couldn't find lock store lock.redis/v1\"\nlevel=info msg=\"state.redis/v1\"\n";
        assert!(is_unknown(log, "lock.redis") && !is_unknown(log, "state.redis"));
    }

    #[test]
    fn calls_that_are_not_counted_are_told() {
        let mut results = Results::default();
        let reading = |sent, received| Counted(vec![("sent", sent), ("received", received)]);
        assert!(tell(&mut results, "a case", &reading(5, 5), &reading(10_005, 9_995), 10_000));
        assert!(!tell(&mut results, "a case", &reading(0, 0), &reading(10_000, 0), 10_000));
        assert_eq!(results.lines.len(), 2);
        assert!(results.lines[1].contains("received grew by 0, and 10000 calls were sent"));
    }
}
