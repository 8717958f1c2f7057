//! The command `certs check`: who holds which certificate, and until when. It reads sentry's folder, asks the sidecars of this
//! machine, and looks at ports that show certificates. It changes nothing and trusts nobody: it reports what it sees.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::ArgMatches;
use rustls_pki_types::CertificateDer;
use security::certificate;
use serde::Serialize;
use service::{Dialer, Stream};

use crate::session::Session;
use crate::{identities, table};

/// The files of sentry's folder that hold certificates, and what each is.
const FILES: [(&str, &str); 3] =
    [("ca.crt", "trust anchor"), ("issuer.crt", "issuer"), ("next-issuer.crt", "next issuer")];
/// How long a port may take to show its certificate.
const LIMIT: Duration = Duration::from_secs(5);
const DAY: u64 = 24 * 3600;
/// Certificates that live for less are renewed by themselves: nobody is warned that they end soon.
const SHORT_LIFE: Duration = Duration::from_secs(14 * DAY);

/// One certificate that somebody holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    holder: String,
    what: &'static str,
    name: String,
    until: String,
    left: String,
    state: &'static str,
}

/// Prints the certificates; an error when one has ended or cannot be read. With a folder or an address only those are looked at.
pub(crate) async fn check(matches: &ArgMatches, session: &Session) -> Result<()> {
    let output = matches.get_one::<String>("output").map(String::as_str).unwrap_or_default();
    if !["", "table", "json"].contains(&output) {
        bail!("the output form {output} is unknown; use json or table");
    }
    let days = matches.get_one::<i64>("days").copied().and_then(|days| u64::try_from(days).ok()).unwrap_or(30);
    let judge = Judge { now: SystemTime::now(), soon: Duration::from_secs(days * DAY) };
    let given = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
    let (mut folders, addresses) = (given("issuer-credentials"), given("address"));
    let everything = folders.is_empty() && addresses.is_empty();
    let mut report = Report { judge, rows: Vec::new(), problems: Vec::new() };
    if everything {
        folders = identities::folders_of_sentries();
    }
    for folder in folders.into_iter().collect::<BTreeSet<_>>() {
        report.folder(&PathBuf::from(folder));
    }
    for address in addresses {
        report.port(&address, &address).await;
    }
    if everything {
        report.instances(session).await;
    }
    report.print(output, session)
}

struct Judge {
    now: SystemTime,
    soon: Duration,
}

impl Judge {
    fn state(&self, from: SystemTime, until: SystemTime) -> &'static str {
        let life = until.duration_since(from).unwrap_or_default();
        match until.duration_since(self.now) {
            Err(_) => "ENDED",
            Ok(_) if from > self.now => "NOT YET",
            Ok(left) if left < self.soon && life > SHORT_LIFE => "ends soon",
            Ok(_) => "good",
        }
    }
}

/// What is known of one certificate.
struct Held {
    what: &'static str,
    name: String,
    until: SystemTime,
    state: &'static str,
}

struct Report {
    judge: Judge,
    rows: Vec<Row>,
    problems: Vec<String>,
}

impl Report {
    fn certificate(&mut self, holder: &str, what: &'static str, held: &CertificateDer<'_>) {
        let read = certificate::name(held).and_then(|name| Ok((name, certificate::validity(held)?)));
        match read {
            Ok((name, validity)) => {
                let state = self.judge.state(validity.from, validity.until);
                self.row(holder, Held { what, name, until: validity.until, state });
            }
            Err(error) => self.problems.push(format!("{holder}, {what}: {error}")),
        }
    }

    fn row(&mut self, holder: &str, Held { what, name, until, state }: Held) {
        if matches!(state, "ENDED" | "NOT YET") {
            self.problems.push(format!("the {what} of {holder} does not count: {state}"));
        }
        let left = until.duration_since(self.judge.now).unwrap_or_default().as_secs();
        let left = match left {
            0..120 => format!("{left}s"),
            120..7200 => format!("{}m", left / 60),
            7200..172_800 => format!("{}h", left / 3600),
            _ => format!("{}d", left / DAY),
        };
        let holder = holder.to_owned();
        self.rows.push(Row { holder, what, name, until: written(until), left, state });
    }

    fn folder(&mut self, folder: &Path) {
        let holder = format!("sentry in {}", folder.display());
        let mut found = false;
        for (file, what) in FILES {
            let path = folder.join(file);
            let read = match std::fs::read(&path) {
                Ok(text) => certificate::from_pem(&text).map_err(|error| error.to_string()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(error.to_string()),
            };
            found = true;
            match read {
                Ok(certificates) => {
                    certificates.iter().for_each(|certificate| self.certificate(&holder, what, certificate));
                }
                Err(error) => self.problems.push(format!("{}: {error}", path.display())),
            }
        }
        if !found {
            self.problems.push(format!("{} holds no certificates of sentry (ca.crt, issuer.crt)", folder.display()));
        }
    }

    async fn port(&mut self, holder: &str, address: &str) {
        match shown(address).await {
            Ok(leaf) => self.certificate(holder, "identity", &leaf),
            Err(error) => self.problems.push(format!("{holder} at {address}: {error:#}")),
        }
    }

    /// What the sidecars of this machine say of themselves, or show.
    async fn instances(&mut self, session: &Session) {
        for holder in identities::of_sidecars(session).await {
            match (holder.told, holder.address) {
                (Some((name, until)), _) => {
                    let state = if until < self.judge.now { "ENDED" } else { "good" };
                    self.row(&holder.name, Held { what: "identity", name, until, state });
                }
                (None, Some(address)) => self.port(&holder.name, &address).await,
                (None, None) => self
                    .problems
                    .push(format!("{} does not answer, and where it shows its certificate is not known", holder.name)),
            }
        }
    }

    fn print(self, output: &str, session: &Session) -> Result<()> {
        match output {
            "json" => session.console.print(format!("{}\n", serde_json::to_string_pretty(&self.rows)?)),
            _ if self.rows.is_empty() => session.console.print("No certificates found.\n"),
            _ => {
                let cells = |row: &Row| {
                    [&row.holder, row.what, &row.name, &row.until, &row.left, row.state].map(ToString::to_string)
                };
                let rows = self.rows.iter().map(|row| cells(row).to_vec()).collect();
                session.console.print(table::render(&["HOLDER", "WHAT", "NAME", "UNTIL", "LEFT", "STATE"], rows));
            }
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        bail!("{}", self.problems.join("; "))
    }
}

/// The certificate that a port shows to anybody.
async fn shown(address: &str) -> Result<CertificateDer<'static>> {
    let (host, port) = address.rsplit_once(':').with_context(|| format!("{address} is not host:port"))?;
    let port = port.parse().with_context(|| format!("{address} is not host:port"))?;
    let dialer = Dialer::with_tls(|| security::tls::insecure(&[b"h2"]).map_err(io::Error::other));
    let stream = tokio::time::timeout(LIMIT, dialer.connect(host, port, true)).await.context("no answer in time")??;
    let Stream::Tls(stream) = stream else { bail!("it does not speak TLS") };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    Ok(shown.context("it shows no certificate")?.clone().into_owned())
}

fn written(moment: SystemTime) -> String {
    jiff::Timestamp::try_from(moment)
        .map_or_else(|_| String::new(), |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_or_ends_soon_is_told_but_not_of_what_renews_itself() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 * DAY);
        let judge = Judge { now, soon: Duration::from_secs(30 * DAY) };
        let days = |days: u64| Duration::from_secs(days * DAY);
        assert_eq!(judge.state(now - days(10), now + days(355)), "good");
        assert_eq!(judge.state(now - days(340), now + days(25)), "ends soon");
        assert_eq!(judge.state(now - days(1), now + Duration::from_secs(60)), "good");
        assert_eq!(judge.state(now - days(366), now - days(1)), "ENDED");
        assert_eq!(judge.state(now + days(1), now + days(2)), "NOT YET");
    }
}
