//! Topics of the hub as a process: what is published and what is settled survives kills, and each has its sync.

use std::collections::{BTreeMap, BTreeSet};

use hubclient::Consuming;
use wire::hub::consume_response::Response;
use wire::hub::{Attach, Publication, PublishRequest, SettledMessage, Settlement, TopicMessage};

use super::*;

const KEYS: usize = 8;

fn request(key: &str, data: &str) -> PublishRequest {
    let message = TopicMessage {
        data: Bytes::copy_from_slice(data.as_bytes()),
        ordering_key: Some(key.to_owned()),
        ..TopicMessage::default()
    };
    let publications = vec![Publication { message: Some(message), when: None }];
    PublishRequest { database: "default".to_owned(), topic: "orders".to_owned(), publications }
}

fn attach(group: &str) -> Attach {
    Attach {
        database: "default".to_owned(),
        topic: "orders".to_owned(),
        group: group.to_owned(),
        messages: 32,
        bytes: 1 << 20,
        retention: 3_600_000,
        topic_bytes: 1 << 30,
        first_wait: 20,
        longest_wait: 200,
    }
}

async fn settle(consuming: &Consuming, tag: u64, settlement: Settlement) -> Result<(), Error> {
    consuming.settle(vec![SettledMessage { tag, settlement: settlement.into() }]).await
}

/// What one group has seen.
#[derive(Default)]
struct Handled {
    /// By key, in the order in which the hub confirmed them.
    confirmed: BTreeMap<String, Vec<u64>>,
    /// Delivered at all.
    seen: BTreeSet<(String, u64)>,
    failures: Vec<String>,
}

impl Handled {
    fn take(&mut self, key: &str, number: u64) {
        self.seen.insert((key.to_owned(), number));
        if let Some(last) = self.confirmed.get(key).and_then(|confirmed| confirmed.last())
            && *last >= number
        {
            self.failures.push(format!("{key} {number} came after {last} was confirmed"));
        }
    }
}

/// Handles what comes, failing now and then, until it is told to end and nothing has come for a while.
async fn consume(client: Client, group: &'static str, ended: Arc<AtomicBool>) -> Handled {
    let mut handled = Handled::default();
    loop {
        let mut consuming = match client.consume(attach(group)).await {
            Ok(consuming) => consuming,
            Err(Error::Broken(_) | Error::Unreachable(_)) => continue,
            Err(error) => panic!("{error}"),
        };
        let mut held = BTreeMap::new();
        loop {
            let next = match tokio::time::timeout(Duration::from_secs(3), consuming.next()).await {
                Ok(next) => next,
                Err(_) if ended.load(Ordering::SeqCst) => return handled,
                Err(_) => continue,
            };
            let Ok(Some(next)) = next else { break };
            match next {
                Response::Attached(_) => {}
                Response::Settled(tag) => {
                    if let Some((key, number)) = held.remove(&tag) {
                        handled.confirmed.entry(key).or_insert_with(Vec::new).push(number);
                    }
                }
                Response::Delivery(delivery) => {
                    let data = String::from_utf8(delivery.message.unwrap().data.to_vec()).unwrap();
                    let (key, number) = data.split_once(' ').unwrap();
                    let number = number.parse().unwrap();
                    handled.take(key, number);
                    let fails = number % 17 == 3 && delivery.failures == 0;
                    let settlement = if fails { Settlement::Retry } else { Settlement::Done };
                    if !fails {
                        held.insert(delivery.tag, (key.to_owned(), number));
                    }
                    if settle(&consuming, delivery.tag, settlement).await.is_err() {
                        break;
                    }
                }
            }
        }
    }
}

/// Publishes one number after the other; which of them were acknowledged.
async fn publish(key: String, client: Client, ended: Arc<AtomicBool>) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if ended.load(Ordering::SeqCst) {
            break;
        }
        match client.publish(request(&key, &format!("{key} {number}"))).await {
            Ok(()) => acknowledged.push(number),
            Err(Error::Broken(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_survive_kills_of_the_hub_and_keep_the_order_of_their_keys() {
    ours_only!("the reference has no hub");
    let rounds = if variable("TRILBY_LONG").is_some() { 100 } else { 5 };
    let place = Place::new();
    let mut hub = place.run(&[], &[]);
    let (publishing, consuming) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let groups: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|group| spawn(consume(place.client(PATIENCE), group, Arc::clone(&consuming))))
        .collect();
    // Groups get what is published once they are there.
    let client = place.client(PATIENCE);
    while client.topics().await.unwrap().first().is_none_or(|topic| topic.groups.len() < 2) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let publishers: Vec<_> = (0..KEYS)
        .map(|key| spawn(publish(format!("key{key}"), place.client(PATIENCE), Arc::clone(&publishing))))
        .collect();
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(80 + (round * 37) % 180)).await;
        hub.0.kill().unwrap();
        hub.0.wait().unwrap();
        hub = place.run(&[], &[]);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    publishing.store(true, Ordering::SeqCst);
    let mut acknowledged = Vec::new();
    for publisher in publishers {
        acknowledged.push(publisher.await.unwrap());
    }
    consuming.store(true, Ordering::SeqCst);
    let total: usize = acknowledged.iter().map(Vec::len).sum();
    assert!(total > rounds as usize, "only {total} publishes in {rounds} rounds");
    for group in groups {
        let handled = group.await.unwrap();
        assert_eq!(handled.failures, Vec::<String>::new());
        for (key, numbers) in acknowledged.iter().enumerate() {
            let lost: Vec<_> =
                numbers.iter().filter(|number| !handled.seen.contains(&(format!("key{key}"), **number))).collect();
            assert!(lost.is_empty(), "of key {key} were lost: {lost:?}");
        }
    }
    let topics = client.topics().await.unwrap();
    assert_eq!(topics[0].messages, 0, "{topics:?}");
    let told = text(&tokio::task::spawn_blocking(move || place.command(&["topics"])).await.unwrap());
    assert!(told.contains("orders (database default): 0 messages") && told.contains("one: 0 wait"), "{told}");
    println!("{rounds} kills, {total} acknowledged publishes");
}

#[tokio::test]
async fn no_publish_and_no_settlement_is_answered_before_its_sync() {
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
    let mut consuming = client.consume(attach("g")).await.unwrap();
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let (began, mut answered) = (now(), Vec::new());
    for number in 0..20 {
        client.publish(request("k", &format!("k {number}"))).await.unwrap();
        answered.push(now());
        let Ok(Some(Response::Delivery(delivery))) = consuming.next().await else { panic!("no delivery") };
        settle(&consuming, delivery.tag, Settlement::Done).await.unwrap();
        assert_eq!(consuming.next().await, Ok(Some(Response::Settled(delivery.tag))));
        answered.push(now());
    }
    drop(consuming);
    client.close().await;
    hub.0.wait().unwrap();
    let syncs: Vec<f64> = syncs(&log).into_iter().filter(|ended| *ended >= began).collect();
    for (number, answered) in answered.iter().enumerate() {
        let before = syncs.iter().filter(|ended| *ended <= answered).count();
        assert!(before > number, "answer {number} came after {before} syncs only");
    }
}

#[test]
fn what_a_client_held_whose_connection_broke_goes_to_another_at_once() {
    ours_only!("the reference has no hub");
    let place = Place::new();
    let _hub = place.run(&[], &[]);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (dying, living) = (runtime(), runtime());
    let holding = dying.block_on(async {
        let client = place.client(PATIENCE);
        let mut holding = client.consume(attach("g")).await.unwrap();
        client.publish(request("k", "k 1")).await.unwrap();
        assert!(matches!(holding.next().await, Ok(Some(Response::Delivery(_)))));
        holding
    });
    let mut other = living.block_on(async {
        let mut other = place.client(PATIENCE).consume(attach("g")).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), other.next()).await;
        assert!(early.is_err(), "one holds it: {early:?}");
        other
    });
    // Nothing is said to the hub: the socket just goes away, as with a process that is killed.
    dying.shutdown_background();
    let next = living.block_on(async { tokio::time::timeout(Duration::from_secs(10), other.next()).await });
    assert!(matches!(next, Ok(Ok(Some(Response::Delivery(_))))), "{next:?}");
    drop(holding);
}
