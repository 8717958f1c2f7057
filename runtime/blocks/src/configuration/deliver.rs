//! Sends the changes of one subscription to the app: a POST to `/configuration/<store>/<key>` for each key, with the whole
//! change as its body. While the app is slow, changes wait in the bounded stream of the store, which then merges them.

use app::Channel;
use bytes::Bytes;
use call::{Call, Metadata, Payload, Verb};
use component::configuration::Items;
use serde_json::{Map, Value, json};
use wire::common::HttpExtension;

use super::{Change, Subscription};

/// How much of an app's answer is read, so that its connection can be used again.
const MAX_ANSWER: u64 = 64 << 10;

/// Delivers until the subscription ends. What the app refuses, or cannot take because it is unwell, is logged and not sent
/// again, as in the target.
pub(super) async fn to_app(mut subscription: Subscription, store: String, channel: Channel) {
    loop {
        let items = match subscription.next().await {
            Change::Items(items) => items,
            Change::Ended => return,
            Change::Lost => {
                tracing::warn!(
                    target: "dapr.runtime.http",
                    "configuration subscription {} ended: store {store} is closed", subscription.id()
                );
                return;
            }
        };
        let body: Bytes = event(subscription.id(), &items).into();
        for key in items.keys() {
            let sent = tokio::select! {
                () = subscription.ended() => return,
                sent = send(&channel, &store, key, body.clone()) => sent,
            };
            if let Err(error) = sent {
                tracing::error!(
                    target: "dapr.runtime.http",
                    "error sending configuration item to the app: {error}"
                );
            }
        }
    }
}

async fn send(channel: &Channel, store: &str, key: &str, body: Bytes) -> Result<(), String> {
    // Whoever may write a key must not choose another path of the app with it.
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(format!("the key {key:?} leads out of its path"));
    }
    let mut call = Call {
        method: format!("/configuration/{store}/{key}"),
        extension: Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() }),
        content_type: "application/json".to_owned(),
        type_url: String::new(),
        metadata: Metadata::default(),
        trace: None,
        payload: Payload::Replayable(body),
    };
    let answer = channel.invoke(&mut call).await.map_err(|failure| failure.to_string())?;
    let (status, well) = (answer.status.code, matches!(answer.status.code, 0 | 200..=299));
    // Whether the answer can be read to its end changes nothing: the app has the change.
    let _ = service::read_bounded(answer.payload.into_body(), MAX_ANSWER).await;
    if well { Ok(()) } else { Err(format!("error sending configuration item to application, status {status}")) }
}

/// The change as the target writes it: what is empty is left out.
fn event(id: &str, items: &Items) -> String {
    let items: Map<String, Value> = items.iter().map(|(key, item)| (key.clone(), super::json(item))).collect();
    json!({ "id": id, "items": items }).to_string() + "\n"
}
