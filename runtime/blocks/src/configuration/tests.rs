//! What the configuration API promises, on a store in memory whose changes the test sends.

use std::time::Duration;

use component::configuration::CHANGES_WAITING;
use component::{Backend, Constructing, Constructor, ErrorKind, Host, Registration, Registry, Setup, Spec, Version};
use loaded::{Admitted, Loader};
use tokio::sync::mpsc;

use super::*;

/// Where the changes of each subscription go in.
type Inlets = Arc<Mutex<Vec<mpsc::Sender<Items>>>>;

static INLETS: Mutex<Option<Inlets>> = Mutex::new(None);

#[derive(Default)]
struct Memory {
    inlets: Inlets,
}

#[async_trait::async_trait]
impl Backend for Memory {
    async fn close(&self) -> Result<(), component::Error> {
        self.inlets.lock().unwrap().clear();
        Ok(())
    }
}

fn one(key: &str, value: &str) -> Items {
    let item = Item { value: value.to_owned(), version: "1".to_owned(), ..Item::default() };
    Items::from([(key.to_owned(), item)])
}

#[async_trait::async_trait]
impl ConfigurationStore for Memory {
    async fn get(&self, _: &CallContext, request: &Request) -> Result<Items, component::Error> {
        match request.keys.first().map(String::as_str) {
            Some("broken") => Err(component::Error::new(ErrorKind::Unavailable, "lost")),
            Some(key) => Ok(one(key, "v")),
            None => Ok(Items::new()),
        }
    }

    async fn subscribe(&self, _: &CallContext, request: &Request) -> Result<Changes, component::Error> {
        if request.keys.iter().any(|key| key == "broken") {
            return Err(component::Error::new(ErrorKind::Unavailable, "lost"));
        }
        let (inlet, changes) = mpsc::channel(CHANGES_WAITING);
        self.inlets.lock().unwrap().push(inlet);
        Ok(changes)
    }
}

/// The loader makes the store; the test that holds the lock of `INLETS` finds its inlets there.
fn make(_: Setup) -> Constructing<dyn ConfigurationStore> {
    Box::pin(async {
        let store = Memory::default();
        *INLETS.lock().unwrap() = Some(Arc::clone(&store.inlets));
        Ok(Arc::new(store) as Arc<dyn ConfigurationStore>)
    })
}

const ROWS: &[Registration] = &[Registration {
    component_type: "configuration.memory",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[],
    constructor: Constructor::ConfigurationStore(make),
}];

struct Fixture {
    api: Configuration,
    inlets: Inlets,
    components: LoadedComponents,
    intake: Shutdown,
    tasks: Tasks,
}

async fn fixture(channel: Option<Channel>) -> Fixture {
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let held = ONE_AT_A_TIME.lock().await;
    let (components, tasks, intake) = (LoadedComponents::default(), Tasks::new(), Shutdown::new());
    let host = Host::new("app", "", component::Tasks::new(|_, _| ()));
    let admission: loaded::Admission = Arc::new(|_, properties| Ok(Admitted::from(properties)));
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, components.clone());
    let spec = Spec {
        name: "store".to_owned(),
        namespace: String::new(),
        component_type: "configuration.memory".to_owned(),
        version: "v1".to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    let inlets = INLETS.lock().unwrap().take().unwrap();
    drop(held);
    let api = Configuration::new(components.clone(), channel, tasks.clone(), intake.clone());
    Fixture { api, inlets, components, intake, tasks }
}

impl Fixture {
    async fn tell(&self, items: Items) {
        let inlet = self.inlets.lock().unwrap().first().unwrap().clone();
        inlet.send(items).await.unwrap();
    }
}

fn keys(keys: &[&str]) -> Request {
    Request { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Request::default() }
}

fn context() -> CallContext {
    CallContext::default()
}

#[tokio::test]
async fn stores_that_are_missing_or_broken_are_told_in_the_targets_words() {
    let none = Configuration::new(LoadedComponents::default(), None, Tasks::new(), Shutdown::new());
    let said = none.get(&context(), "store", keys(&[])).await.unwrap_err().to_string();
    assert_eq!(said, "configuration stores not configured");
    let api = fixture(None).await.api;
    let said = api.get(&context(), "other", keys(&[])).await.unwrap_err().to_string();
    assert_eq!(said, "configuration store other not found");
    let said = api.get(&context(), "store", keys(&["broken", "b"])).await.unwrap_err().to_string();
    assert_eq!(said, "failed to get [broken b] from Configuration store store: lost");
    let said = api.subscribe(&context(), "store", keys(&["a", "broken"])).await.err().unwrap().to_string();
    assert_eq!(said, "failed to subscribe [a broken] from Configuration store store: lost");
    let said = api.subscribe_app(&context(), "store", keys(&[])).await.unwrap_err().to_string();
    assert_eq!(said, "app channel is not initialized. cannot subscribe to configuration updates");
    let said = api.unsubscribe("1").unwrap_err().to_string();
    assert_eq!(said, "failed to unsubscribe to configuration request 1: subscription does not exist");
}

#[tokio::test]
async fn changes_come_in_order_until_the_subscription_is_ended() {
    let fixture = fixture(None).await;
    let mut subscription = fixture.api.subscribe(&context(), "store", keys(&["a"])).await.unwrap();
    fixture.tell(one("a", "1")).await;
    fixture.tell(one("a", "2")).await;
    assert_eq!(subscription.next().await, Change::Items(one("a", "1")));
    assert_eq!(subscription.next().await, Change::Items(one("a", "2")));
    let id = subscription.id().to_owned();
    let said = fixture.api.unsubscribe_from("store", "other").unwrap_err().to_string();
    assert_eq!(said, "failed to unsubscribe to configuration request other: subscription with id other does not exist");
    fixture.api.unsubscribe_from("store", &id).unwrap();
    assert_eq!(subscription.next().await, Change::Ended);
    assert!(fixture.api.unsubscribe(&id).is_err());
    drop(subscription);
    assert!(fixture.inlets.lock().unwrap()[0].is_closed(), "the store sees the end");
}

#[tokio::test]
async fn a_subscription_that_is_dropped_is_forgotten() {
    let fixture = fixture(None).await;
    let subscription = fixture.api.subscribe(&context(), "store", keys(&[])).await.unwrap();
    let id = subscription.id().to_owned();
    drop(subscription);
    assert!(fixture.api.unsubscribe(&id).is_err());
}

#[tokio::test]
async fn a_store_is_closed_while_there_are_subscriptions() {
    let fixture = fixture(None).await;
    let mut subscription = fixture.api.subscribe(&context(), "store", keys(&[])).await.unwrap();
    let closing = tokio::time::timeout(Duration::from_secs(5), fixture.components.close());
    assert!(closing.await.expect("closing does not wait for the subscription").is_empty());
    assert_eq!(subscription.next().await, Change::Lost);
}

#[tokio::test]
async fn a_stop_of_the_sidecar_ends_every_subscription() {
    let fixture = fixture(None).await;
    let mut subscription = fixture.api.subscribe(&context(), "store", keys(&[])).await.unwrap();
    fixture.intake.request();
    assert_eq!(subscription.next().await, Change::Ended);
}

#[tokio::test]
async fn there_is_an_end_to_how_many_subscriptions_are_taken() {
    let fixture = fixture(None).await;
    let mut held = Vec::new();
    for _ in 0..MAX_SUBSCRIPTIONS {
        held.push(fixture.api.subscribe(&context(), "store", keys(&[])).await.unwrap());
    }
    let refused = fixture.api.subscribe(&context(), "store", keys(&[])).await.err().unwrap().to_string();
    assert!(refused.ends_with("there are 1024 subscriptions already"), "{refused}");
    held.pop();
    fixture.api.subscribe(&context(), "store", keys(&[])).await.unwrap();
}

/// An app on a real socket that answers every request with the next of some statuses and tells its head and body.
async fn app(statuses: &'static [u16]) -> (Channel, mpsc::Receiver<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel(16);
    Tasks::new().spawn("app", async move {
        for status in statuses {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            while !text.ends_with("}\n") {
                let read = socket.read(&mut buffer).await.unwrap();
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
            sender.send(text).await.unwrap();
        }
    });
    let options = app::Options {
        address: app::Address { host: "127.0.0.1".to_owned(), port },
        protocol: app::Protocol::Http,
        max_concurrency: None,
        token: None,
        max_message: 1 << 20,
        max_headers: 64 << 10,
        health_path: String::new(),
        pipeline: None,
        metrics: telemetry::Metrics::off(),
    };
    (Channel::new(options, app::Health::always(), &Tasks::new()).unwrap(), receiver)
}

#[tokio::test]
async fn changes_are_posted_to_the_app_also_after_it_refused_one_and_only_below_their_path() {
    let (channel, mut requests) = app(&[500, 200]).await;
    let fixture = fixture(Some(channel)).await;
    let id = fixture.api.subscribe_app(&context(), "store", keys(&["a"])).await.unwrap();
    fixture.tell(one("a", "1")).await;
    let first = requests.recv().await.unwrap();
    assert!(first.starts_with("POST /configuration/store/a HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("content-type: application/json\r\n"), "{first}");
    let body = format!("{{\"id\":\"{id}\",\"items\":{{\"a\":{{\"value\":\"1\",\"version\":\"1\"}}}}}}\n");
    assert!(first.ends_with(&body), "{first}");
    fixture.tell(one("../../admin", "x")).await;
    fixture.tell(one("b", "")).await;
    let second = requests.recv().await.unwrap();
    assert!(second.starts_with("POST /configuration/store/b HTTP/1.1\r\n"), "{second}");
    assert!(second.ends_with("{\"b\":{\"version\":\"1\"}}}\n"), "{second}");
    fixture.api.unsubscribe_from("store", &id).unwrap();
    tokio::time::timeout(Duration::from_secs(5), fixture.tasks.wait()).await.expect("the task ends");
}
