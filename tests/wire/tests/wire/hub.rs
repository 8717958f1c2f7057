//! The hub as a process: one of them, nothing acknowledged lost, each user and each version apart, no answer before its sync.

mod topics;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hubclient::{Client, Error, Options, Spawner};
use testkit::{ours_only, skip, spawn, variable};
use wire::hub::{Keys, Operation, Put, Range, Transaction, TransactionAnswer, keys, operation};

/// A place for a hub of its own.
struct Place {
    folder: tempfile::TempDir,
}

/// A hub that runs as a child of the test.
struct Hub(Child);

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> PathBuf {
    let named = variable("TRILBY_BIN").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("trilby"))
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("hub.sock")
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let mut line = vec!["hub".to_owned()];
        line.extend(["--socket".to_owned(), self.socket().display().to_string()]);
        line.extend(["--data-dir".to_owned(), self.path().join("data").display().to_string()]);
        line.extend(words.iter().map(|word| (*word).to_owned()));
        line
    }

    fn command(&self, words: &[&str]) -> Output {
        Command::new(program()).args(self.arguments(words)).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs the hub, below another program when one is given.
    fn run(&self, below: &[&str], more: &[&str]) -> Hub {
        let program = program();
        let mut line: Vec<String> = below.iter().map(|word| (*word).to_owned()).collect();
        line.push(program.display().to_string());
        line.extend(self.arguments(more));
        let (first, rest) = line.split_first().unwrap();
        Hub(Command::new(first).args(rest).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn client(&self, patience: Duration) -> Client {
        client(self.socket(), patience)
    }
}

fn client(socket: PathBuf, patience: Duration) -> Client {
    let spawner = Spawner::new(|_, work| drop(spawn(work)));
    Client::new(Options { sockets: vec![socket], name: Some("test".to_owned()), patience, spawner })
}

const PATIENCE: Duration = Duration::from_secs(20);

fn put(key: &str, value: &str) -> Transaction {
    let put = Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        ends: None,
    };
    let then = vec![Operation { operation: Some(operation::Operation::Put(put)) }];
    Transaction { then, ..Transaction::default() }
}

async fn write(client: &Client, key: &str, value: &str) -> Result<TransactionAnswer, Error> {
    client.transact(vec![put(key, value)]).await.map(|answers| answers[0].clone())
}

async fn all(client: &Client, prefix: &str) -> BTreeMap<String, String> {
    let prefix = Keys { keys: Some(keys::Keys::Prefix(Bytes::copy_from_slice(prefix.as_bytes()))) };
    let (mut found, mut behind) = (BTreeMap::new(), None);
    loop {
        let range = Range { keys: Some(prefix.clone()), behind, ..Range::default() };
        let answer = client.read(vec![range]).await.unwrap().remove(0);
        behind = answer.entries.last().map(|entry| entry.key.clone());
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        found.extend(answer.entries.iter().map(|entry| (text(&entry.key), text(&entry.value))));
        if !answer.more {
            return found;
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn of_many_starts_one_hub_lives_and_all_find_it() {
    ours_only!("the reference has no hub");
    let place = Arc::new(Place::new());
    let starts = (0..5).map(|_| {
        let place = Arc::clone(&place);
        std::thread::spawn(move || place.command(&["start", "--idle-timeout", "60s"]))
    });
    let starts: Vec<_> = starts.collect();
    let process = |output: &Output| {
        let told = text(output);
        assert!(output.status.success(), "{told}");
        told.split("process ").nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    let processes: Vec<String> = starts.into_iter().map(|start| process(&start.join().unwrap())).collect();
    assert!(processes.iter().all(|found| *found == processes[0]), "{processes:?}");
    let status = text(&place.command(&["status"]));
    for wanted in [&processes[0], &place.socket().display().to_string(), "protocol 2", "keys", "topics", "clients"] {
        assert!(status.contains(wanted), "{wanted} is not in {status}");
    }
    assert!(text(&place.command(&["stop"])).contains("has ended"));
    assert!(!place.socket().exists());
    assert!(text(&place.command(&["stop"])).contains("No hub runs"));
    assert!(text(&place.command(&["status"])).contains("trilby hub start"));
}

#[tokio::test]
async fn configuration_is_written_and_read_by_commands() {
    ours_only!("the reference has no hub");
    let place = Place::new();
    let _hub = place.run(&[], &[]);
    place.client(PATIENCE).connect().await.unwrap();
    assert!(place.command(&["config", "set", "colour", "dark blue"]).status.success());
    assert!(place.command(&["config", "set", "size", "--", "-5"]).status.success());
    assert_eq!(text(&place.command(&["config", "get", "colour"])), "dark blue\n");
    assert_eq!(text(&place.command(&["config", "list"])), "colour=dark blue\nsize=-5\n");
    assert!(place.command(&["config", "delete", "size"]).status.success());
    let missing = place.command(&["config", "get", "size"]);
    assert!(!missing.status.success() && text(&missing).contains("there is no value size"));
    assert_eq!(text(&place.command(&["config", "list", "--database", "other"])), "");
}

/// What writers were told is done.
#[derive(Default)]
struct Acknowledged {
    last: [AtomicU64; 8],
    failures: Mutex<Vec<String>>,
}

/// Writes one key after the other, and each again until it is acknowledged.
async fn write_on(writer: usize, client: Client, acknowledged: Arc<Acknowledged>, ended: Arc<AtomicBool>) {
    let mut number = 0;
    while !ended.load(Ordering::SeqCst) {
        number += 1;
        let counter = put(&format!("last/{writer}"), &number.to_string());
        let own = put(&format!("all/{writer}/{number:08}"), &number.to_string());
        loop {
            match client.transact(vec![own.clone(), counter.clone()]).await {
                Ok(_) => break,
                Err(Error::Broken(_)) => {}
                Err(error) => {
                    acknowledged.failures.lock().unwrap().push(error.to_string());
                    return;
                }
            }
        }
        acknowledged.last[writer].store(number, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kills_under_load() {
    ours_only!("the reference has no hub");
    let rounds = if variable("TRILBY_LONG").is_some() { 200 } else { 6 };
    let place = Place::new();
    let mut hub = place.run(&[], &[]);
    let (acknowledged, ended) = (Arc::new(Acknowledged::default()), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..8)
        .map(|writer| spawn(write_on(writer, place.client(PATIENCE), Arc::clone(&acknowledged), Arc::clone(&ended))))
        .collect();
    let mut opening = Duration::ZERO;
    for round in 0..rounds {
        // Different moments of batches and flushes, the same in each run.
        tokio::time::sleep(Duration::from_millis(60 + (round * 37) % 180)).await;
        hub.0.kill().unwrap();
        hub.0.wait().unwrap();
        let known: Vec<u64> = acknowledged.last.iter().map(|last| last.load(Ordering::SeqCst)).collect();
        let began = Instant::now();
        hub = place.run(&[], &[]);
        let client = place.client(PATIENCE);
        let found = all(&client, "last/").await;
        opening = opening.max(began.elapsed());
        for (writer, known) in known.into_iter().enumerate() {
            let last = found.get(&format!("last/{writer}")).map_or(0, |last| last.parse::<u64>().unwrap());
            assert!(last >= known, "round {round}: {known} of writer {writer} was acknowledged, and {last} is there");
        }
        client.close().await;
    }
    ended.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(*acknowledged.failures.lock().unwrap(), Vec::<String>::new());
    let found = all(&place.client(PATIENCE), "all/").await;
    let mut total = 0;
    for (writer, last) in acknowledged.last.iter().enumerate() {
        let last = last.load(Ordering::SeqCst);
        total += last;
        for number in 1..=last {
            assert!(found.contains_key(&format!("all/{writer}/{number:08}")), "{number} of writer {writer} is lost");
        }
    }
    assert!(total > rounds, "only {total} writes in {rounds} rounds");
    println!("{rounds} kills, {total} writes, the longest way back {opening:?}");
}

/// With a million keys in the long tier; how soon it answers after a kill is printed, for docs/reference/long-runs.md.
#[tokio::test]
async fn many_keys_open_soon_and_take_little_memory() {
    ours_only!("the reference has no hub");
    let count: u64 = if variable("TRILBY_LONG").is_some() { 1_000_000 } else { 50_000 };
    let place = Place::new();
    let mut hub = place.run(&[], &[]);
    let loader = place.client(PATIENCE);
    let value = "x".repeat(100);
    for thousand in 0..count / 1000 {
        let puts = (0..1000).map(|number| put(&format!("key-{:07}", thousand * 1000 + number), &value).then.remove(0));
        let transaction = Transaction { then: puts.collect(), ..Transaction::default() };
        loader.transact(vec![transaction]).await.unwrap();
    }
    hub.0.kill().unwrap();
    hub.0.wait().unwrap();
    let began = Instant::now();
    let hub = place.run(&[], &[]);
    let client = place.client(PATIENCE);
    let status = client.status().await.unwrap();
    let opened = began.elapsed();
    assert_eq!(status.keys, count);
    let range = Range {
        keys: Some(Keys { keys: Some(keys::Keys::One(Bytes::from(format!("key-{:07}", count / 2)))) }),
        ..Range::default()
    };
    assert_eq!(client.read(vec![range]).await.unwrap().remove(0).entries.len(), 1);
    let memory = std::fs::read_to_string(format!("/proc/{}/status", hub.0.id())).unwrap();
    let resident = memory.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().trim_end_matches(" kB");
    let resident = resident.parse::<u64>().unwrap() / 1024;
    println!("{count} keys: answers after {opened:?}, {resident} MB resident, {} MB on the disk", status.bytes >> 20);
    assert!(resident < 100, "{resident} MB are resident");
}

#[tokio::test]
async fn a_hub_without_clients_ends_and_one_with_clients_stays() {
    ours_only!("the reference has no hub");
    let place = Place::new();
    let mut hub = place.run(&[], &["--idle-timeout", "700ms"]);
    let client = place.client(PATIENCE);
    client.connect().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(hub.0.try_wait().unwrap().is_none(), "it ended beside a client");
    client.close().await;
    let began = Instant::now();
    let ended = loop {
        match hub.0.try_wait().unwrap() {
            Some(status) => break status,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
    };
    assert!(ended.success());
    assert!(!place.socket().exists());
}

#[tokio::test]
async fn a_key_that_ends_is_gone_in_time_and_its_watcher_hears_of_it() {
    ours_only!("the reference has no hub");
    let place = Place::new();
    let _hub = place.run(&[], &[]);
    let client = place.client(PATIENCE);
    let every = Keys { keys: Some(keys::Keys::Prefix(Bytes::new())) };
    let mut watching = client.watch(every, None).await.unwrap();
    assert!(watching.next().await.unwrap().unwrap().events.is_empty());
    let mut ending = put("k", "x");
    if let Some(operation::Operation::Put(put)) = &mut ending.then[0].operation {
        put.ends = Some(wire::hub::put::Ends::Life(300));
    }
    let began = Instant::now();
    client.transact(vec![ending]).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(watching.next().await.unwrap().unwrap().events);
    }
    assert!(began.elapsed() >= Duration::from_millis(299), "it ended after {:?}", began.elapsed());
    assert!(
        matches!(&seen[1].event, Some(wire::hub::event::Event::Removed(removed)) if removed.key == "k"),
        "{seen:?}"
    );
    assert!(all(&client, "").await.is_empty());
}

/// A hub of another version, as far as its hello.
#[derive(Clone)]
struct OfVersion(wire::hub::HelloResponse);

#[tonic::async_trait]
impl wire::hub::hub_server::Hub for OfVersion {
    async fn hello(
        &self,
        _: tonic::Request<wire::hub::HelloRequest>,
    ) -> Result<tonic::Response<wire::hub::HelloResponse>, tonic::Status> {
        Ok(tonic::Response::new(self.0.clone()))
    }
}

impl OfVersion {
    fn run(self, place: &Place) {
        let listener = tokio::net::UnixListener::bind(place.socket()).unwrap();
        spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let hub = self.clone();
                let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let hub = hub.clone();
                    async move {
                        use tower_service::Service as _;
                        wire::hub::hub_server::HubServer::new(hub).call(request).await
                    }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                spawn(async move {
                    let executor = hyper_util::rt::TokioExecutor::new();
                    let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
                });
            }
        });
    }
}

#[tokio::test]
async fn a_hub_from_before_there_were_topics_is_told_with_what_to_do() {
    ours_only!("the reference has no hub");
    let place = Place::new();
    let (oldest_protocol, newest_protocol, version) = (1, 1, "0.0.9".to_owned());
    OfVersion(wire::hub::HelloResponse { protocol: 1, oldest_protocol, newest_protocol, version, pid: 1 }).run(&place);
    let client = place.client(PATIENCE);
    let publishing = client.publish(wire::hub::PublishRequest::default()).await;
    let Err(Error::Refused(told)) = publishing else { panic!("{publishing:?}") };
    for wanted in ["older", "no topics", "protocol 1", "came with 2", "trilby hub stop"] {
        assert!(told.contains(wanted), "{wanted} is not in {told}");
    }
    assert!(matches!(client.consume(wire::hub::Attach::default()).await, Err(Error::Refused(_))));
    assert!(matches!(client.topics().await, Err(Error::Refused(_))));
}

#[tokio::test]
async fn a_hub_of_another_version_is_told_with_what_to_do() {
    ours_only!("the reference has no hub");
    let place = Place::new();
    let (oldest_protocol, newest_protocol, version) = (7, 9, "8.0.0".to_owned());
    OfVersion(wire::hub::HelloResponse { protocol: 0, oldest_protocol, newest_protocol, version, pid: 1 }).run(&place);
    let status = tokio::task::spawn_blocking(move || place.command(&["status"])).await.unwrap();
    let told = text(&status);
    assert!(!status.status.success());
    for wanted in ["8.0.0", "newer", "protocol 7 to 9", "1 to 2", "trilby hub stop"] {
        assert!(told.contains(wanted), "{wanted} is not in {told}");
    }
}

#[tokio::test]
async fn a_request_of_an_unknown_version_and_of_another_user_is_refused() {
    ours_only!("the reference has no hub");
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let place = Place::new();
    let _hub = place.run(&[], &[]);
    place.client(PATIENCE).connect().await.unwrap();
    if !nix::unistd::geteuid().is_root() {
        skip("another user at the hub", "only root can become another user");
        return;
    }
    // The folder and the socket keep others out; here both are opened, so that the hub itself has to.
    let copy = place.path().join("trilby");
    std::fs::copy(program(), &copy).unwrap();
    for (path, mode) in [(place.path().to_owned(), 0o755), (copy.clone(), 0o755), (place.socket(), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut other = Command::new(&copy);
    other.args(place.arguments(&["status"])).current_dir("/").uid(65534).gid(65534).stdin(Stdio::null());
    let other = other.output().unwrap();
    assert!(!other.status.success());
    assert!(text(&other).contains("each user has a hub of their own"), "{}", text(&other));
}

fn strace() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        skip("the order of sync and acknowledgement", "strace is not installed");
        return false;
    }
    true
}

/// When each sync had ended, in seconds since 1970, as strace saw it.
fn syncs(log: &Path) -> Vec<f64> {
    let content = std::fs::read_to_string(log).unwrap();
    let mut begun: BTreeMap<&str, f64> = BTreeMap::new();
    let mut ended = Vec::new();
    for line in content.lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(time)) = (words.next(), words.next().and_then(|time| time.parse::<f64>().ok())) else {
            continue;
        };
        if line.contains("resumed") {
            ended.push(time);
            begun.remove(thread);
        } else if line.contains("unfinished") {
            begun.insert(thread, time);
        } else if let Some(took) =
            line.rsplit_once('<').and_then(|(_, took)| took.trim_end_matches('>').parse::<f64>().ok())
        {
            ended.push(time + took);
        }
    }
    ended
}

#[tokio::test]
async fn no_answer_leaves_before_the_sync_that_covers_it() {
    ours_only!("the reference has no hub");
    if !strace() {
        return;
    }
    let place = Place::new();
    let log = place.path().join("strace.log");
    let log_text = log.display().to_string();
    let mut hub =
        place.run(&["strace", "-f", "-ttt", "-T", "-e", "trace=fdatasync", "-o", &log_text], &["--idle-timeout", "2s"]);
    let client = place.client(PATIENCE);
    client.connect().await.unwrap();
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let mut answered = Vec::new();
    for number in 0..40 {
        write(&client, "k", &number.to_string()).await.unwrap();
        answered.push(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64());
    }
    client.close().await;
    hub.0.wait().unwrap();
    let syncs: Vec<f64> = syncs(&log).into_iter().filter(|ended| *ended >= began).collect();
    for (number, answered) in answered.iter().enumerate() {
        let before = syncs.iter().filter(|ended| *ended <= answered).count();
        assert!(before > number, "answer {number} came after {before} syncs only");
    }
}

#[tokio::test]
async fn after_one_failed_sync_nothing_more_is_acknowledged() {
    ours_only!("the reference has no hub");
    if !strace() {
        return;
    }
    let place = Place::new();
    let failing = "inject=fdatasync:error=EIO:when=6..6";
    let log = place.path().join("hub.log").display().to_string();
    let mut hub = place.run(
        &["strace", "-f", "-e", "trace=fdatasync", "-e", failing, "-o", "/dev/null"],
        &["--log-level", "error", "--log-file", &log],
    );
    let client = place.client(PATIENCE);
    client.connect().await.unwrap();
    let mut last = None;
    let failure = loop {
        let number = last.map_or(0, |last| last + 1);
        match write(&client, "k", &number.to_string()).await {
            Ok(_) => last = Some(number),
            Err(error) => break error,
        }
        assert!(number < 100, "no sync has failed");
    };
    assert!(matches!(failure, Error::Failed(_)), "{failure:?}");
    for _ in 0..5 {
        // The disk is well again, and still nothing is acknowledged.
        assert!(matches!(write(&client, "k", "later").await, Err(Error::Failed(_))));
    }
    let status = client.status().await.unwrap();
    assert!(status.failure.contains("nothing more is acknowledged"), "{status:?}");
    let told = text(&place.command(&["status"]));
    assert!(told.contains("FAILED"), "{told}");
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("nothing more is acknowledged"), "{logged}");
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(status.pid).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    );
    hub.0.wait().unwrap();
    let _hub = place.run(&[], &[]);
    let client = place.client(PATIENCE);
    let found = all(&client, "").await;
    let value = found.get("k").map(|value| value.parse::<u64>().unwrap());
    assert!(value >= last, "{value:?} is there, {last:?} was acknowledged");
    write(&client, "k", "again").await.unwrap();
}
