//! Which topics an app asks for: reading `/dapr/subscribe` and `ListTopicSubscriptions`. Called by the channel.
//!
//! Routes become those of a declared subscription. Expressions are not compiled here.

use std::future::Future;
use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use call::Failure;
use resources::{BulkSubscribe, Routes, Rule, SubscriptionSpec};
use serde::Deserialize;
use tonic::Code;
use wire::runtime::{ListTopicSubscriptionsResponse, TopicSubscription};

use crate::Channel;
use crate::channel::UNWELL;
use crate::grpc::GrpcChannel;
use crate::http::HttpChannel;

const LIST: &str = "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions";
const TARGET: &str = "dapr.runtime.processor.subscription";
const NONE: &str = "user app did not subscribe to any topic";
/// Of the app's list, bytes.
const LIMIT: u64 = 4 << 20;
/// Waits before another try (the target's `DaprBuiltInInitializationRetries`, without its random part).
const WAITS: [Duration; 3] = [Duration::from_millis(500), Duration::from_millis(750), Duration::from_secs(1)];

/// A subscription as an HTTP app writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Listed {
    #[serde(alias = "pubsubName", alias = "PubsubName")]
    pubsubname: Option<String>,
    topic: Option<String>,
    dead_letter_topic: Option<String>,
    metadata: Option<std::collections::BTreeMap<String, Option<String>>>,
    route: Option<String>,
    routes: Option<ListedRoutes>,
    bulk_subscribe: Option<BulkSubscribe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListedRoutes {
    rules: Option<Vec<Option<ListedRule>>>,
    default: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListedRule {
    r#match: Option<String>,
    path: Option<String>,
}

impl HttpChannel {
    /// Asks an HTTP app.
    pub(super) async fn topic_subscriptions(
        &self,
        channel: &Channel,
        app_id: &str,
    ) -> Result<Vec<SubscriptionSpec>, Failure> {
        let response = tried(|| async {
            if !channel.is_well() {
                return Err(Failure::new(Code::Internal, UNWELL));
            }
            let mut request = Request::new(service::body::empty());
            *request.uri_mut() = Uri::from_static("/dapr/subscribe");
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Ok(value) = HeaderValue::from_str(app_id) {
                request.headers_mut().insert("dapr-app-id", value);
            }
            self.request(request, channel.slot().await).await
        })
        .await?;
        match response.status() {
            StatusCode::OK => {
                let body = service::read_bounded(response.into_body(), LIMIT).await;
                let list = body.map_err(|error| error.to_string()).and_then(|body| read(&body));
                list.map_err(|error| {
                    let reason = format!("error getting topics from app: {error}");
                    tracing::error!(target: TARGET, "{reason}");
                    Failure::plain(reason)
                })
            }
            StatusCode::NOT_FOUND => {
                tracing::debug!(target: TARGET, "{NONE}");
                Ok(Vec::new())
            }
            status => {
                let code = status.as_u16();
                tracing::error!(
                    target: TARGET,
                    "app returned http status code {code} from subscription endpoint"
                );
                Ok(Vec::new())
            }
        }
    }
}

impl GrpcChannel {
    /// Asks a gRPC app.
    pub(super) async fn topic_subscriptions(&self) -> Result<Vec<SubscriptionSpec>, Failure> {
        let asked = tried(|| async {
            let mut headers = HeaderMap::new();
            self.add_token(&mut headers);
            let answer: Result<ListTopicSubscriptionsResponse, _> = self.unary(LIST, headers, ()).await;
            match answer {
                Ok(answer) => Ok(answer.subscriptions),
                Err(status) => match Failure::from_rpc(&status) {
                    Failure { code: Some(Code::Unimplemented), .. } => {
                        tracing::info!(
                            target: TARGET,
                            "pubsub subscriptions: gRPC app does not implement ListTopicSubscriptions"
                        );
                        Ok(Vec::new())
                    }
                    failure => Err(failure),
                },
            }
        })
        .await;
        let listed = asked.inspect_err(|failure| {
            tracing::error!(target: TARGET, "error getting topic list from app: {failure}");
        })?;
        if listed.is_empty() {
            tracing::debug!(target: TARGET, "{NONE}");
        }
        Ok(listed.into_iter().map(from_grpc).collect())
    }
}

async fn tried<T, F: Future<Output = Result<T, Failure>>>(attempt: impl Fn() -> F) -> Result<T, Failure> {
    for wait in WAITS {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(_) => tokio::time::sleep(wait).await,
        }
    }
    attempt().await
}

/// The list of an HTTP app; an empty body and `null` are an empty list.
fn read(body: &[u8]) -> Result<Vec<SubscriptionSpec>, String> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Option<Vec<Option<Listed>>>>();
    let listed = match values.next() {
        None => Vec::new(),
        Some(list) => list.map_err(|error| error.to_string())?.unwrap_or_default(),
    };
    Ok(listed.into_iter().map(Option::unwrap_or_default).filter_map(from_http).collect())
}

fn from_http(listed: Listed) -> Option<SubscriptionSpec> {
    let topic = listed.topic.unwrap_or_default();
    let routes = listed.routes.unwrap_or_default();
    let rules: Vec<Rule> = routes
        .rules
        .into_iter()
        .flatten()
        .flatten()
        .map(|rule| Rule { r#match: rule.r#match.unwrap_or_default(), path: rule.path.unwrap_or_default() })
        .collect();
    let default = [routes.default, listed.route].into_iter().flatten().find(|path| !path.is_empty());
    if rules.is_empty() && default.is_none() {
        tracing::warn!(
            target: TARGET,
            "topic {topic} has an empty routes. removing from subscriptions list"
        );
        return None;
    }
    Some(SubscriptionSpec {
        pubsubname: listed.pubsubname.unwrap_or_default(),
        topic,
        metadata: listed
            .metadata
            .into_iter()
            .flatten()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
        routes: Routes { rules, default: default.unwrap_or_default() },
        dead_letter_topic: listed.dead_letter_topic.unwrap_or_default(),
        bulk_subscribe: listed.bulk_subscribe.unwrap_or_default(),
    })
}

/// A gRPC app needs no path: where it names none, a rule that always holds stands for the empty path.
fn from_grpc(listed: TopicSubscription) -> SubscriptionSpec {
    let given = listed.routes.unwrap_or_default();
    let mut rules: Vec<Rule> =
        given.rules.into_iter().map(|rule| Rule { r#match: rule.r#match, path: rule.path }).collect();
    if rules.is_empty() && given.default.is_empty() {
        rules.push(Rule::default());
    }
    let bulk = listed.bulk_subscribe.unwrap_or_default();
    SubscriptionSpec {
        pubsubname: listed.pubsub_name,
        topic: listed.topic,
        metadata: listed.metadata.into_iter().collect(),
        routes: Routes { rules, default: given.default },
        dead_letter_topic: listed.dead_letter_topic,
        bulk_subscribe: BulkSubscribe {
            enabled: bulk.enabled,
            max_messages_count: bulk.max_messages_count,
            max_await_duration_ms: bulk.max_await_duration_ms,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(expression: &str, path: &str) -> Rule {
        Rule { r#match: expression.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn both_forms_of_routes_are_read() {
        let list = read(
            br#"[{"pubsubname":"p","topic":"a","route":"/a","metadata":{"rawPayload":"true"},"deadLetterTopic":"d"},
                {"pubsubname":"p","topic":"b","route":"/ignored","routes":{"rules":[{"match":"event.type == 'x'",
                "path":"/x"}],"default":"/b"},"bulkSubscribe":{"enabled":true,"maxMessagesCount":7}},
                {"pubsubname":"p","topic":"c","routes":{"rules":[{"path":"/c"}]}}]"#,
        )
        .unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].routes, Routes { rules: vec![], default: "/a".into() });
        assert_eq!((&*list[0].dead_letter_topic, &*list[0].metadata["rawPayload"]), ("d", "true"));
        assert_eq!(list[1].routes, Routes { rules: vec![rule("event.type == 'x'", "/x")], default: "/b".into() });
        assert!(list[1].bulk_subscribe.enabled);
        assert_eq!(list[1].bulk_subscribe.max_messages_count, 7);
        assert_eq!(list[2].routes, Routes { rules: vec![rule("", "/c")], default: String::new() });
    }

    #[test]
    fn a_topic_without_any_route_is_left_out() {
        assert_eq!(read(br#"[{"pubsubname":"p","topic":"a"},{"topic":"b","routes":{}}]"#).unwrap(), []);
    }

    #[test]
    fn nothing_and_null_are_an_empty_list_and_anything_else_an_error() {
        assert_eq!(read(b"").unwrap(), []);
        assert_eq!(read(b" null ").unwrap(), []);
        assert_eq!(read(b"[] trailing").unwrap(), []);
        for body in [&b"{}"[..], b"[1]", b"[{\"topic\":1}]", b"["] {
            assert!(read(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_grpc_app_without_routes_gets_everything_at_the_empty_path() {
        let spec = from_grpc(TopicSubscription { topic: "a".into(), ..TopicSubscription::default() });
        assert_eq!(spec.routes, Routes { rules: vec![rule("", "")], default: String::new() });
    }
}
