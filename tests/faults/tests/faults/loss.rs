//! Messages under kills and restarts: nothing acknowledged is lost, keys keep their order where that is promised, and
//! nothing that the app did not fail is in the dead-letter topic.

use std::time::Duration;

use testkit::{is_reference, skip};
use trilby_faults_tests::loss::{Promise, Summary};
use trilby_faults_tests::random::Random;
use trilby_faults_tests::schedule::Plan;
use trilby_faults_tests::traffic::{Kind, Manners, ORDERS, PARCELS, Run};

/// What was in flight at a fault comes again: at the sidecar, in the app, and on the way back.
const PROMISE: Promise = Promise { ordered: &[], again_for_a_fault: 300, echo: 20_000 };
/// A hub hands out one message of a key after the other.
const ORDERED: Promise = Promise { ordered: &[ORDERS, PARCELS], ..PROMISE };

fn plan(broker_kills: u64) -> Plan {
    match super::is_long() {
        true => Plan { messages: 20_000, kills: 45, broker_kills: 5 * broker_kills, restarts: 20 },
        false => Plan { messages: 1_500, kills: 5, broker_kills, restarts: 3 },
    }
}

/// Runs it and judges it; `None` where the broker is missing.
async fn loses_nothing(run: Run, promise: &Promise) -> Option<Summary> {
    let (name, messages) = (run.name, run.plan.messages);
    let mut random = Random::for_test(name);
    let outcome = run.go(&mut random).await?;
    let summary = outcome.judge(promise).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    let faults = outcome.history.faults.len();
    let (start, end) = (outcome.slowest_start, outcome.slowest_end);
    println!("{name}: {summary:?}, {faults} faults, ready again after {start:?}, ended after {end:?} at most");
    assert!(summary.acknowledged as u64 >= messages, "{summary:?}");
    Some(summary)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_the_hub_and_keys_keep_their_order_through_kills_and_restarts() {
    if is_reference() {
        skip("loss on the hub", "the reference has no hub");
        return;
    }
    let run = Run::of_program_under_test("loss on the hub", Kind::Hub, plan(3));
    loses_nothing(run, &ORDERED).await;
}

/// The reference loses here: that it is found out shows that the checker can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_redis_through_kills_and_restarts() {
    let run = Run::of_program_under_test("loss on Redis", Kind::Redis, plan(2));
    if is_reference() {
        let outcome = run.go(&mut Random::for_test("loss on Redis")).await;
        let told = outcome.map(|outcome| outcome.judge(&PROMISE));
        assert!(told.is_none_or(|told| told.is_err_and(|wrong| wrong.contains("lost"))));
        skip("loss on Redis", "the reference loses messages, and was found out");
        return;
    }
    loses_nothing(run, &PROMISE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_rabbitmq_through_kills_and_restarts() {
    loses_nothing(Run::of_program_under_test("loss on RabbitMQ", Kind::RabbitMq, plan(1)), &PROMISE).await;
}

/// Nothing is failed by the app, which is slow, so that something is in flight whenever a sidecar or the app is asked to
/// end: nothing may be in the dead-letter topic, and only what was in flight may come again.
async fn restarts_gracefully(name: &'static str, broker: Kind, promise: Promise) {
    let restarts = if super::is_long() { 40 } else { 8 };
    let plan = Plan { messages: restarts * 60, kills: 0, broker_kills: 0, restarts };
    let manners = Manners { pace: Duration::from_millis(40), fails_every: 0 };
    let run = Run { manners, ..Run::of_program_under_test(name, broker, plan) };
    let Some(summary) = loses_nothing(run, &promise).await else { return };
    assert_eq!(summary.dead, 0, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_restarts_under_load_lose_and_dead_letter_nothing_on_the_hub() {
    if is_reference() {
        skip("graceful restarts on the hub", "the reference has no hub");
        return;
    }
    restarts_gracefully("graceful restarts on the hub", Kind::Hub, ORDERED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_restarts_under_load_lose_and_dead_letter_nothing_on_redis() {
    if is_reference() {
        skip("graceful restarts on Redis", "the reference loses messages");
        return;
    }
    restarts_gracefully("graceful restarts on Redis", Kind::Redis, PROMISE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graceful_restarts_under_load_lose_and_dead_letter_nothing_on_rabbitmq() {
    restarts_gracefully("graceful restarts on RabbitMQ", Kind::RabbitMq, PROMISE).await;
}
