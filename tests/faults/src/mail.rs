//! The hub's topics under faults: what clients write are messages, and what is read back is what an app was delivered. The
//! app lives in the test's process and forgets nothing, so that a message that was delivered before a fault counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Arrived, BoxedBody, body_of};

use crate::process::Process;
use crate::sidecar::{Client, Http, Refusal, Sidecar, Subject};

/// Nothing more comes when nothing has come for so long: a hub that starts again delivers at once what nobody holds.
const QUIET: Duration = Duration::from_millis(1500);

/// A sidecar with the broker of a hub that is started and killed together with it, and an app that is subscribed.
#[derive(Clone)]
pub struct Mail {
    sidecar: Sidecar,
    inbox: Arc<Inbox>,
    _app: Arc<testkit::App>,
}

/// What was delivered so far.
struct Inbox {
    shelf: Mutex<Shelf>,
}

struct Shelf {
    values: BTreeMap<String, u64>,
    last: Instant,
}

impl Mail {
    /// Starts the app.
    pub async fn on_hub() -> Self {
        let shelf = Shelf { values: BTreeMap::new(), last: Instant::now() };
        let inbox = Arc::new(Inbox { shelf: Mutex::new(shelf) });
        let desk = Arc::clone(&inbox);
        let app = testkit::App::http().otherwise(move |arrived| {
            let desk = Arc::clone(&desk);
            async move { desk.answer(arrived).await }
        });
        let port = testkit::free_port();
        let app = Arc::new(app.start_on(port).await);
        let sidecar = Sidecar::on_hub_with("mail", "pubsub.embedded").before_app(port);
        Self { sidecar, inbox, _app: app }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, arrived: Arrived) -> http::Response<BoxedBody> {
        if arrived.uri.path() == "/dapr/subscribe" {
            return answer(200, &json!([{"pubsubname": "mail", "topic": "counts", "route": "/counts"}]));
        }
        let event = arrived.read().await.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        let Some(Value::Object(values)) = event.and_then(|mut event| event.get_mut("data").map(Value::take)) else {
            return answer(404, &Value::Null);
        };
        let mut shelf = self.lock();
        for (key, value) in &values {
            let Some(number) = value.as_str().and_then(|text| text.parse().ok()) else {
                return answer(404, &Value::Null);
            };
            let kept = shelf.values.entry(key.clone()).or_insert(number);
            // Messages that come again may come late.
            *kept = number.max(*kept);
        }
        shelf.last = Instant::now();
        answer(200, &json!({"status": "SUCCESS"}))
    }
}

fn answer(status: u16, body: &Value) -> http::Response<BoxedBody> {
    let builder = http::Response::builder().status(status).header("content-type", "application/json");
    builder.body(body_of(body.to_string())).expect("a response")
}

impl Subject for Mail {
    type Client = MailClient;

    fn start(&self, folder: &Path, around: &[&str]) -> Process {
        self.inbox.lock().last = Instant::now();
        self.sidecar.start(folder, around)
    }

    async fn connect(&self) -> Result<MailClient, String> {
        let http = self.sidecar.connect_when("/v1.0/healthz").await?;
        // It is subscribed, and what waits is on its way.
        self.inbox.lock().last = Instant::now();
        Ok(MailClient { http, inbox: Arc::clone(&self.inbox) })
    }
}

/// Publishes, and waits for what was published.
pub struct MailClient {
    http: Http,
    inbox: Arc<Inbox>,
}

impl Client for MailClient {
    async fn write(&mut self, values: &[(String, String)]) -> Result<(), Refusal> {
        let data: serde_json::Map<String, Value> =
            values.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        match self.http.post("/v1.0/publish/mail/counts", &Value::Object(data)).await {
            Ok((204, _)) => Ok(()),
            Ok((status, text)) => Err(Refusal::Answered(format!("{status} {text}"))),
            Err(error) => Err(Refusal::Lost(error)),
        }
    }

    async fn read(&mut self, keys: &[String]) -> Result<BTreeMap<String, String>, String> {
        loop {
            let since = self.inbox.lock().last.elapsed();
            match QUIET.checked_sub(since) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                _ => break,
            }
        }
        let shelf = self.inbox.lock();
        let found = keys.iter().filter_map(|key| Some((key.clone(), shelf.values.get(key)?.to_string())));
        Ok(found.collect())
    }
}
