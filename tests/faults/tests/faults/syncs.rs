//! Acknowledgements and syncs under `strace`: none leaves before the sync that covers it, and none after one that failed.

use std::fs;
use std::path::Path;

use testkit::{is_reference, skip};
use tokio::task::JoinSet;
use trilby_faults_tests::command::find;
use trilby_faults_tests::random::Random;
use trilby_faults_tests::record::Record;
use trilby_faults_tests::sidecar::{Client as _, Refusal, Sidecar, Subject as _, audit};
use trilby_faults_tests::trace::{self, CALLS};

fn is_possible(what: &str) -> bool {
    if is_reference() {
        skip(what, "it is a promise of ours");
        return false;
    }
    if find("strace").is_none() {
        skip(what, "strace is not installed");
        return false;
    }
    true
}

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).expect("a folder can be made");
    (folder, kept)
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("sidecar/log")).expect("the sidecar has a log")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledgement_of_sqlite_leaves_before_the_sync_that_covers_it() {
    acknowledges_behind_syncs("acknowledgements of SQLite under strace", Sidecar::on_sqlite(), "state.db-wal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledgement_of_the_hub_leaves_before_the_sync_that_covers_it() {
    acknowledges_behind_syncs("acknowledgements of the hub under strace", Sidecar::on_hub(), "kept/hub/").await;
}

/// `log` is a part of the path of the file that must be synced.
async fn acknowledges_behind_syncs(name: &str, subject: Sidecar, log: &str) {
    if !super::is_long() || !is_possible(name) {
        return;
    }
    let (folder, kept) = folder();
    let file = folder.path().join("trace").display().to_string();
    let around = ["strace", "-f", "-y", "-s", "9000", "-e", CALLS, "-o", &file];
    let process = subject.start(&kept, &around);
    let mut clients = JoinSet::new();
    let (alone, together) = (200, 50);
    for client in 0..4 {
        let mut connection = subject.connect().await.expect("it gets ready");
        if client == 0 {
            // One after the other, so that no commit covers a second answer.
            for number in 0..alone {
                let values = [(format!("alone-{number}"), format!("mark-{number}"))];
                connection.write(&values).await.expect("nothing is wrong");
            }
        }
        clients.spawn(async move {
            for number in 0..together {
                let marker = 1000 * (client + 1) + number;
                let values = [(format!("key-{client}-{number}"), format!("mark-{marker}"))];
                connection.write(&values).await.expect("nothing is wrong");
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client ends well");
    }
    process.terminate();
    let calls = trace::calls(&fs::read_to_string(&file).expect("the trace was written"));
    let answers = trace::check(&calls, "mark-", log, "HTTP/1.1 204").unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(answers, alone + 4 * together);
    let syncs = calls.iter().filter(|call| call.name.ends_with("sync") && call.target.contains(log)).count();
    println!("{name}: {answers}, each behind its sync; {syncs} syncs of the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_one_failed_sync_sqlite_acknowledges_nothing_and_says_why() {
    acknowledges_nothing_more("a failed sync of SQLite", Sidecar::on_sqlite(), &SQLITE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_one_failed_sync_the_hub_acknowledges_nothing_and_says_why() {
    acknowledges_nothing_more("a failed sync of the hub", Sidecar::on_hub(), &HUB).await;
}

/// What a subject does after a failed sync.
struct Manner {
    /// What every later answer says.
    reason: &'static str,
    /// Whether it still answers reads.
    reads_go_on: bool,
    /// What stands in its log.
    logged: &'static str,
}

const SQLITE: Manner =
    Manner { reason: "nothing is written any more", reads_go_on: true, logged: "State store stops writing" };
/// The hub says it to its clients only.
const HUB: Manner = Manner { reason: "nothing more is acknowledged", reads_go_on: false, logged: "" };

async fn acknowledges_nothing_more(name: &str, subject: Sidecar, manner: &Manner) {
    let Manner { reason, reads_go_on, logged } = *manner;
    if !super::is_long() || !is_possible(name) {
        return;
    }
    let mut random = Random::for_test(name);
    for _ in 0..10 {
        // Those of the start are left out: a store that cannot start acknowledges nothing either.
        let which = random.between(40, 90);
        let (folder, kept) = folder();
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={which}");
        let around = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject];
        let process = subject.start(&kept, &around);
        let mut connection = subject.connect().await.expect("it gets ready");
        let record = Record::default();
        let mut refusal = None;
        while refusal.is_none() && record.of(0).acknowledged < 200 {
            let number = record.send_next(0);
            match connection.write(&Record::writes(0, number)).await {
                Ok(()) => record.acknowledge(0, number),
                Err(Refusal::Answered(text)) => refusal = Some(text),
                Err(Refusal::Lost(error)) => panic!("the sidecar ended: {error}"),
            }
        }
        let first = refusal.unwrap_or_else(|| panic!("sync {which} failed and nobody was told"));
        assert!(first.contains(reason), "{first}");
        for number in 0..20 {
            let written = connection.write(&[(format!("late-{number}"), "1".to_owned())]).await;
            let Err(Refusal::Answered(text)) = written else { panic!("after the failed sync: {written:?}") };
            assert!(text.contains(reason), "{text}");
        }
        match connection.read(&Record::keys(0)).await {
            Ok(found) => assert!(reads_go_on && Record::audit(0, record.of(0), &found).is_ok()),
            Err(text) => assert!(!reads_go_on && text.contains(reason), "{text}"),
        }
        assert!(log_of(folder.path()).contains(logged));
        process.kill();
        let process = subject.start(&kept, &[]);
        audit(&subject, &record, &record.snapshot()).await.unwrap_or_else(|wrong| panic!("sync {which}: {wrong}"));
        let mut connection = subject.connect().await.expect("it gets ready");
        let late: Vec<String> = (0..20).map(|number| format!("late-{number}")).collect();
        assert!(connection.read(&late).await.expect("reads work").is_empty());
        process.kill();
        println!("{name}, number {which}: {} acknowledged before, none after", record.of(0).acknowledged);
    }
}
