//! The configuration API over both doors, on a real Redis: values, changes, and the ends of subscriptions.

use std::time::{Duration, Instant};

use serde_json::json;
use servers::Redis;
use testkit::{App, Sidecar, echo, ours_only, reply};
use tokio_stream::StreamExt as _;
use tonic::Code;
use wire::runtime::{
    GetConfigurationRequest, SubscribeConfigurationRequest, SubscribeConfigurationResponse,
    UnsubscribeConfigurationRequest,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn component(redis: &Redis) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: conf\nspec:\n  type: configuration.redis\n  version: \
         v1\n  metadata:\n  - name: redisHost\n    value: {}\n",
        redis.address()
    )
}

fn redis() -> Option<Redis> {
    let redis = Redis::alone().start()?;
    redis.command(&["SET", "k", "one||1"]).unwrap();
    redis.command(&["SET", "plain", "<&>"]).unwrap();
    Some(redis)
}

fn subscription(keys: &[&str]) -> SubscribeConfigurationRequest {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    SubscribeConfigurationRequest { store_name: "conf".to_owned(), keys, ..Default::default() }
}

async fn next(
    stream: &mut tonic::Streaming<SubscribeConfigurationResponse>,
) -> Option<Result<SubscribeConfigurationResponse, tonic::Status>> {
    tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream says something in time")
}

#[tokio::test]
async fn values_are_read_over_both_doors() {
    let Some(redis) = redis() else { return };
    let a = Sidecar::named("a").resource(&component(&redis)).start().await;
    let expected = json!({ "k": { "value": "one", "version": "1" }, "plain": { "value": "<&>" } });
    for path in ["/v1.0/configuration/conf?key=k&key=plain&key=none", "/v1.0-alpha1/configuration/conf"] {
        let answer = a.get(path).send().await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{path}");
    }
    assert_eq!(a.get("/v1.0/configuration/conf?key=none").send().await.status, 204);
    let missing = a.get("/v1.0/configuration/nowhere?key=k").send().await;
    assert_eq!((missing.status, missing.error_code().as_str()), (400, "ERR_CONFIGURATION_STORE_NOT_FOUND"));
    let mut dapr = a.dapr().await;
    let wanted = |store: &str| GetConfigurationRequest {
        store_name: store.to_owned(),
        keys: vec!["k".to_owned()],
        ..Default::default()
    };
    let items = dapr.get_configuration(wanted("conf")).await.unwrap().into_inner().items;
    assert_eq!((items["k"].value.as_str(), items["k"].version.as_str()), ("one", "1"));
    assert_eq!(dapr.get_configuration_alpha1(wanted("conf")).await.unwrap().into_inner().items.len(), 1);
    assert_eq!(dapr.get_configuration(wanted("nowhere")).await.unwrap_err().code(), Code::InvalidArgument);
    let b = Sidecar::named("b").start().await;
    let none = b.get("/v1.0/configuration/conf").send().await;
    assert_eq!((none.status, none.error_code().as_str()), (500, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED"));
}

#[tokio::test]
async fn a_grpc_subscription_starts_with_its_id_and_brings_every_change_until_it_is_let_go() {
    ours_only!("the reference misses changes right after its answer");
    let Some(redis) = redis() else { return };
    let a = Sidecar::named("a").resource(&component(&redis)).start().await;
    let mut dapr = a.dapr().await;
    let mut stream = dapr.subscribe_configuration(subscription(&["k", "l"])).await.unwrap().into_inner();
    let id = next(&mut stream).await.unwrap().unwrap().id;
    redis.command(&["SET", "k", "two||2"]).unwrap();
    let change = next(&mut stream).await.unwrap().unwrap();
    assert_eq!((change.id.as_str(), change.items["k"].value.as_str()), (id.as_str(), "two"));
    redis.command(&["DEL", "k"]).unwrap();
    let change = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(change.items["k"].value, "");
    let ending = || UnsubscribeConfigurationRequest { store_name: "conf".to_owned(), id: id.clone() };
    assert!(dapr.unsubscribe_configuration(ending()).await.unwrap().into_inner().ok);
    assert!(next(&mut stream).await.is_none());
    let again = dapr.unsubscribe_configuration(ending()).await.unwrap().into_inner();
    let said = format!("failed to unsubscribe to configuration request {id}: subscription does not exist");
    assert_eq!((again.ok, again.message), (false, said));
}

#[tokio::test]
async fn changes_are_posted_to_an_app_that_subscribed_over_http_until_it_lets_go() {
    ours_only!("the reference misses changes right after its answer");
    let Some(redis) = redis() else { return };
    let path = "/configuration/conf/k";
    let app = App::http().route(path, echo()).start().await;
    let a = Sidecar::named("a").app(&app).resource(&component(&redis)).start().await;
    let subscribed = a.get("/v1.0/configuration/conf/subscribe?key=k").send().await;
    assert_eq!(subscribed.status, 200);
    let id = subscribed.json()["id"].as_str().unwrap().to_owned();
    redis.command(&["SET", "k", "two||2"]).unwrap();
    let seen = app.saw(path, |seen| seen.body.ends_with(b"}}}\n")).await;
    assert_eq!(seen.method, "POST");
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, json!({ "id": id, "items": { "k": { "value": "two", "version": "2" } } }));
    let end = format!("/v1.0/configuration/conf/{id}/unsubscribe");
    let ended = a.get(&end).send().await;
    assert_eq!((ended.status, ended.json()), (200, json!({ "ok": true })));
    let again = a.get(&end).send().await;
    let said = format!("failed to unsubscribe to configuration request {id}: subscription with id {id} does not exist");
    assert_eq!((again.status, again.json()), (500, json!({ "message": said })));
    let none = Sidecar::named("b").resource(&component(&redis)).start().await;
    let refused = none.get("/v1.0/configuration/conf/subscribe?key=k").send().await;
    assert_eq!((refused.status, refused.error_code().as_str()), (500, "ERR_APP_CHANNEL_NIL"));
}

#[tokio::test]
async fn subscriptions_do_not_hold_up_the_end_of_a_sidecar() {
    let Some(redis) = redis() else { return };
    let app = App::http().otherwise(reply("")).start().await;
    let a = Sidecar::named("a").app(&app).resource(&component(&redis)).start().await;
    let mut dapr = a.dapr().await;
    let mut stream = dapr.subscribe_configuration(subscription(&["k"])).await.unwrap().into_inner();
    next(&mut stream).await.unwrap().unwrap();
    assert_eq!(a.get("/v1.0/configuration/conf/subscribe?key=k").send().await.status, 200);
    let started = Instant::now();
    let ended = a.stop().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(next(&mut stream).await.is_none_or(|last| last.is_err()));
}
