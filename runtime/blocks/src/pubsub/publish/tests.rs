//! What publishing promises: rules of topics, the same for one message and for many; events; what a broker did not take.

use std::sync::{Mutex, PoisonError};

use component::pubsub::{BulkPublisher, Deliveries, SubscribeRequest};
use component::{
    Backend, Constructing, Constructor, ErrorKind, Host, MetadataItem, Registration, Registry, Setup, Spec, Tasks,
    Version,
};
use loaded::Loader;

use super::*;

/// What brokers were given, in order: topic, id of an entry, data, metadata. The test that made them reads it.
type Log = Arc<Mutex<Vec<(String, String, Bytes, Metadata)>>>;

tokio::task_local! {
    static LOG: Log;
}

/// A broker that keeps what it is given, and fails at data that says so.
struct Broker {
    log: Log,
    bulk: bool,
}

impl Broker {
    fn take(&self, topic: &str, id: &str, data: &Bytes, metadata: &Metadata) -> Result<(), ComponentError> {
        if data.windows(4).any(|part| part == b"fail") {
            return Err(ComponentError::new(ErrorKind::Unavailable, format!("lost {topic}")));
        }
        let taken = (topic.to_owned(), id.to_owned(), data.clone(), metadata.clone());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
        Ok(())
    }
}

impl Backend for Broker {}

#[async_trait::async_trait]
impl component::pubsub::PubSub for Broker {
    async fn publish(&self, _: &CallContext, request: &PublishRequest) -> Result<(), ComponentError> {
        let id = request.content_type.clone().unwrap_or_else(|| "single".to_owned());
        self.take(&request.topic, &id, &request.data, &request.metadata)
    }

    async fn subscribe(&self, _: &CallContext, _: &SubscribeRequest) -> Result<Deliveries, ComponentError> {
        Err(ComponentError::new(ErrorKind::NotSupported, "only publishing"))
    }

    fn bulk_publisher(&self) -> Option<&dyn BulkPublisher> {
        self.bulk.then_some(self as &dyn BulkPublisher)
    }
}

#[async_trait::async_trait]
impl BulkPublisher for Broker {
    async fn bulk_publish(&self, _: &CallContext, request: &BulkPublishRequest) -> Result<(), BulkPublishFailure> {
        let failed = |entry: &BulkPublishEntry| {
            let taken = self.take(&request.topic, &entry.id, &entry.data, &entry.metadata);
            taken.err().map(|error| (entry.id.clone(), error))
        };
        let entries: Vec<_> = request.entries.iter().filter_map(failed).collect();
        if entries.is_empty() { Ok(()) } else { Err(BulkPublishFailure { entries }) }
    }
}

fn make(bulk: bool) -> Constructing<dyn component::pubsub::PubSub> {
    let log = LOG.with(Clone::clone);
    Box::pin(async move { Ok(Arc::new(Broker { log, bulk }) as Arc<dyn component::pubsub::PubSub>) })
}

fn single(_: Setup) -> Constructing<dyn component::pubsub::PubSub> {
    make(false)
}

fn bulk(_: Setup) -> Constructing<dyn component::pubsub::PubSub> {
    make(true)
}

const fn row(
    component_type: &'static str,
    make: fn(Setup) -> Constructing<dyn component::pubsub::PubSub>,
) -> Registration {
    Registration {
        component_type,
        aliases: &[],
        version: Version::Any,
        summary: "",
        fields: &[],
        constructor: Constructor::PubSub(make),
    }
}

const ROWS: &[Registration] = &[row("pubsub.single", single), row("pubsub.bulk", bulk)];

/// The API of app `app` in namespace `ns`, over a broker `ps` with this metadata.
async fn api(component_type: &str, metadata: &[(&str, &str)]) -> (PubSub, Log, Metrics) {
    let components = LoadedComponents::default();
    let admission =
        |spec: &Spec, properties: component::Properties| crate::admit("app", spec, &properties.clone(), properties);
    #[expect(clippy::disallowed_methods, reason = "a test has no tracker; what it starts ends with its broker")]
    let tasks = Tasks::new(|_, work| drop(tokio::spawn(work)));
    let loader =
        Loader::new(Registry::new(ROWS, &[]), Host::new("app", "", tasks), Arc::new(admission), components.clone());
    let item = |(name, value): &(&str, &str)| MetadataItem {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        secret: None,
    };
    let spec = Spec {
        name: "ps".to_owned(),
        namespace: String::new(),
        component_type: component_type.to_owned(),
        version: "v1".to_owned(),
        metadata: metadata.iter().map(item).collect(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    let log = Log::default();
    LOG.scope(Arc::clone(&log), loader.load(spec)).await.unwrap();
    let metrics = Metrics::new("app", &[]);
    (PubSub::new("app".into(), "ns".into(), components, &metrics), log, metrics)
}

fn event(data: &'static str, metadata: &[(&str, &str)]) -> Event {
    let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Event { data: data.into(), content_type: "text/plain".to_owned(), metadata }
}

fn entry(id: &str, data: &'static str) -> Entry {
    Entry { id: id.to_owned(), event: event(data, &[]) }
}

async fn publish(api: &PubSub, topic: &str, event: Event) -> Result<(), Error> {
    api.topic("ps", topic)?.publish(&CallContext::default(), event, None).await
}

async fn publish_all(api: &PubSub, topic: &str, entries: Vec<Entry>, metadata: Metadata) -> Result<(), Error> {
    let context = CallContext::default();
    api.topic("ps", topic)?.publish_all(&context, (entries, metadata), (Tracing::PassOn, None)).await
}

fn taken(log: &Log) -> Vec<(String, String, Bytes, Metadata)> {
    std::mem::take(&mut log.lock().unwrap_or_else(PoisonError::into_inner))
}

#[tokio::test]
async fn names_are_checked_before_anything_else() {
    let (api, ..) = api("pubsub.single", &[]).await;
    assert!(matches!(api.topic("", "t").err(), Some(Error::NameEmpty)));
    assert!(matches!(api.topic("other", "").err(), Some(Error::NotFound { pubsub }) if pubsub == "other"));
    assert!(matches!(api.topic("ps", "").err(), Some(Error::TopicEmpty { pubsub }) if pubsub == "ps"));
}

#[tokio::test]
async fn rules_and_namespace_are_the_same_for_one_message_and_for_many() {
    let metadata = [
        ("publishingScopes", "app=a,p"),
        ("allowedTopics", "a,b,p"),
        ("protectedTopics", "p,q"),
        ("note", "{namespace}"),
    ];
    for component_type in ["pubsub.single", "pubsub.bulk"] {
        let (api, log, _) = api(component_type, &metadata).await;
        for (topic, may) in [("a", true), ("p", true), ("b", false), ("q", false), ("c", false)] {
            let one = publish(&api, topic, event("x", &[])).await;
            let many = publish_all(&api, topic, vec![entry("1", "x"), entry("2", "y")], Metadata::new()).await;
            let forwarded = api.topic("ps", topic).unwrap();
            let forwarded = forwarded.hand_over(&CallContext::default(), "x".into(), None, Metadata::new()).await;
            let topics: Vec<String> = taken(&log).into_iter().map(|(topic, ..)| topic).collect();
            if may {
                assert!(one.is_ok() && many.is_ok() && forwarded.is_ok(), "{topic}");
                assert_eq!(topics, vec![format!("ns{topic}"); 4]);
            } else {
                for refused in [one, many, forwarded] {
                    let Err(Error::Forbidden { place, app }) = refused else { panic!("{topic} is allowed") };
                    assert_eq!((place.topic.as_str(), app.as_str()), (topic, "app"));
                }
                assert!(topics.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn data_goes_out_in_an_event_or_as_it_is() {
    let (api, log, _) = api("pubsub.single", &[]).await;
    publish(&api, "t", event("x", &[("key", "k")])).await.unwrap();
    publish(&api, "t", event("x", &[("rawPayload", "true")])).await.unwrap();
    let [(_, _, wrapped, metadata), (_, id, raw, _)] = &taken(&log)[..] else { panic!("two messages") };
    assert!(wrapped.starts_with(b"{\"data\":\"x\",\"datacontenttype\":\"text/plain\""), "{wrapped:?}");
    assert_eq!((metadata.get("key").map(String::as_str), id.as_str(), &raw[..]), (Some("k"), "single", &b"x"[..]));
    let refused = publish(&api, "t", event("x", &[("rawPayload", "perhaps")])).await;
    assert!(matches!(refused, Err(Error::RawPayload { .. })));
    let announced = Event { content_type: "application/cloudevents+json".to_owned(), ..event("[]", &[]) };
    assert!(matches!(publish(&api, "t", announced).await, Err(Error::CloudEvent { data, .. }) if data == "[]"));
    assert!(taken(&log).is_empty());
}

#[tokio::test]
async fn every_entry_that_was_not_taken_is_told_and_the_others_are_published() {
    for component_type in ["pubsub.single", "pubsub.bulk"] {
        let (api, log, _) = api(component_type, &[]).await;
        let entries = vec![entry("1", "fail"), entry("2", "x"), entry("3", "fail")];
        let metadata: Metadata = [("rawPayload".to_owned(), "true".to_owned())].into();
        let Err(Error::NotTaken { failure, .. }) = publish_all(&api, "t", entries, metadata).await else {
            panic!("all were taken");
        };
        let lost = |id: &str| (id.to_owned(), "lost t".to_owned());
        assert_eq!((failure.message.as_str(), failure.entries), ("lost t", vec![lost("1"), lost("3")]));
        let taken = taken(&log);
        assert_eq!(taken.iter().map(|(_, _, data, _)| data.as_ref()).collect::<Vec<_>>(), [b"x"]);
    }
}

#[tokio::test]
async fn metadata_of_a_bulk_request_counts_for_entries_that_do_not_say_otherwise() {
    let (api, log, _) = api("pubsub.bulk", &[]).await;
    let own = Entry { id: "2".to_owned(), event: event("x", &[("k", "own")]) };
    let metadata: Metadata = [("k".to_owned(), "all".to_owned()), ("ttlInSeconds".to_owned(), "60".to_owned())].into();
    publish_all(&api, "t", vec![entry("1", "x"), own], metadata).await.unwrap();
    let taken = taken(&log);
    let of = |index: usize| taken[index].3.get("k").map(String::as_str);
    assert_eq!((of(0), of(1)), (Some("all"), Some("own")));
    assert!(taken.iter().all(|(_, _, data, _)| data.windows(12).any(|part| part == b"\"expiration\"")));
}

#[tokio::test]
async fn nothing_is_published_of_a_bulk_request_that_cannot_be_read() {
    let (api, log, _) = api("pubsub.bulk", &[]).await;
    for entries in [vec![entry("1", "x"), entry("1", "y")], vec![entry("1", "x"), entry("", "y")]] {
        let refused = publish_all(&api, "t", entries, Metadata::new()).await;
        assert!(matches!(refused, Err(Error::EntryId { .. })));
    }
    let mut broken = entry("2", "[]");
    broken.event.content_type = "application/cloudevents+json".to_owned();
    let refused = publish_all(&api, "t", vec![entry("1", "x"), broken], Metadata::new()).await;
    assert!(matches!(refused, Err(Error::CloudEvent { .. })));
    publish_all(&api, "t", Vec::new(), Metadata::new()).await.unwrap();
    assert!(taken(&log).is_empty());
}

#[tokio::test]
async fn each_message_of_a_traced_bulk_request_has_a_span_of_its_own() {
    let (api, log, _) = api("pubsub.bulk", &[]).await;
    let parent = SpanContext { trace_id: [7; 16], span_id: [8; 8], flags: 1, state: Some("a=b".into()) };
    let tracing = Tracing::from_settings("1", false);
    let topic = api.topic("ps", "t").unwrap();
    let entries = vec![entry("1", "x"), entry("2", "x")];
    let context = CallContext::default();
    topic.publish_all(&context, (entries, Metadata::new()), (tracing, Some(&parent))).await.unwrap();
    let parents: HashSet<String> = taken(&log)
        .iter()
        .map(|(_, _, data, _)| {
            let event: serde_json::Value = serde_json::from_slice(data).unwrap();
            assert_eq!(event["tracestate"], "a=b");
            event["traceparent"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(parents.len(), 2);
    let trace = "00-07070707070707070707070707070707-";
    assert!(parents.iter().all(|own| own.starts_with(trace) && *own != parent.traceparent()), "{parents:?}");
}

#[tokio::test]
async fn what_is_published_is_counted_by_topic() {
    let (api, _, metrics) = api("pubsub.single", &[]).await;
    publish(&api, "t", event("x", &[])).await.unwrap();
    assert!(publish(&api, "t", event("fail", &[("rawPayload", "true")])).await.is_err());
    let entries = vec![entry("1", "x"), entry("2", "fail")];
    assert!(publish_all(&api, "t", entries, Metadata::new()).await.is_err());
    let page = metrics.render();
    let labels =
        |success: &str| format!("{{app_id=\"app\",component=\"ps\",namespace=\"\",success=\"{success}\",topic=\"t\"}}");
    for line in [
        format!("dapr_component_pubsub_egress_count{} 1", labels("true")),
        format!("dapr_component_pubsub_egress_count{} 1", labels("false")),
        format!("dapr_component_pubsub_egress_bulk_count{} 1", labels("false")),
        format!("dapr_component_pubsub_egress_bulk_event_count{} 1", labels("true")),
        format!("dapr_component_pubsub_egress_latencies_count{} 1", labels("true")),
    ] {
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn names_of_topics_do_not_make_metrics_grow_without_end() {
    let (api, _, metrics) = api("pubsub.single", &[]).await;
    for index in 0..1100 {
        publish(&api, &format!("t{index}"), event("x", &[])).await.unwrap();
    }
    let page = metrics.render();
    let lines: Vec<&str> =
        page.lines().filter(|line| line.starts_with("dapr_component_pubsub_egress_count{")).collect();
    assert!(lines.len() <= 1001, "{}", lines.len());
    assert!(lines.iter().any(|line| line.contains("topic=\"\"")), "the rest is counted together");
    let total: u64 = lines.iter().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
    assert_eq!(total, 1100);
}
