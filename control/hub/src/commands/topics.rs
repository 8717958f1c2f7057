//! `hub topics`: the topics of the hub and their groups. Called by `commands`.

use std::fmt::Write as _;

use hubclient::{Client, Error};
use wire::hub::Topic;

use super::explain;

/// The topics as text or JSON.
pub(super) async fn topics(client: &Client, json: bool) -> Result<String, String> {
    let topics = client.topics().await.map_err(|error| explain(&error))?;
    Ok(if json { as_json(&topics) } else { as_text(&topics) })
}

/// The topics, or none for a hub that is too old to have any.
pub(super) async fn if_any(client: &Client) -> Result<Vec<Topic>, String> {
    match client.topics().await {
        Ok(topics) => Ok(topics),
        Err(Error::Refused(_) | Error::Failed(_) | Error::Broken(_)) => Ok(Vec::new()),
        Err(error) => Err(explain(&error)),
    }
}

/// One line for all topics.
pub(super) fn summary(topics: &[Topic]) -> String {
    let messages: u64 = topics.iter().map(|topic| topic.messages).sum();
    let delayed: u64 = topics.iter().map(|topic| topic.delayed).sum();
    let groups: usize = topics.iter().map(|topic| topic.groups.len()).sum();
    format!("{} ({groups} groups, {messages} messages wait, {delayed} are delayed)", topics.len())
}

fn as_text(topics: &[Topic]) -> String {
    if topics.is_empty() {
        return "There are no topics.\n".to_owned();
    }
    let mut text = String::new();
    for topic in topics {
        let Topic { database, topic, messages, delayed, bytes, groups } = topic;
        let _ = writeln!(
            text,
            "{topic} (database {database}): {messages} messages, {delayed} delayed, {} KiB",
            bytes.div_ceil(1024)
        );
        for group in groups {
            let _ = writeln!(
                text,
                "  {}: {} wait, {} in flight, {} consumers",
                group.group,
                group.waiting.saturating_sub(group.held),
                group.held,
                group.consumers
            );
        }
    }
    text
}

/// The topics as a JSON value.
pub(super) fn value(topics: &[Topic]) -> serde_json::Value {
    let group = |group: &wire::hub::TopicGroup| {
        serde_json::json!({
            "group": group.group,
            "waiting": group.waiting,
            "inFlight": group.held,
            "consumers": group.consumers,
        })
    };
    let topic = |topic: &Topic| {
        serde_json::json!({
            "database": topic.database,
            "topic": topic.topic,
            "messages": topic.messages,
            "delayed": topic.delayed,
            "bytes": topic.bytes,
            "groups": topic.groups.iter().map(group).collect::<Vec<_>>(),
        })
    };
    topics.iter().map(topic).collect()
}

fn as_json(topics: &[Topic]) -> String {
    format!("{}\n", value(topics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_shown_with_its_groups() {
        let group = wire::hub::TopicGroup { group: "app".to_owned(), waiting: 5, held: 2, consumers: 1 };
        let topic = Topic {
            database: "default".to_owned(),
            topic: "orders".to_owned(),
            messages: 7,
            delayed: 1,
            bytes: 1025,
            groups: vec![group],
        };
        let topics = [topic];
        assert_eq!(
            as_text(&topics),
            "orders (database default): 7 messages, 1 delayed, 2 KiB\n  app: 3 wait, 2 in flight, 1 consumers\n"
        );
        assert_eq!(summary(&topics), "1 (1 groups, 7 messages wait, 1 are delayed)");
        assert_eq!(value(&topics)[0]["groups"][0]["waiting"], 5);
        assert_eq!(as_text(&[]), "There are no topics.\n");
    }
}
