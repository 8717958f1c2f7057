//! `hub status`: process, socket, data folder, version, clients, keys, size, topics. Called by `commands`.

use std::fmt::Write as _;

use wire::hub::{StatusResponse, Topic};

use super::{PATIENCE, client, explain, topics};
use crate::options::Place;

/// The status as text.
pub(super) async fn status(place: &Place, json: bool) -> Result<String, String> {
    let client = client(place, PATIENCE);
    let status = client.status().await.map_err(|error| explain(&error))?;
    let topics = topics::if_any(&client).await?;
    Ok(if json { as_json(&status, &topics) } else { as_text(&status, &topics) })
}

fn as_text(status: &StatusResponse, topics: &[Topic]) -> String {
    let StatusResponse { pid, version, protocol, socket, data_folder, keys, revision, .. } = status;
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name:<12}{value}");
    };
    line("process", pid);
    line("version", &format_args!("{version} (protocol {protocol})"));
    line("since", &since(status.started));
    line("socket", socket);
    line("data", data_folder);
    line("keys", &format_args!("{keys} (revision {revision})"));
    line("size", &format_args!("{} KiB", status.bytes.div_ceil(1024)));
    line("topics", &topics::summary(topics));
    line("clients", &status.clients.len());
    for client in &status.clients {
        line("", &format_args!("{} (process {})", client.name, client.pid));
    }
    if !status.failure.is_empty() {
        line("FAILED", &status.failure);
    }
    text
}

fn since(milliseconds: u64) -> String {
    let known = i64::try_from(milliseconds).ok().and_then(|since| jiff::Timestamp::from_millisecond(since).ok());
    known.map(|since| since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

fn as_json(status: &StatusResponse, topics: &[Topic]) -> String {
    let clients: Vec<_> =
        status.clients.iter().map(|client| serde_json::json!({ "name": client.name, "pid": client.pid })).collect();
    let value = serde_json::json!({
        "pid": status.pid,
        "version": status.version,
        "protocol": status.protocol,
        "since": since(status.started),
        "socket": status.socket,
        "dataFolder": status.data_folder,
        "keys": status.keys,
        "revision": status.revision,
        "bytes": status.bytes,
        "topics": topics::value(topics),
        "clients": clients,
        "failure": status.failure,
    });
    format!("{value}\n")
}
