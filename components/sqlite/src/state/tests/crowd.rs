//! Many writers at once on one store.

use std::collections::BTreeMap;
use std::sync::Mutex as History;

use tokio::task::JoinSet;

use super::*;

/// What a workflow engine does for one step: it reads its keys, then writes some with the ETags it saw, new ones, and
/// removes an old one, all or nothing.
async fn workflow(store: Arc<dyn StateStore>, id: usize) -> Result<(), Error> {
    let key = |name: &str| format!("wf||{id}||{name}");
    set(&*store, &key("metadata"), "0").await;
    for round in 0..20 {
        let seen = etag(&*store, &key("metadata")).await;
        let mut operations = vec![
            Operation::Upsert(SetRequest { etag: seen, ..write(&key("metadata"), &(round + 1).to_string()) }),
            Operation::Upsert(write(&key(&format!("history-{round}")), "event")),
            Operation::Upsert(write(&key("customStatus"), "busy")),
        ];
        if round > 0 {
            operations.push(Operation::Delete(removal(&key(&format!("inbox-{}", round - 1)))));
        }
        operations.push(Operation::Upsert(write(&key(&format!("inbox-{round}")), "message")));
        transact(&*store, operations).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_110_workflows_on_one_file_none_sees_an_error() {
    let (_folder, path) = new_file();
    let stores = [store_on(&path).await, store_on(&path).await];
    let mut crowd = JoinSet::new();
    for id in 0..110 {
        let store = Arc::clone(&stores[usize::from(id % 10 == 0)]);
        crowd.spawn(workflow(store, id));
    }
    while let Some(ended) = crowd.join_next().await {
        ended.unwrap().unwrap();
    }
    for id in 0..110 {
        assert_eq!(value(&*stores[0], &format!("wf||{id}||metadata")).await.as_deref(), Some("20"));
        assert_eq!(keys(&*stores[0], &format!(r"wf||{id}||history-%")).await.len(), 20);
        assert_eq!(keys(&*stores[0], &format!(r"wf||{id}||inbox-%")).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_8_writers_that_compare_and_set_exactly_one_wins_each_version() {
    let (_folder, path) = new_file();
    let stores = [store_on(&path).await, store_on(&path).await];
    set(&*stores[0], "register", "start").await;
    // Who replaced which version with which value.
    let history: Arc<History<Vec<(String, String)>>> = Arc::default();
    let mut crowd = JoinSet::new();
    for writer in 0..8 {
        let (store, history) = (Arc::clone(&stores[writer % 2]), Arc::clone(&history));
        crowd.spawn(async move {
            for attempt in 0..100 {
                let seen = etag(&*store, "register").await.unwrap();
                let request =
                    SetRequest { etag: Some(seen.clone()), ..write("register", &format!("{writer}-{attempt}")) };
                match store.set(&context(), &request).await {
                    Ok(()) => history.lock().unwrap().push((seen, format!("{writer}-{attempt}"))),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::EtagMismatch),
                }
            }
        });
    }
    while let Some(ended) = crowd.join_next().await {
        ended.unwrap();
    }
    let history = history.lock().unwrap().clone();
    let mut winners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (version, value) in &history {
        winners.entry(version).or_default().push(value);
    }
    assert!(winners.len() >= 100, "only {} versions", winners.len());
    for (version, values) in winners {
        assert_eq!(values.len(), 1, "{version} was replaced by {values:?}");
    }
    let last = value(&*stores[0], "register").await.unwrap();
    assert!(history.iter().any(|(_, value)| *value == last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_are_dropped_leave_whole_requests_or_nothing() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let mut crowd = JoinSet::new();
    for id in 0..200_u32 {
        let store = Arc::clone(&store);
        crowd.spawn(async move {
            let operations = ["a", "b", "c"].map(|name| Operation::Upsert(write(&format!("drop||{id}||{name}"), "1")));
            let limit = Duration::from_micros(u64::from(id) * 40);
            tokio::time::timeout(limit, transact(&*store, operations.to_vec())).await.is_ok()
        });
    }
    let mut finished = 0;
    while let Some(ended) = crowd.join_next().await {
        finished += usize::from(ended.unwrap());
    }
    set(&*store, "after", "1").await;
    let mut whole = 0;
    for id in 0..200 {
        let found = keys(&*store, &format!("drop||{id}||%")).await.len();
        assert!(found == 0 || found == 3, "{found} of 3");
        whole += usize::from(found == 3);
    }
    assert!(whole >= finished);
}
