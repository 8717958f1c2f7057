//! kill -9 under load: what was acknowledged is there, whole, when the process is started again.

use std::time::{Duration, Instant};

use testkit::is_reference;
use trilby_faults_tests::mail::Mail;
use trilby_faults_tests::random::Random;
use trilby_faults_tests::record::Record;
use trilby_faults_tests::sidecar::{Load, Sidecar, Subject, audit, last_words};

const CLIENTS: usize = 8;

/// Kills a subject `kills` times.
pub(crate) async fn survives_kills<S: Subject>(name: &str, subject: S, kills: u64) {
    let mut random = Random::for_test(name);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).expect("a folder can be made");
    let record = Record::default();
    let began = Instant::now();
    let mut written = 0;
    for kill in 1..=kills {
        let process = subject.start(&kept, &[]);
        audit(&subject, &record, &record.snapshot())
            .await
            .unwrap_or_else(|wrong| panic!("kill {kill}: {wrong}{}", last_words(&kept)));
        let before = record.acknowledged();
        let load = Load::begin(&subject, &record, CLIENTS);
        tokio::time::sleep(Duration::from_millis(random.between(5, 300))).await;
        process.kill();
        let refusals = load.end().await;
        assert!(refusals.is_empty(), "kill {kill}: {refusals:?}");
        written += record.acknowledged() - before;
    }
    let process = subject.start(&kept, &[]);
    audit(&subject, &record, &record.snapshot())
        .await
        .unwrap_or_else(|wrong| panic!("after all: {wrong}{}", last_words(&kept)));
    process.terminate();
    assert!(written > kills, "only {written} writes were acknowledged");
    let seconds = began.elapsed().as_secs();
    println!("{name}: {kills} kills, {written} acknowledged writes of 3 keys, none lost or half, {seconds} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_on_sqlite_that_is_killed_under_load_keeps_what_it_acknowledged() {
    if is_reference() {
        testkit::skip("kills of a sidecar on SQLite", "the reference answers that the database is locked");
        return;
    }
    survives_kills("kills of a sidecar on SQLite", Sidecar::on_sqlite(), super::times(5, 200)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_killed_under_load_keeps_what_it_acknowledged() {
    if is_reference() {
        testkit::skip("kills of a hub", "the reference has no hub");
        return;
    }
    survives_kills("kills of a hub", Sidecar::on_hub(), super::times(5, 200)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_killed_under_load_delivers_what_it_acknowledged() {
    if is_reference() {
        testkit::skip("kills of a hub with messages", "the reference has no hub");
        return;
    }
    survives_kills("kills of a hub with messages", Mail::on_hub().await, super::times(3, 50)).await;
}
