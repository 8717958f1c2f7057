//! Who on this machine has an identity: sidecars with mTLS, and the folders of sentries, found among the processes. Used by
//! `certs check`.

use std::time::{Duration, SystemTime};

use crate::instances;
use crate::session::Session;

/// A sidecar that runs with mTLS.
pub(crate) struct Holder {
    /// Which one, for people.
    pub(crate) name: String,
    /// The id it says it has, and until when, if it says so.
    pub(crate) told: Option<(String, SystemTime)>,
    /// Where it shows its certificate to other sidecars, if that is known.
    pub(crate) address: Option<String>,
}

/// Every sidecar of this machine that was started with mTLS.
pub(crate) async fn of_sidecars(session: &Session) -> Vec<Holder> {
    let mut holders = Vec::new();
    for process in instances::processes() {
        let Some(record) = process.sidecar() else { continue };
        if !matches!(process.flag("enable-mtls"), Some("" | "true" | "True" | "TRUE" | "t" | "T" | "1")) {
            continue;
        }
        let port = process.flag("dapr-internal-grpc-port").and_then(|port| port.parse::<u16>().ok());
        holders.push(Holder {
            name: format!("{} (process {})", record.app_id, record.sidecar.pid),
            told: instances::extended_metadata(&record, session).await.and_then(|told| read(&told)),
            address: port.filter(|port| *port > 0).map(|port| format!("{}:{port}", record.host)),
        });
    }
    holders
}

/// What our sidecars say of themselves.
fn read(extended: &serde_json::Value) -> Option<(String, SystemTime)> {
    let text = |key: &str| extended.get(key).and_then(serde_json::Value::as_str);
    let seconds = text("trilbyIdentityUntil")?.parse().ok()?;
    Some((text("trilbyIdentity")?.to_owned(), SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?))
}

/// The folders of the sentries that run on this machine.
pub(crate) fn folders_of_sentries() -> Vec<String> {
    const DEFAULT: &str = "/var/run/secrets/dapr.io/credentials";
    let sentries = instances::processes().into_iter().filter(|process| process.role() == "sentry");
    sentries
        .map(|process| {
            process.flag("issuer-credentials").filter(|folder| !folder.is_empty()).unwrap_or(DEFAULT).to_owned()
        })
        .collect()
}
