//! Our sidecar and the one it replaces on one file of `state.sqlite` at the same time: nothing is lost or half, and no
//! version is replaced twice. `TRILBY_REFERENCE` names a folder with the other's `daprd`, as for the mixed fleets.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{Program, is_reference, skip, variable};
use tokio::task::JoinSet;
use trilby_faults_tests::record::Record;
use trilby_faults_tests::sidecar::{Client as _, Refusal, Sidecar, Subject as _, audit};

const NAME: &str = "one file of SQLite for the reference and ours";
const CLIENTS: usize = 16;
/// The keys that all clients count up.
const SHARED: [&str; 4] = ["shared-0", "shared-1", "shared-2", "shared-3"];

/// What a client did.
#[derive(Default)]
struct Told {
    transactions: u64,
    /// The versions it replaced, with their keys.
    replaced: Vec<(&'static str, String)>,
    refusals: Vec<String>,
}

async fn work(sidecar: Sidecar, record: Record, client: usize, until: Instant) -> Told {
    let mut connection = sidecar.connect().await.expect("it gets ready");
    let mut told = Told::default();
    for round in client.. {
        if Instant::now() > until {
            break;
        }
        let number = record.send_next(client);
        match connection.write(&Record::writes(client, number)).await {
            Ok(()) => {
                record.acknowledge(client, number);
                told.transactions += 1;
            }
            Err(Refusal::Answered(text)) => told.refusals.push(text),
            Err(Refusal::Lost(error)) => panic!("client {client}: {error}"),
        }
        let key = SHARED[round % SHARED.len()];
        match connection.count_up(key).await {
            Ok(version) => told.replaced.extend(version.map(|version| (key, version))),
            Err(text) => told.refusals.push(text),
        }
    }
    told
}

/// Both at work on the file of which `first` made the tables.
async fn share(first: &Sidecar, second: &Sidecar, ours: usize, span: Duration) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).expect("a folder can be made");
    let mut processes = Vec::new();
    for sidecar in [first, second] {
        processes.push(sidecar.start(&kept, &[]));
        let mut connection = sidecar.connect().await.expect("it gets ready");
        for key in SHARED {
            assert!(connection.count_up(key).await.expect("nobody else is at work").is_some());
        }
    }
    let (record, mut clients) = (Record::default(), JoinSet::new());
    let until = Instant::now() + span;
    for client in 0..CLIENTS {
        let sidecar = [first, second][client % 2].clone();
        let working = work(sidecar, record.clone(), client, until);
        clients.spawn(async move { (client % 2, working.await) });
    }
    let (mut transactions, mut replaced, mut refused) = (0, BTreeMap::<_, u64>::new(), [Vec::new(), Vec::new()]);
    while let Some(ended) = clients.join_next().await {
        let (side, told) = ended.expect("a client ends well");
        transactions += told.transactions;
        refused[side].extend(told.refusals);
        for version in told.replaced {
            *replaced.entry(version).or_default() += 1;
        }
    }
    let twice: Vec<_> = replaced.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "replaced more than once: {twice:?}");
    let mut seen = Vec::new();
    for sidecar in [first, second] {
        audit(sidecar, &record, &record.snapshot()).await.unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut connection = sidecar.connect().await.expect("it is ready");
        let keys: Vec<String> = (0..CLIENTS).flat_map(Record::keys).collect();
        let counters = connection.numbers(&SHARED).await.expect("reads work");
        seen.push((connection.read(&keys).await.expect("reads work"), counters));
    }
    assert!(seen[0] == seen[1], "they read different things");
    for (key, counter) in SHARED.iter().zip(&seen[0].1) {
        // Each sidecar counted it up once before all clients did.
        let counted = replaced.iter().filter(|((of, _), _)| of == key).count() as u64 + 2;
        assert_eq!(*counter, counted, "{key}: a replacement was lost or invented");
    }
    let (sets, theirs) = (replaced.len(), 1 - ours);
    println!(
        "{NAME}: {transactions} transactions, {sets} compare-and-sets, {} refused by ours, {} by the reference {:?}",
        refused[ours].len(),
        refused[theirs].len(),
        refused[theirs].first()
    );
    assert!(refused[ours].is_empty(), "{:?}", refused[ours]);
    assert!(transactions > 0 && sets > 0);
    processes.into_iter().for_each(|process| process.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_of_sqlite_serves_the_reference_and_ours_at_the_same_time() {
    let Some(folder) = variable("TRILBY_REFERENCE") else {
        // No failure where nothing may be skipped: it cannot be installed.
        eprintln!("not run: {NAME}: TRILBY_REFERENCE names no folder with the reference's daprd");
        return;
    };
    if is_reference() {
        skip(NAME, "the program under test is the reference itself");
        return;
    }
    let span = Duration::from_secs(super::times(3, 20));
    let theirs = || Sidecar::on_sqlite().run_by(Program::in_folder(Path::new(&folder)));
    share(&Sidecar::on_sqlite(), &theirs(), 0, span).await;
    share(&theirs(), &Sidecar::on_sqlite(), 1, span).await;
}
