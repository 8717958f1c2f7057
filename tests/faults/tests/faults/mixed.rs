//! Our sidecar and the one it replaces in one fleet: one publishes and the other handles, and both handle as one consumer.
//! Needs the other's executable: `TRILBY_REFERENCE` names a folder with its `daprd`. It is no package, so CI cannot have
//! it: `TRILBY_REFERENCE=... cargo test -p trilby-faults-tests -- mixed`.

use std::path::Path;
use std::time::Duration;

use testkit::{Program, is_reference, skip, variable};
use trilby_faults_tests::loss::Promise;
use trilby_faults_tests::random::Random;
use trilby_faults_tests::schedule::Plan;
use trilby_faults_tests::traffic::{Kind, Manners, Run};

const PROMISE: Promise = Promise { ordered: &[], again_for_a_fault: 0, echo: 0 };

/// No faults, and an app that fails nothing: what is held together here are formats and consumer groups.
async fn understand_each_other(name: &'static str, broker: Kind) {
    let Some(folder) = variable("TRILBY_REFERENCE") else {
        // No failure where nothing may be skipped: it cannot be installed.
        eprintln!("not run: {name}: TRILBY_REFERENCE names no folder with the reference's daprd");
        return;
    };
    if is_reference() {
        skip(name, "the program under test is the reference itself");
        return;
    }
    let (ours, theirs) = (Program::under_test(), Program::in_folder(Path::new(&folder)));
    let plan = Plan { messages: 1_000, kills: 0, broker_kills: 0, restarts: 0 };
    for (publisher, subscribers) in [
        (&theirs, vec![ours.clone()]),
        (ours, vec![theirs.clone()]),
        (ours, vec![ours.clone(), theirs.clone()]),
        (&theirs, vec![theirs.clone(), ours.clone()]),
    ] {
        let who = |program: &Program| if program.is_ours() { "ours" } else { "the reference" };
        let told = format!(
            "{name}: {} publishes, {:?} handle",
            who(publisher),
            subscribers.iter().map(who).collect::<Vec<_>>()
        );
        let publisher = publisher.clone();
        let manners = Manners { pace: Duration::from_millis(2), fails_every: 0 };
        let run = Run { name, broker, publisher, subscribers, manners, plan };
        let Some(outcome) = run.go(&mut Random::for_test(name)).await else { return };
        let summary = outcome.judge(&PROMISE).unwrap_or_else(|wrong| panic!("{told}: {wrong}"));
        println!("{told}: {summary:?}");
        assert!(summary.handled >= 1_000 && summary.again == 0 && summary.dead == 0, "{told}: {summary:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_fleet_shares_its_messages_on_redis() {
    understand_each_other("mixed fleet on Redis", Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_fleet_shares_its_messages_on_rabbitmq() {
    understand_each_other("mixed fleet on RabbitMQ", Kind::RabbitMq).await;
}
