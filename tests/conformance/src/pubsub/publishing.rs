//! What was published arrives as it was.

use std::collections::BTreeMap;

use bytes::Bytes;
use component::CallContext;
use component::pubsub::{BulkPublishEntry, BulkPublishRequest, Delivery, Settlement};
use tokio::task::JoinSet;

use super::Subject;
use super::hearing::{handled, numbered};
use super::subject::named;

const PUBLISHERS: usize = 8;
const EACH: usize = 40;

async fn take(delivery: Delivery) -> component::pubsub::Message {
    let message = delivery.message.clone();
    delivery.settle(Settlement::Ack).await.expect("it can be acknowledged");
    message
}

pub(super) async fn messages_come_byte_for_byte(subject: Subject) {
    let mut hearing = subject.subscribe("bytes").await;
    let every_byte: Vec<u8> = (0..=255).collect();
    for data in [&every_byte[..], b"", b"\0", b"{\"a\": 1}", b"\xff\xfe", "\u{feff}text\r\n".as_bytes(), b" "] {
        subject.publish_all(&subject.message("bytes", Bytes::copy_from_slice(data))).await;
        let message = take(hearing.next().await).await;
        assert_eq!(message.data, data);
        assert_eq!(message.topic, hearing.topic);
    }
}

pub(super) async fn a_message_of_a_megabyte_comes_whole(subject: Subject) {
    let mut hearing = subject.subscribe("big").await;
    let data = Bytes::from((0..1 << 20).map(|_| fastrand::u8(..)).collect::<Vec<u8>>());
    subject.publish_all(&subject.message("big", data.clone())).await;
    let message = take(hearing.next().await).await;
    assert!(message.data == data, "{} bytes came, and not the same", message.data.len());
}

pub(super) async fn odd_names_of_topics_are_kept_apart(subject: Subject) {
    let mut all = Vec::new();
    for name in subject.backend.profile.odd_topics.iter().copied() {
        all.push((name, subject.subscribe(name).await));
    }
    for (name, _) in &all {
        subject.publish(name, name).await;
    }
    for (name, hearing) in &mut all {
        let message = hearing.next().await.message;
        assert_eq!((&message.topic, &message.data[..]), (&hearing.topic, name.as_bytes()));
    }
}

pub(super) async fn the_content_type_comes_with_the_message(subject: Subject) {
    let mut hearing = subject.subscribe("typed").await;
    for content_type in ["application/json", "text/plain; charset=utf-8", "application/cloudevents+json"] {
        let mut request = subject.message("typed", "x");
        request.content_type = Some(content_type.to_owned());
        subject.publish_all(&request).await;
        assert_eq!(take(hearing.next().await).await.content_type.as_deref(), Some(content_type));
    }
}

pub(super) async fn metadata_comes_with_the_message(subject: Subject) {
    let mut hearing = subject.subscribe("described").await;
    let metadata = [("my-own", "value"), ("UPPER", "ünïcode \" \\ \n"), ("empty", "")];
    subject.publish_with("described", "x", &metadata).await;
    let message = take(hearing.next().await).await;
    for (name, value) in named(&metadata) {
        assert_eq!(message.metadata.get(&name), Some(&value), "{name} of {:?}", message.metadata);
    }
}

pub(super) async fn messages_of_many_publishers_all_come_once(subject: Subject) {
    let mut hearing = subject.subscribe("busy").await;
    let other = subject.another().await;
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let own = if publisher % 2 == 0 { subject.clone() } else { other.clone() };
        publishers.spawn(async move {
            for text in numbered(&format!("of {publisher}:"), EACH) {
                own.publish("busy", &text).await;
            }
        });
    }
    let expected: Vec<String> = (0..PUBLISHERS).flat_map(|own| numbered(&format!("of {own}:"), EACH)).collect();
    let heard = hearing.handles(&expected).await;
    assert!(heard.values().all(|times| *times == 1) && heard.len() == expected.len(), "{heard:?}");
    publishers.join_all().await;
}

pub(super) async fn messages_come_in_their_order(subject: Subject) {
    let mut hearing = subject.subscribe("row").await;
    let texts = numbered("row", 200);
    for text in &texts {
        subject.publish("row", text).await;
    }
    let mut heard = Vec::new();
    while heard.len() < texts.len() {
        heard.push(handled(hearing.next().await).await);
    }
    assert_eq!(heard, texts);
}

pub(super) async fn publishing_to_a_topic_without_subscribers_is_no_error(subject: Subject) {
    for text in numbered("unheard", 20) {
        subject.publish("nobody", &text).await;
    }
    let mut hearing = subject.subscribe("nobody").await;
    subject.publish("nobody", "heard").await;
    hearing.handles(&["heard".to_owned()]).await;
}

fn bulk(subject: &Subject, topic: &str, entries: Vec<BulkPublishEntry>) -> BulkPublishRequest {
    BulkPublishRequest { topic: subject.topic(topic), entries, ..BulkPublishRequest::default() }
}

fn entry(number: usize, content_type: &str) -> BulkPublishEntry {
    BulkPublishEntry {
        id: format!("id {number}"),
        data: Bytes::from(format!("entry {number}")),
        content_type: content_type.to_owned(),
        ..BulkPublishEntry::default()
    }
}

async fn publish_bulk(subject: &Subject, request: &BulkPublishRequest) {
    let publisher = subject.broker.bulk_publisher().expect("the broker has it");
    let done = publisher.bulk_publish(&CallContext::default(), request).await;
    done.unwrap_or_else(|failure| panic!("{:?}", failure.entries));
}

pub(super) async fn all_messages_of_a_bulk_come(subject: Subject) {
    let mut hearing = subject.subscribe("bulk").await;
    for count in [1, 10, 300] {
        let entries = (0..count).map(|number| entry(number, "text/plain")).collect();
        publish_bulk(&subject, &bulk(&subject, "bulk", entries)).await;
        let heard = hearing.handles(&numbered("entry", count)).await;
        assert!(heard.values().all(|times| *times == 1) && heard.len() == count, "{heard:?}");
    }
}

pub(super) async fn a_bulk_keeps_what_each_entry_has_of_its_own(subject: Subject) {
    let mut hearing = subject.subscribe("bulk").await;
    let types = ["text/plain", "application/json", "application/octet-stream"];
    let entries: Vec<_> = types.iter().enumerate().map(|(number, name)| entry(number, name)).collect();
    publish_bulk(&subject, &bulk(&subject, "bulk", entries)).await;
    let mut heard = BTreeMap::new();
    while heard.len() < types.len() {
        let message = take(hearing.next().await).await;
        heard.insert(message.data, message.content_type);
    }
    for (number, name) in types.iter().enumerate() {
        assert_eq!(heard[format!("entry {number}").as_bytes()].as_deref(), Some(*name));
    }
}

pub(super) async fn an_empty_bulk_is_no_error(subject: Subject) {
    publish_bulk(&subject, &bulk(&subject, "bulk", Vec::new())).await;
    subject.publish("bulk", "after").await;
}
