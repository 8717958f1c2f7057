//! Servers that die, fall silent or change their mind, and what nobody notices of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use component::pubsub::Settlement;
use component::{ErrorKind, Retry};
use servers::{Proxy, RabbitMq};

use crate::ground::{control, next, open, start, take, text, try_open};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_over_kills_and_nothing_leaks() {
    let Some(mut server) = start(RabbitMq::alone()).await else { return };
    let bus = Arc::new(open(&server.connection_string(), &[]).await);
    let mut deliveries = bus.subscribe("surviving").await;
    let mut acknowledged = BTreeSet::new();
    let mut handled = BTreeSet::new();
    for round in 0..5 {
        for number in 0..20 {
            let text = format!("{round}-{number}");
            bus.publish("surviving", &text).await;
            acknowledged.insert(text);
        }
        let old = next(&mut deliveries).await;
        server.kill();
        let down = format!("{round}-down");
        let refused = bus.publish_with("surviving", &down, &[]);
        let waiting = tokio::time::timeout(Duration::from_millis(200), refused).await;
        assert!(waiting.is_err() || waiting.unwrap().is_err(), "nobody is there");
        server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        })
        .await
        .unwrap();
        let restarted = Instant::now();
        bus.publish("surviving", &format!("{round}-up")).await;
        assert!(restarted.elapsed() < Duration::from_secs(8), "{:?}", restarted.elapsed());
        acknowledged.insert(format!("{round}-up"));
        // Its number now means another message.
        let error = old.settle(Settlement::Ack).await.unwrap_err();
        assert!(error.to_string().contains("its channel is gone"), "{error}");
        while !acknowledged.is_subset(&handled) {
            let delivery = next(&mut deliveries).await;
            let text = text(&delivery);
            // One of before the kill may have been handed out already: it comes again.
            if delivery.settle(Settlement::Ack).await.is_ok() {
                handled.insert(text);
            }
        }
    }
    let server = Arc::new(server);
    let connections = control(&server, &["list_connections", "--no-table-headers", "name"]).await;
    assert!(connections.lines().count() <= 2, "{connections}");
    let channels = control(&server, &["list_channels", "--no-table-headers", "name"]).await;
    assert!(channels.lines().count() <= 2, "{channels}");
    drop(deliveries);
    Arc::into_inner(bus).unwrap().close().await;
    assert_eq!(control(&server, &["list_connections", "--no-table-headers", "name"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_or_broken_network_is_survived() {
    let Some(server) = start(RabbitMq::alone()).await else { return };
    let proxy = Proxy::to(server.port());
    let connection = server.connection_string_through(proxy.port());
    let bus = open(&connection, &[("heartBeat", "1s")]).await;
    let mut deliveries = bus.subscribe("silent").await;
    bus.publish("silent", "before").await;
    assert_eq!(take(&mut deliveries).await, "before");
    proxy.silence();
    let start = Instant::now();
    let error = bus.publish_with("silent", "lost", &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::MaybeProcessed), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let error = bus.publish_with("silent", "unsent", &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::NotProcessed), "{error}");
    proxy.mend();
    bus.publish("silent", "after").await;
    while text(&next(&mut deliveries).await) != "after" {}
    for round in 0..3 {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.mend();
        bus.publish("silent", &round.to_string()).await;
        while text(&next(&mut deliveries).await) != round.to_string() {}
    }
    drop(deliveries);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_stops_only_until_it_is_known_again_and_is_never_shown() {
    let Some(mut server) = start(RabbitMq::alone()).await else { return };
    server.change_password("sesame");
    let connection = server.connection_string();
    let bus = open(&connection, &[]).await;
    let mut deliveries = bus.subscribe("guarded").await;
    bus.publish("guarded", "before").await;
    assert_eq!(take(&mut deliveries).await, "before");
    server.change_password("other");
    server.control(&["close_all_connections", "the test"]).unwrap();
    let error = bus.publish_with("guarded", "refused", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(!error.to_string().contains("sesame"), "{error}");
    let refused = try_open(&[("connectionString", connection.as_str())]).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
    assert!(!refused.to_string().contains("sesame"), "{refused}");
    server.change_password("sesame");
    bus.publish("guarded", "after").await;
    assert_eq!(take(&mut deliveries).await, "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named_and_its_password_is_not() {
    let error = try_open(&[("connectionString", "amqp://user:sesame@127.0.0.1:1")]).await.err().unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::NotProcessed));
    let text = error.to_string();
    assert!(text.contains("the server at 127.0.0.1:1") && !text.contains("sesame"), "{text}");
}
