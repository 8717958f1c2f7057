//! What the broker in memory promises beside the conformance suite.

use component::Host;
use component::pubsub::{Delivery, Settlement};

use super::*;

async fn broker() -> Arc<dyn PubSub> {
    #[expect(clippy::disallowed_methods, reason = "a test has no tracker; subscriptions end with the broker")]
    let tasks = Tasks::new(|_, work| drop(tokio::spawn(work)));
    let setup = Setup {
        name: "a".to_owned(),
        properties: [("", ""); 0].into_iter().collect(),
        host: Host::new("app", "", tasks),
    };
    construct(setup).await.unwrap()
}

async fn subscribe(broker: &dyn PubSub, topic: &str) -> Deliveries {
    let request = SubscribeRequest { topic: topic.to_owned(), ..SubscribeRequest::default() };
    broker.subscribe(&CallContext::default(), &request).await.unwrap()
}

async fn publish(broker: &dyn PubSub, topic: &str, data: &'static str) -> Result<(), Error> {
    let request = PublishRequest { topic: topic.to_owned(), data: data.into(), ..PublishRequest::default() };
    broker.publish(&CallContext::default(), &request).await
}

async fn data(deliveries: &mut Deliveries) -> (String, Delivery) {
    let delivery = deliveries.recv().await.unwrap();
    (String::from_utf8(delivery.message.data.to_vec()).unwrap(), delivery)
}

#[tokio::test(start_paused = true)]
async fn one_is_handed_out_at_a_time_and_a_failed_one_lets_others_pass() {
    let broker = broker().await;
    let mut deliveries = subscribe(&*broker, "t").await;
    for message in ["1", "2", "3"] {
        publish(&*broker, "t", message).await.unwrap();
    }
    let (first, delivery) = data(&mut deliveries).await;
    assert_eq!(first, "1");
    assert!(tokio::time::timeout(Duration::from_secs(60), deliveries.recv()).await.is_err(), "1 is not settled");
    delivery.settle(Settlement::Retry).await.unwrap();
    for expected in ["2", "3", "1"] {
        let (next, delivery) = data(&mut deliveries).await;
        assert_eq!(next, expected);
        delivery.settle(Settlement::Ack).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_secs(60), deliveries.recv()).await.is_err(), "all is settled");
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_unsettled_comes_again() {
    let broker = broker().await;
    let mut deliveries = subscribe(&*broker, "t").await;
    publish(&*broker, "t", "1").await.unwrap();
    drop(data(&mut deliveries).await);
    assert_eq!(data(&mut deliveries).await.0, "1");
}

#[tokio::test(start_paused = true)]
async fn publishers_wait_for_slow_subscribers_and_are_told_when_it_takes_too_long() {
    let broker = broker().await;
    let _slow = subscribe(&*broker, "t").await;
    for _ in 0..WAITING {
        publish(&*broker, "t", "1").await.unwrap();
    }
    // One is handed out, one is on its way out.
    let mut taken = 0;
    let error = loop {
        match publish(&*broker, "t", "1").await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 10, "there is no bound");
    };
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::NotProcessed));
    assert!(error.to_string().contains("topic t are too slow"), "{error}");
    publish(&*broker, "another", "1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_ended_subscription_takes_no_room_and_a_closed_broker_ends_all() {
    let broker = broker().await;
    drop(subscribe(&*broker, "t").await);
    for _ in 0..WAITING + 10 {
        publish(&*broker, "t", "1").await.unwrap();
    }
    let mut deliveries = subscribe(&*broker, "t").await;
    broker.close().await.unwrap();
    assert!(deliveries.recv().await.is_none());
    assert!(publish(&*broker, "t", "1").await.is_err());
}
