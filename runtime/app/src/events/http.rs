//! Messages for an HTTP app: one as the body of a POST, many as a list; what its answers mean. Called by the channel.
//!
//! The outcomes are those of the target (`pkg/runtime/subscription/postman/http`). An answer is read up to a limit: what
//! comes after it is left on the wire.

use std::collections::{BTreeMap, HashMap};

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use call::Failure;
use http_body_util::BodyExt as _;
use serde::Serialize;
use service::Body;
use telemetry::SpanContext;

use super::answer::{self, Status};
use super::envelope::BULK_TYPE;
use super::headers::{self, PUBSUB_NAME};
use super::{BulkEntry, BulkPayload, BulkTopicEvent, Outcome, TopicEvent, event_id};
use crate::channel::Slot;
use crate::http::HttpChannel;

/// Of the answer to one message, bytes.
const ANSWER: usize = 256 << 10;
/// Of the answer to many messages, bytes for each and for what is around them.
const BULK_ANSWER: usize = 1 << 10;
/// Of an app's words about an error, bytes that are told on.
const WORDS: usize = 4 << 10;

const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A list of messages as the app gets it; names in the target's order.
#[derive(Serialize)]
struct Envelope<'a> {
    entries: Vec<Entry<'a>>,
    id: &'a str,
    metadata: BTreeMap<&'a str, &'a str>,
    pubsubname: &'a str,
    topic: &'a str,
    r#type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    entry_id: &'a str,
    event: Event<'a>,
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    content_type: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Event<'a> {
    CloudEvent(&'a super::CloudEvent),
    Raw(String),
}

/// The beginning of an answer, and whether there was more.
struct Beginning {
    bytes: Bytes,
    cut: bool,
}

impl HttpChannel {
    /// Sends one message.
    pub(super) async fn deliver(&self, event: &TopicEvent, trace: Option<SpanContext>, slot: Slot) -> Outcome {
        let id = event_id(&event.cloud_event);
        let sent = headers::http(&event.pubsub, &event.metadata);
        let sent = self.post(&event.path, (CLOUD_EVENT, sent, trace), event.payload.clone(), slot).await;
        let (status, body) = match sent {
            Ok(response) => response,
            Err(failure) => {
                let what = "error returned from app channel while sending pub/sub event to app";
                return Outcome::unanswered(format!("{what}: retriable error occurred: {failure}"));
            }
        };
        let beginning = match begin(body, ANSWER).await {
            Ok(beginning) => beginning,
            Err(reason) if status.is_success() => return unreadable(&id, &reason),
            Err(_) => Beginning { bytes: Bytes::new(), cut: false },
        };
        if status.is_success() {
            return judge(&id, &beginning);
        }
        let words = words(&beginning.bytes);
        let code = status.as_u16();
        if status == StatusCode::NOT_FOUND {
            let reason = format!(
                "non-retriable error returned from app while processing pub/sub event {id}: {words}. status code returned: {code}"
            );
            tracing::error!(target: TARGET, "{reason}");
            return Outcome::Drop(reason);
        }
        let topic = event_topic(event);
        let reason = format!(
            "retriable error returned from app while processing pub/sub event {id}, topic: {topic}, body: {words}. status code returned: {code}"
        );
        tracing::warn!(target: TARGET, "{reason}");
        Outcome::retry_with(reason, i32::from(code))
    }

    /// Sends many messages.
    pub(super) async fn deliver_bulk(
        &self,
        event: &BulkTopicEvent,
        trace: Option<SpanContext>,
        slot: Slot,
    ) -> Vec<Outcome> {
        let all = |outcome: Outcome| vec![outcome; event.entries.len()];
        let body = match serde_json::to_vec(&envelope(event)) {
            Ok(body) => body,
            Err(error) => return all(Outcome::retry(error.to_string())),
        };
        let sent = headers::http(&event.pubsub, &event.metadata);
        let (status, body) = match self.post(&event.path, (JSON, sent, trace), body.into(), slot).await {
            Ok(response) => response,
            Err(failure) => {
                return all(Outcome::unanswered(format!(
                    "error from app channel while sending pub/sub event to app: {failure}"
                )));
            }
        };
        let code = status.as_u16();
        if status.is_success() {
            let limit = ANSWER.saturating_add(BULK_ANSWER.saturating_mul(event.entries.len()));
            let read = match begin(body, limit).await {
                Ok(Beginning { cut: true, .. }) => Err(format!("it is longer than {limit} bytes")),
                Ok(beginning) => answer::bulk(&beginning.bytes),
                Err(reason) => Err(reason),
            };
            return match read {
                Ok(told) => judge_bulk(&event.entries, told),
                Err(error) => {
                    all(Outcome::retry(format!("failed unmarshalling app response for bulk subscribe: {error}")))
                }
            };
        }
        if status == StatusCode::NOT_FOUND {
            let reason = format!(
                "Non-retriable error returned from app while processing bulk pub/sub event. status code returned: {code}"
            );
            tracing::error!(target: TARGET, "{reason}");
            return all(Outcome::Drop(reason));
        }
        let reason = format!(
            "Retriable error returned from app while processing bulk pub/sub event, topic: {}. status code returned: {code}",
            event.topic
        );
        tracing::warn!(target: TARGET, "{reason}");
        all(Outcome::retry_with(reason, i32::from(code)))
    }

    async fn post(
        &self,
        path: &str,
        (content_type, mut headers, trace): (HeaderValue, HeaderMap, Option<SpanContext>),
        body: Bytes,
        slot: Slot,
    ) -> Result<(StatusCode, Body), Failure> {
        headers.insert(CONTENT_TYPE, content_type);
        if let Some(trace) = trace {
            trace.write_http(&mut headers);
        }
        let mut request = Request::new(service::body::full(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = route(path).map_err(Failure::plain)?;
        *request.headers_mut() = headers;
        let (parts, body) = self.request(request, slot).await?.into_parts();
        Ok((parts.status, body))
    }
}

const TARGET: &str = "dapr.runtime.processor.pubsub.subscription.http";

/// The URL of a route: cleaned as the target cleans it, a query kept, escapes kept, and what no URL may hold escaped.
fn route(path: &str) -> Result<Uri, String> {
    let path = path.split('#').next().unwrap_or_default();
    let cleaned = security::path::clean(path);
    let (path, query) = match cleaned.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*cleaned, None),
    };
    let mut url = String::from(if path.starts_with('/') { "" } else { "/" });
    if path != "." {
        escape(path, &mut url);
    }
    if let Some(query) = query {
        url.push('?');
        escape(query, &mut url);
    }
    url.parse().map_err(|error| format!("the path {path:?} of a subscription is not a URL: {error}"))
}

fn escape(part: &str, url: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0..=0x20 | 0x7f.. => {
                url.push('%');
                url.extend(
                    [byte >> 4, byte & 15]
                        .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()),
                );
            }
            byte => url.push(char::from(byte)),
        }
    }
}

fn event_topic(event: &TopicEvent) -> String {
    match event.cloud_event.get("topic") {
        Some(serde_json::Value::String(topic)) => topic.clone(),
        _ => event.topic.clone(),
    }
}

/// Reads at most `limit` bytes of an answer. The rest is not read: the connection it is on ends.
async fn begin(mut body: Body, limit: usize) -> Result<Beginning, String> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
        let room = limit - bytes.len();
        if data.len() > room {
            bytes.extend_from_slice(data.get(..room).unwrap_or_default());
            return Ok(Beginning { bytes: bytes.freeze(), cut: true });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Beginning { bytes: bytes.freeze(), cut: false })
}

fn words(bytes: &[u8]) -> String {
    let kept = bytes.get(..WORDS).unwrap_or(bytes);
    String::from_utf8_lossy(kept).into_owned()
}

fn unreadable(id: &str, reason: &str) -> Outcome {
    tracing::debug!(
        target: TARGET,
        "skipping status check due to error parsing result from pub/sub event {id}: {reason}"
    );
    Outcome::Success
}

/// What a good answer to one message means.
fn judge(id: &str, beginning: &Beginning) -> Outcome {
    if beginning.bytes.iter().all(u8::is_ascii_whitespace) && !beginning.cut {
        tracing::debug!(
            target: TARGET,
            "skipping status check due to empty response body from pub/sub event {id}"
        );
        return Outcome::Success;
    }
    let status = match answer::single(&beginning.bytes, beginning.cut) {
        Status::Told(status) => status,
        Status::Unreadable(reason) => return unreadable(id, &reason),
    };
    match status.as_str() {
        "" | "SUCCESS" => Outcome::Success,
        "RETRY" => Outcome::retry(format!(
            "RETRY status returned from app while processing pub/sub event {id}: retriable error occurred"
        )),
        "DROP" => {
            let reason = format!("DROP status returned from app while processing pub/sub event {id}");
            tracing::warn!(target: TARGET, "{reason}");
            Outcome::Drop(reason)
        }
        other => Outcome::retry(format!(
            "unknown status returned from app while processing pub/sub event {id}, status: {}, err: retriable error occurred",
            words(other.as_bytes())
        )),
    }
}

/// What a good answer to many messages means for each of them.
fn judge_bulk(entries: &[BulkEntry], told: Vec<(String, String)>) -> Vec<Outcome> {
    let places: HashMap<&str, usize> = entries.iter().enumerate().map(|(at, entry)| (entry.id.as_str(), at)).collect();
    let mut outcomes: Vec<Option<Outcome>> = vec![None; entries.len()];
    for (id, status) in told {
        let place = places.get(id.as_str()).and_then(|at| outcomes.get_mut(*at));
        let Some(place) = place else {
            let id = words(id.as_bytes());
            tracing::warn!(target: TARGET, "Invalid entry id received from app while processing pub/sub event {id}");
            continue;
        };
        let outcome = match status.as_str() {
            "SUCCESS" => Outcome::Success,
            "" | "RETRY" => {
                Outcome::retry(format!("RETRY required while processing bulk subscribe event for entry id: {id}"))
            }
            "DROP" => {
                let reason = format!("DROP status returned from app while processing pub/sub event {id}");
                tracing::warn!(target: TARGET, "{reason}");
                Outcome::Drop(reason)
            }
            other => Outcome::retry(format!(
                "unknown status returned from app while processing bulk subscribe event {id}: {}",
                words(other.as_bytes())
            )),
        };
        super::keep(place, outcome);
    }
    super::complete(entries, outcomes)
}

fn envelope(event: &BulkTopicEvent) -> Envelope<'_> {
    let mut metadata: BTreeMap<&str, &str> = event.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
    metadata.insert(PUBSUB_NAME, &event.pubsub);
    let entries = event.entries.iter().map(|entry| Entry {
        entry_id: &entry.id,
        event: match &entry.event {
            BulkPayload::CloudEvent(event) => Event::CloudEvent(event),
            BulkPayload::Raw(bytes) => Event::Raw(STANDARD.encode(bytes)),
        },
        metadata: &entry.metadata,
        content_type: match (&entry.event, entry.content_type.as_str()) {
            (BulkPayload::CloudEvent(_), "") => "application/cloudevents+json",
            (BulkPayload::Raw(_), "") => "application/octet-stream",
            (_, content_type) => content_type,
        },
    });
    Envelope {
        entries: entries.collect(),
        id: &event.id,
        metadata,
        pubsubname: &event.pubsub,
        topic: &event.topic,
        r#type: BULK_TYPE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_its_query_and_cannot_leave_its_place() {
        for (path, url) in [
            ("orders", "/orders"),
            ("/orders/../admin//x/", "/admin/x"),
            ("", "/"),
            ("/", "/"),
            ("a?b=c d", "/a?b=c%20d"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a#b", "/a"),
            ("/a\r\nHost: b", "/a%0D%0AHost:%20b"),
            ("//elsewhere/x", "/elsewhere/x"),
        ] {
            assert_eq!(route(path).unwrap().to_string(), url, "{path:?}");
        }
    }

    #[test]
    fn a_route_has_no_authority_of_its_own() {
        let uri = route("http://elsewhere/x").unwrap();
        assert_eq!(uri.to_string(), "/http:/elsewhere/x");
        assert!(uri.authority().is_none());
    }

    fn entries(ids: &[&str]) -> Vec<BulkEntry> {
        let entry = |id: &&str| BulkEntry {
            id: (*id).to_owned(),
            content_type: String::new(),
            metadata: BTreeMap::new(),
            event: BulkPayload::Raw(Bytes::new()),
        };
        ids.iter().map(entry).collect()
    }

    #[test]
    fn each_entry_gets_its_own_outcome_and_a_missing_one_is_sent_again() {
        let told = [("3", "DROP"), ("1", "SUCCESS"), ("9", "DROP"), ("2", ""), ("5", "?")];
        let told = told.map(|(id, status)| (id.to_owned(), status.to_owned())).to_vec();
        let outcomes = judge_bulk(&entries(&["1", "2", "3", "4", "5"]), told);
        assert_eq!(outcomes[0], Outcome::Success);
        assert!(matches!(outcomes[1], Outcome::Retry(_)));
        assert!(matches!(outcomes[2], Outcome::Drop(_)));
        assert!(matches!(&outcomes[3], Outcome::Retry(retry) if retry.reason.starts_with("response not received")));
        assert!(matches!(&outcomes[4], Outcome::Retry(retry) if retry.reason.starts_with("unknown status")));
    }

    #[test]
    fn an_entry_that_was_answered_twice_is_sent_again_if_one_answer_says_so() {
        let told = vec![("1".to_owned(), "RETRY".to_owned()), ("1".to_owned(), "SUCCESS".to_owned())];
        assert!(matches!(judge_bulk(&entries(&["1"]), told)[..], [Outcome::Retry(_)]));
    }
}
