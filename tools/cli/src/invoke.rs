//! The command `invoke`: calls a method of an app through its own sidecar on this machine, and prints the answer.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::ArgMatches;
use http::Method;

use crate::instances;
use crate::session::Session;

/// Calls and prints. A status below 200 or from 400 on is an error that shows what the app answered.
pub(crate) async fn invoke(matches: &ArgMatches, session: &Session) -> Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let (id, method, verb) = (text("app-id"), text("method"), text("verb"));
    let data = payload(text("data"), text("data-file"))?;
    let verb: Method = verb.to_uppercase().parse().with_context(|| format!("{verb} is no HTTP verb"))?;
    let records = instances::all(session).await;
    let Some(record) = records.iter().find(|record| record.app_id == id) else {
        bail!("app ID {id} not found; `list` shows what runs")
    };
    let folder = Some(text("unix-domain-socket")).filter(|folder| !folder.is_empty());
    let api = instances::api(record, folder, session);
    let path = format!("/v1.0/invoke/{id}/method/{}", method.trim_start_matches('/'));
    let answer = api.call(verb, &path, data).await;
    let answer = answer.with_context(|| format!("error invoking app {id} on {}", api.place()))?;
    if answer.status.is_informational() || answer.status.is_client_error() || answer.status.is_server_error() {
        let body = String::from_utf8_lossy(&answer.body);
        bail!("error invoking app {id}: {} {}", answer.status, body.trim());
    }
    if !answer.body.is_empty() {
        let mut body = answer.body.to_vec();
        body.push(b'\n');
        session.console.print(body);
    }
    session.console.success("App invoked successfully");
    Ok(())
}

/// The data of a message: what is given, or what stands in a file.
pub(crate) fn payload(data: &str, file: &str) -> Result<Bytes> {
    match (data, file) {
        ("", "") => Ok(Bytes::new()),
        (data, "") => Ok(Bytes::copy_from_slice(data.as_bytes())),
        ("", file) => std::fs::read(file).map(Bytes::from).with_context(|| format!("cannot read the data file {file}")),
        _ => bail!("only one of --data and --data-file can be given"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_from_one_place() {
        assert_eq!(payload("{}", "").unwrap(), "{}");
        assert!(payload("{}", "file").is_err());
        assert!(payload("", "/does/not/exist").unwrap_err().to_string().contains("/does/not/exist"));
    }
}
