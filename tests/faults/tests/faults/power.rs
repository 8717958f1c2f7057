//! Power cuts under load: what was acknowledged is there, whole, after the file system and the process recovered. Needs
//! root, FUSE and loop devices; run in the long form only, and loudly skipped where the machine cannot.

use std::time::{Duration, Instant};

use trilby_faults_tests::disk::{self, Disk};
use trilby_faults_tests::mail::Mail;
use trilby_faults_tests::random::Random;
use trilby_faults_tests::record::{Count, Record};
use trilby_faults_tests::sidecar::{Load, Sidecar, Subject, audit, last_words};

const CLIENTS: usize = 8;
const MEGABYTES: usize = 48;

/// Cuts the power of a subject's disk `cuts` times; each time it goes on from what the cut left.
pub(crate) async fn survives_power_cuts<S: Subject>(name: &str, subject: S, cuts: u64) {
    if let Some(why) = disk::missing() {
        testkit::skip(name, &why);
        return;
    }
    let mut random = Random::for_test(name);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut image = disk::formatted(folder.path(), MEGABYTES).expect("a disk can be formatted");
    let record = Record::default();
    let began = Instant::now();
    let (mut written, mut flushes) = (0, 0);
    for cut in 0..=cuts {
        let disk = Disk::mount(image, folder.path()).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        let process = subject.start(&disk.files(), &[]);
        let audited = audit(&subject, &record, &record.snapshot()).await;
        audited.unwrap_or_else(|wrong| panic!("after cut {cut}: {wrong}{}", last_words(&disk.files())));
        let before = record.acknowledged();
        let load = Load::begin(&subject, &record, CLIENTS);
        tokio::time::sleep(Duration::from_millis(random.between(5, 400))).await;
        let knew = record.snapshot();
        image = disk.cut(&mut random);
        let sent = record.snapshot();
        process.kill();
        let refusals = load.end().await;
        assert!(refusals.is_empty(), "cut {cut}: {refusals:?}");
        for (client, count) in sent {
            // Acknowledged before the cut; sent perhaps only while it was made.
            let acknowledged = knew.get(&client).map_or(0, |count| count.acknowledged);
            record.remember(client, Count { acknowledged, sent: count.sent });
        }
        written += record.acknowledged() - before;
        flushes += disk.flushes();
    }
    assert!(written > cuts, "only {written} writes were acknowledged");
    let seconds = began.elapsed().as_secs();
    println!(
        "{name}: {cuts} cuts, {written} acknowledged writes of 3 keys, {flushes} flushes, none lost or half, {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_on_sqlite_keeps_what_it_acknowledged_when_the_power_is_cut() {
    if !super::is_long() {
        return;
    }
    survives_power_cuts("power cuts of a sidecar on SQLite", Sidecar::on_sqlite(), 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_keeps_what_it_acknowledged_when_the_power_is_cut() {
    if !super::is_long() {
        return;
    }
    survives_power_cuts("power cuts of a hub", Sidecar::on_hub(), 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_delivers_what_it_acknowledged_when_the_power_is_cut() {
    if !super::is_long() {
        return;
    }
    survives_power_cuts("power cuts of a hub with messages", Mail::on_hub().await, 50).await;
}

/// The audit must be able to fail: a store that is told not to wait for the disk loses something to some cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_wait_for_the_disk_is_found_out() {
    if !super::is_long() {
        return;
    }
    if let Some(why) = disk::missing() {
        testkit::skip("power cuts of a store that does not wait", &why);
        return;
    }
    let options = "{folder}/state.db?_pragma=synchronous(OFF)";
    let subject = Sidecar::with_store("state.sqlite", &[("connectionString", options)]);
    let mut random = Random::for_test("a store that does not wait for the disk");
    for _ in 0..10 {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let image = disk::formatted(folder.path(), MEGABYTES).expect("a disk can be formatted");
        let record = Record::default();
        let disk = Disk::mount(image, folder.path()).expect("the disk can be mounted");
        let process = subject.start(&disk.files(), &[]);
        let load = Load::begin(&subject, &record, CLIENTS);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let knew = record.snapshot();
        assert!(record.acknowledged() > 0, "nothing was written");
        let image = disk.cut(&mut random);
        process.kill();
        let _ = load.end().await;
        drop(disk);
        let disk = Disk::mount(image, folder.path()).expect("the file system recovers");
        let process = subject.start(&disk.files(), &[]);
        let audited = audit(&subject, &record, &knew).await;
        process.kill();
        if audited.is_err() {
            return;
        }
    }
    panic!("ten cuts lost nothing although nothing was synced: the cuts do not cut");
}
