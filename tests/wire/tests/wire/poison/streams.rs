//! Entries of a Redis stream that no sidecar has written.

use servers::Redis;
use testkit::{Sidecar, unique};

use super::{good_ones_flow, http_app, subscriptions};

#[tokio::test]
async fn a_sidecar_lives_on_and_others_flow_whatever_a_redis_stream_holds() {
    let Some(redis) = Redis::alone().start() else { return };
    let component = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: mail\nspec:\n  type: pubsub.redis\n  version: v1\n  \
         metadata:\n  - name: redisHost\n    value: {}\n  - name: processingTimeout\n    value: 2s\n  - name: \
         redeliverInterval\n    value: 1s\n",
        redis.address()
    );
    let app = http_app().start().await;
    let sidecar = Sidecar::named(&unique("poisoned")).app(&app).resource(&component).resource(&subscriptions());
    let mut sidecar = sidecar.flag("--log-level=error").start().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    good_ones_flow(&mut sidecar, &app, "first", "the start").await;
    let long = "x".repeat(1 << 16);
    let entries: [&[&str]; 12] = [
        &["x", "y"],
        &["data", ""],
        &["data", "{"],
        &["data", "1", "data", "2"],
        &["", ""],
        &["DATA", "{}"],
        &["data", "{}", "metadata", "not json"],
        &["data", "{}", "metadata", "[1, 2]"],
        &["data", "{}", "metadata", "{\"a\": 1, \"b\": null, \"c\": {\"d\": []}}"],
        &["data", "{}", "metadata", "{\"a\\r\\nInjected\": \"1\", \"b\": \"2\\r\\nInjected: 3\"}"],
        &["data", "{}", &long, &long],
        &["metadata", "{}"],
    ];
    for (number, entry) in entries.iter().enumerate() {
        for topic in super::TOPICS {
            let words: Vec<&str> = ["XADD", topic, "*"].into_iter().chain(entry.iter().copied()).collect();
            redis.command(&words).expect("a stream takes any fields");
        }
        let told = format!("{:.200?}", entry);
        good_ones_flow(&mut sidecar, &app, &number.to_string(), &told).await;
    }
    let injected = app.everything().into_iter().find(|request| request.headers.contains_key("injected"));
    assert!(injected.is_none(), "a header was made of a message: {injected:?}");
}
