//! The command `publish`: publishes a message through the sidecar of an app on this machine, as that app.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use clap::ArgMatches;
use http::Method;
use serde_json::{Map, Value};

use crate::instances;
use crate::invoke::payload;
use crate::session::Session;

/// Publishes and says so. What the sidecar refuses is an error with its own words.
pub(crate) async fn publish(matches: &ArgMatches, session: &Session) -> Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let (id, pubsub, topic) = (text("publish-app-id"), text("pubsub"), text("topic"));
    for (flag, value) in [("--publish-app-id", id), ("--pubsub", pubsub), ("--topic", topic)] {
        if value.is_empty() {
            bail!("{flag} is empty");
        }
    }
    let data = payload(text("data"), text("data-file"))?;
    let path = path(pubsub, topic, text("metadata"))?;
    let records = instances::all(session).await;
    let Some(record) = records.iter().find(|record| record.app_id == id) else {
        bail!("app ID {id} not found; `list` shows what runs")
    };
    let folder = Some(text("unix-domain-socket")).filter(|folder| !folder.is_empty());
    let api = instances::api(record, folder, session);
    let answer = api.call_with(Method::POST, &path, (content_type(&data), data)).await;
    let answer = answer.with_context(|| format!("error publishing topic {topic} on {}", api.place()))?;
    if !answer.status.is_success() {
        let body = String::from_utf8_lossy(&answer.body);
        bail!("error publishing topic {topic}: {} {}", answer.status, body.trim());
    }
    session.console.success("Event published successfully");
    Ok(())
}

/// Data with all that makes a cloud event is sent as one, as by the target's command.
fn content_type(data: &[u8]) -> &'static str {
    let event: Map<String, Value> = serde_json::from_slice(data).unwrap_or_default();
    let needed = ["id", "source", "specversion", "type", "data"];
    if needed.iter().all(|name| event.contains_key(*name)) {
        "application/cloudevents+json"
    } else {
        "application/json"
    }
}

/// The path of the API, with metadata in its query string.
fn path(pubsub: &str, topic: &str, metadata: &str) -> Result<String> {
    let metadata: Map<String, Value> = match metadata {
        "" => Map::new(),
        text => serde_json::from_str(text).context("--metadata is no JSON object")?,
    };
    let mut path = String::from("/v1.0/publish/");
    encode(pubsub, &mut path);
    path.push('/');
    encode(topic, &mut path);
    for (index, (name, value)) in metadata.iter().enumerate() {
        path.push_str(if index == 0 { "?metadata." } else { "&metadata." });
        encode(name, &mut path);
        path.push('=');
        encode(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), &mut path);
    }
    Ok(path)
}

/// Appends a text so that it is one part of a path or query string, whatever stands in it.
fn encode(text: &str, path: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => path.push(char::from(byte)),
            // Writing into a String cannot fail.
            byte => drop(write!(path, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_metadata_stand_in_the_path_whatever_they_contain() {
        let metadata = r#"{"rawPayload":"true","ttlInSeconds":10,"k&":"a b"}"#;
        assert_eq!(
            path("my/pubsub", "a/b?c", metadata).unwrap(),
            "/v1.0/publish/my%2Fpubsub/a%2Fb%3Fc?metadata.k%26=a%20b&metadata.rawPayload=true&metadata.ttlInSeconds=10"
        );
        assert_eq!(path("p", "t", "").unwrap(), "/v1.0/publish/p/t");
        assert!(path("p", "t", "[]").unwrap_err().to_string().contains("--metadata"));
    }

    #[test]
    fn a_cloud_event_is_sent_as_one() {
        let event = br#"{"id":"1","source":"s","specversion":"1.0","type":"t","data":{}}"#;
        assert_eq!(content_type(event), "application/cloudevents+json");
        for data in [&b"{\"id\":\"1\"}"[..], b"[]", b"", b"not json"] {
            assert_eq!(content_type(data), "application/json");
        }
    }
}
