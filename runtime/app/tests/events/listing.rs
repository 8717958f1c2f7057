//! The topics that apps ask for.

use testkit::App;
use trilby_app::Protocol;

use crate::delivered::{TOKEN, channel, within};

#[tokio::test]
async fn an_http_app_is_asked_with_its_token_and_the_id_of_the_app() {
    let list = r#"[{"pubsubname":"broker","topic":"orders","route":"/orders"}]"#;
    let app = App::http().route("/dapr/subscribe", testkit::reply(list)).start().await;
    let listed = within(channel(app.port(), Protocol::Http).topic_subscriptions("shop")).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&*listed[0].topic, &*listed[0].routes.default), ("orders", "/orders"));
    let seen = app.only("/dapr/subscribe");
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.values("dapr-api-token"), [TOKEN]);
    assert_eq!(seen.values("dapr-app-id"), ["shop"]);
}

#[tokio::test]
async fn an_http_app_that_has_no_list_or_refuses_asks_for_nothing() {
    for code in [404, 403, 500] {
        let app = App::http().otherwise(testkit::status(code, "[1]")).start().await;
        let listed = within(channel(app.port(), Protocol::Http).topic_subscriptions("shop")).await.unwrap();
        assert_eq!(listed, [], "{code}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_and_an_app_that_is_not_there_are_errors() {
    let app = App::http().otherwise(testkit::reply("{}")).start().await;
    let refused = within(channel(app.port(), Protocol::Http).topic_subscriptions("shop")).await.unwrap_err();
    assert!(refused.to_string().starts_with("error getting topics from app: "), "{refused}");
    let gone = testkit::free_port();
    assert!(within(channel(gone, Protocol::Http).topic_subscriptions("shop")).await.is_err());
    assert!(within(channel(gone, Protocol::Grpc).topic_subscriptions("shop")).await.is_err());
}

#[tokio::test]
async fn an_app_that_comes_a_moment_later_is_asked_again() {
    let port = testkit::free_port();
    let channel = channel(port, Protocol::Http);
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        App::http().otherwise(testkit::reply("[]")).start_on(port).await
    };
    let (listed, _app) = within(async { tokio::join!(channel.topic_subscriptions("shop"), later) }).await;
    assert_eq!(listed.unwrap(), []);
}

#[tokio::test]
async fn a_grpc_app_without_the_method_asks_for_nothing() {
    let app = App::grpc().start().await;
    let listed = within(channel(app.port(), Protocol::Grpc).topic_subscriptions("shop")).await.unwrap();
    assert_eq!(listed, []);
}
