//! Other writers on the file of the store: "database is locked" must reach nobody who still has time.

use super::*;

#[tokio::test]
async fn a_file_that_another_process_holds_is_waited_for() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (written, ()) = tokio::join!(async { store.set(&context(), &write("k", "1")).await }, async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        other.execute_batch("COMMIT").unwrap();
    });
    written.unwrap();
    assert_eq!(value(&*store, "k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn who_runs_out_of_time_is_told_so_and_nothing_is_done_later() {
    let (_folder, path) = new_file();
    let store = opened(&[("url", path.to_str().unwrap()), ("timeout", "1s")]).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = store.set(&context(), &write("late", "1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let soon = CallContext { deadline: Some(tokio::time::Instant::now() + Duration::from_millis(50)), ..context() };
    assert_eq!(store.set(&soon, &write("sooner", "1")).await.unwrap_err().kind(), ErrorKind::Timeout);
    let call = context();
    let request = write("dropped", "1");
    assert!(tokio::time::timeout(Duration::from_millis(50), store.set(&call, &request)).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    set(&*store, "k", "1").await;
    assert_eq!(keys(&*store, "%").await, ["k"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beside_a_process_that_writes_all_the_time_nobody_sees_a_locked_database() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    let other = path.clone();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let busy = std::thread::spawn(move || {
        let connection = Connection::open(other).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        let mut rounds = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let insert = "INSERT OR REPLACE INTO state (key, value, is_binary, etag) VALUES ('other', ?, 0, 'e')";
            connection.execute(insert, [rounds]).unwrap();
            std::thread::sleep(Duration::from_millis(3));
            connection.execute_batch("COMMIT").unwrap();
            // A moment in which the file is free: who never leaves one locks everybody out.
            std::thread::sleep(Duration::from_micros(200));
            rounds += 1;
        }
        rounds
    });
    let mut crowd = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = Arc::clone(&store);
        crowd.spawn(async move {
            for round in 0..25 {
                set(&*store, &format!("own||{writer}||{round}"), "1").await;
                assert!(get(&*store, &format!("own||{writer}||{round}")).await.is_some());
            }
        });
    }
    while let Some(ended) = crowd.join_next().await {
        ended.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(busy.join().unwrap() > 0);
    assert_eq!(keys(&*store, "own||%").await.len(), 200);
}

#[tokio::test]
async fn many_that_start_with_the_same_new_file_all_start() {
    let (_folder, path) = new_file();
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let path = path.clone();
        starting.spawn(async move { store_on(&path).await });
    }
    let stores = starting.join_all().await;
    set(&*stores[0], "k", "1").await;
    assert_eq!(value(&*stores[11], "k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (_folder, path) = new_file();
    let store = store_on(&path).await;
    set(&*store, "k", "1").await;
    store.close().await.unwrap();
    let error = store.set(&context(), &write("k", "2")).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unavailable, "component is closed".into()));
    assert!(!path.with_file_name("state.db-wal").exists(), "the last connection brings the log into the file");
}
